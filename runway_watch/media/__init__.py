"""What a media file is, whether it is all there, and whether it is sound, told by its bytes alone; and how it
is sent, so that Runway takes it and learns no more from it than it has to.

Every function takes an open binary file and moves its position; none opens a path, reads backwards, or
runs for long on any input. None holds more than a block of the file, but for a decode, which has a limit,
and for the darkroom's, which has a process of its own.
"""

from runway_watch.media.cuts import Cut, after, size_after
from runway_watch.media.darkroom import Footage
from runway_watch.media.decoding import decodes
from runway_watch.media.looking import look
from runway_watch.media.preparing import Policy, copied, developed, left_out, prepare
from runway_watch.media.probing import NOT_PROBED, can_probe, probed
from runway_watch.media.sniff import Sniffed, extension_fits, sniff
from runway_watch.media.trying import try_darkroom
from runway_watch.media.vector import svg_is_drawing
from runway_watch.media.wholeness import is_whole

__all__ = [
    "NOT_PROBED",
    "Cut",
    "Footage",
    "Policy",
    "Sniffed",
    "after",
    "can_probe",
    "copied",
    "decodes",
    "developed",
    "extension_fits",
    "is_whole",
    "left_out",
    "look",
    "prepare",
    "probed",
    "size_after",
    "sniff",
    "svg_is_drawing",
    "try_darkroom",
]
