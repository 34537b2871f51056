"""Reads the sides and the turn of a picture from its headers alone, in bounded memory.

Pillow is not asked: to open a WebP it reads the whole file, and a PNG's or JPEG's metadata of any
length, before it tells the size.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.pictures import Part, jpeg_parts, png_parts, riff_parts

_EXIF_MOST = 65_536
"""Bytes of EXIF that are looked at: the most that a JPEG can hold; the orientation stands early."""

_FRAMES = frozenset(bytes([code]) for code in range(0xC0, 0xD0)) - {b"\xc4", b"\xc8", b"\xcc"}
_LAYOUTS = {b"II*\x00": "<", b"MM\x00*": ">"}
_PROGRESSIVE = frozenset({b"\xc2", b"\xc6", b"\xca", b"\xce"})


@dataclass(frozen=True, slots=True)
class Header:
    """A picture's sides in pixels as stored, whether viewers lay it on its side, and how it is coded."""

    width: int = 0
    height: int = 0
    turned: bool = False
    components: int = 0
    scattered: bool = False  # JPEG: in several scans, so that a decoder has to hold all coefficients
    metadata: int = 0  # bytes that are not picture


def read_header(file: BinaryIO, extension: str, size: int) -> Header | None:
    """The header of a `.jpg`, `.png` or `.webp` file of `size` bytes; None when there is none to be read."""
    reader = {".jpg": _jpeg, ".png": _png, ".webp": _webp}[extension]
    header = reader(file, size)
    return header if header and header.width > 0 and header.height > 0 else None


def _png(file: BinaryIO, size: int) -> Header | None:
    head = read_at(file, 0, 26)
    if len(head) < 26 or head[12:16] != b"IHDR":
        return None
    sides = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    exif, metadata = b"", 0
    for part in png_parts(file, size):
        if part.name not in (b"IHDR", b"IDAT", b"IEND"):
            metadata += part.end - part.start
        if part.name == b"eXIf":
            exif = _exif(file, part)
    return Header(*sides, turned=_is_turned(exif), metadata=metadata)


def _jpeg(file: BinaryIO, size: int) -> Header | None:
    frame, name, exif, metadata = b"", b"", b"", 0
    for part in jpeg_parts(file, size):
        metadata += part.end - part.start
        if part.name in _FRAMES and not frame:
            name, frame = part.name, read_at(file, part.start, 6)
        elif part.name == b"\xe1" and not exif:
            exif = _exif(file, part)
        elif part.name == b"\xda":
            scan = read_at(file, part.start, 1)
            return _jpeg_header(frame, name, scan, turned=_is_turned(exif), metadata=metadata)
    return None


def _jpeg_header(frame: bytes, name: bytes, scan: bytes, *, turned: bool, metadata: int) -> Header | None:
    if len(frame) < 6 or not scan:
        return None
    height, width, components = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
    scattered = name in _PROGRESSIVE or scan[0] < components
    return Header(width, height, turned, components, scattered, metadata)


def _webp(file: BinaryIO, size: int) -> Header | None:
    sides, exif = None, b""
    for part in riff_parts(file, size):
        if sides is None:
            sides = _webp_sides(part.name, read_at(file, part.start, 10))
        if part.name == b"EXIF" and part.end <= size:
            exif = _exif(file, part)
    return Header(*sides, turned=_is_turned(exif)) if sides else None


def _webp_sides(name: bytes, data: bytes) -> tuple[int, int] | None:
    """RFC 9649, 2.7 (VP8X), 3.4 (VP8L), and RFC 6386, 9.1 (VP8)."""
    if len(data) < 10:
        return None
    if name == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if name == b"VP8L" and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return None


def _exif(file: BinaryIO, part: Part) -> bytes:
    """What follows Exif's own mark, if it has one; nothing for other metadata in the same place."""
    data = read_at(file, part.start, min(_EXIF_MOST, part.end - part.start)).removeprefix(b"Exif\x00\x00")
    return data if data[:4] in _LAYOUTS else b""


def _is_turned(exif: bytes) -> bool:
    """Whether the orientation tag (0x0112, Exif 2.32 4.6.4) is one of the four that swap the sides."""
    layout = _LAYOUTS.get(exif[:4])
    if layout is None or len(exif) < 8:
        return False
    (start,) = struct.unpack_from(layout + "I", exif, 4)
    if start + 2 > len(exif):
        return False
    (count,) = struct.unpack_from(layout + "H", exif, start)
    last = min(start + 2 + 12 * count, len(exif) - 11)
    return any(_turns(exif, layout, at) for at in range(start + 2, last, 12))


def _turns(exif: bytes, layout: str, at: int) -> bool:
    tag, _, _, value = struct.unpack_from(layout + "HHIH", exif, at)
    return tag == 0x0112 and value in range(5, 9)
