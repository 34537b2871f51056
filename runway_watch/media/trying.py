"""Whether pictures can be converted on this machine, found out with one of our own."""

import io
import struct

from runway_watch.errors import Interrupted, Refusal
from runway_watch.media import darkroom


def try_darkroom() -> str:
    """Why not; "" if they can."""
    side = 16
    pixels = bytes(range(256)) * 3
    header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + len(pixels), 0, 54, 40, side, side, 1, 24, *[0] * 6)
    try:
        darkroom.convert(io.BytesIO(header + pixels), darkroom.Order(".bmp"), name="a small picture")
    except (Refusal, Interrupted) as error:
        return error.message if isinstance(error, Refusal) else str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""
