"""BMP and GIF: their sides, and whether a BMP is all there."""

import struct
from typing import BinaryIO

from runway_watch.media.blocks import read_at


def bmp_sides(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a BMP; None when its header cannot be read."""
    head = read_at(file, 0, 26)
    if len(head) < 26 or head[:2] != b"BM":
        return None
    if int.from_bytes(head[14:18], "little") == 12:  # OS/2's, from 1987
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    return width, abs(height)


def bmp_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether as many bytes are there as its sides and depth ask for, or as it states where it is packed."""
    head, sides = read_at(file, 0, 34), bmp_sides(file)
    if sides is None or len(head) < 34 or not all(side > 0 for side in sides):
        return False
    start, stated = int.from_bytes(head[10:14], "little"), int.from_bytes(head[2:6], "little")
    if int.from_bytes(head[14:18], "little") == 12:
        return start + _row(sides[0], int.from_bytes(head[24:26], "little")) * sides[1] <= size
    depth, packing = struct.unpack_from("<HI", head, 28)
    if packing in (0, 3, 6):  # BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS
        return start + _row(sides[0], depth) * sides[1] <= size
    return stated <= size


def _row(width: int, depth: int) -> int:
    """Bytes of a row: whole words of 32 bits."""
    return (width * depth + 31) // 32 * 4


def gif_sides(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a GIF's canvas; None when its header cannot be read."""
    head = read_at(file, 0, 10)
    if len(head) < 10 or head[:4] != b"GIF8":
        return None
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height
