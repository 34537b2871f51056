"""Decodes a picture to its end where that is cheap, one at a time, to see that it is sound.

What a decode will take is estimated from the header before Pillow sees the
file, and a picture that would take more than `MOST_MEMORY` is not tried.
"""

import struct
import threading
import zlib
from typing import BinaryIO

from PIL import Image

from runway_watch.media.headers import Header, read_header
from runway_watch.sides import MAX_PIXELS

MOST_MEMORY = 32 * 1024 * 1024
"""Bytes that one decode may take."""

_MOST_METADATA = 8 * 1024 * 1024
"""Pillow keeps all of a file's metadata; no camera writes that much."""

_FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_ONE_AT_A_TIME = threading.Lock()
_BROKEN = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow's plugins raise on damaged data, besides an OSError without a number."""


def decodes(file: BinaryIO, extension: str) -> bool | None:
    """Whether the picture decodes to its end.

    Args:
        file: open for reading, seekable; its position is moved.
        extension: what the bytes are, with the dot.

    Returns:
        None when it was not tried: not a picture, or too costly.

    Raises:
        OSError: the file cannot be read; damaged data is False instead.
    """
    kind = ".jpg" if extension.lower() == ".jpeg" else extension.lower()
    if kind not in _FORMATS:
        return None
    size = file.seek(0, 2)
    header = read_header(file, kind, size)
    if header is None:
        return False
    if header.width * header.height > MAX_PIXELS:
        return None  # Pillow takes it for a bomb, which says nothing of the picture
    if _estimate(header, kind, size) > MOST_MEMORY or header.metadata > _MOST_METADATA:
        return None
    with _ONE_AT_A_TIME:
        return _decode(file, kind, header)


def _estimate(header: Header, kind: str, size: int) -> int:
    pixels = header.width * header.height
    if kind == ".jpg":
        # A draft at 1/8 has 1/64 of the pixels; coefficients are 16 bits each, for the whole picture.
        return pixels * 3 // 64 + (pixels * 2 * header.components if header.scattered else 0)
    # libwebp's animation decoder keeps two canvases beside Pillow's copies, and Pillow the file.
    return pixels * 4 if kind == ".png" else pixels * 16 + size


def _decode(file: BinaryIO, kind: str, header: Header) -> bool | None:
    file.seek(0)
    try:
        with Image.open(file, formats=[_FORMATS[kind]]) as picture:
            picture.draft("RGB", (header.width // 8, header.height // 8))
            picture.load()
    except Warning:
        return None  # only where warnings are errors: Pillow doubts some metadata, not the picture
    except OSError as error:
        if error.errno is not None:
            raise
        return False
    except _BROKEN:
        return False
    return True
