"""The one thing in a camera's metadata that changes how a picture is seen: which way is up."""

import struct

LAYOUTS = {b"II*\x00": "<", b"MM\x00*": ">"}
MARK = b"Exif\x00\x00"
"""What stands before it in a JPEG, and before that of some encoders in a WebP."""

ORIENTATION = 0x0112
"""Exif 2.32, 4.6.4."""


def plain(data: bytes) -> bytes:
    """What follows Exif's own mark, if it has one; nothing for other metadata in the same place."""
    exif = data.removeprefix(MARK)
    return exif if exif[:4] in LAYOUTS else b""


def orientation(exif: bytes) -> int:
    """How a picture lies, 1 to 8; 1, upright, where that is not said."""
    layout = LAYOUTS.get(exif[:4])
    if layout is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(layout + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(layout + "H", exif, start)
    last = min(start + 2 + 12 * count, len(exif) - 11)
    told = (_value(exif, layout, at) for at in range(start + 2, last, 12))
    return next((value for value in told if value is not None), 1)


def _value(exif: bytes, layout: str, at: int) -> int | None:
    tag, _, _, value = struct.unpack_from(layout + "HHIH", exif, at)
    return value if tag == ORIENTATION and 1 <= value <= 8 else None


def swaps(orientation: int) -> bool:
    """Whether a picture that lies so has to be laid on its side to stand upright."""
    return orientation >= 5


def minimal(orientation: int) -> bytes:
    """Metadata that says which way is up, and nothing else."""
    return b"II*\x00" + struct.pack("<IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
