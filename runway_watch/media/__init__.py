"""What a media file is, whether it is all there, and whether it is sound, told by its bytes alone.

Every function takes an open binary file and moves its position; none opens a path, reads backwards, or
runs for long on any input. None holds more than a block of the file, but for a decode, which has a limit.
"""

from runway_watch.media.decoding import decodes
from runway_watch.media.looking import look
from runway_watch.media.sniff import Sniffed, extension_fits, sniff
from runway_watch.media.vector import svg_is_drawing
from runway_watch.media.wholeness import is_whole

__all__ = ["Sniffed", "decodes", "extension_fits", "is_whole", "look", "sniff", "svg_is_drawing"]
