"""Whether pictures can be converted on this machine, found out with one of our own."""

import io
import struct
from contextlib import suppress

from runway_watch.errors import Exhausted, Refusal
from runway_watch.media import darkroom


def try_darkroom() -> str:
    """Why not; "" if they can."""
    side = 16
    pixels = bytes(range(256)) * 3
    header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + len(pixels), 0, 54, 40, side, side, 1, 24, *[0] * 6)
    picture = io.BytesIO(header + pixels)
    try:
        darkroom.convert(picture, darkroom.Order(".bmp"), name="a small picture")
        with suppress(Refusal):  # it is no HEIC, which only a decoder that is there can say
            darkroom.convert(picture, darkroom.Order(".heic"), name="a small picture")
    except (Refusal, Exhausted) as error:
        return error.message if isinstance(error, Refusal) else str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""
