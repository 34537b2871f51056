"""Reads from a picture's headers alone how large it is, how it lies and how it is coded, in bounded memory.

Pillow is not asked: to open a WebP it reads the whole file, and a PNG's or JPEG's metadata of any
length, before it tells the size.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from runway_watch.media import bitmaps, exif, heif, tiff
from runway_watch.media.blocks import read_at
from runway_watch.media.pictures import Part, jpeg_parts, png_parts, riff_parts

_EXIF_MOST = 65_536
"""Bytes of EXIF that are looked at: the most that a JPEG can hold; the orientation stands early."""

_PROFILE_MOST = 256 * 1024
"""Bytes of a colour profile that are looked at; those of cameras have a few thousand."""

_FRAMES = frozenset(bytes([code]) for code in range(0xC0, 0xD0)) - {b"\xc4", b"\xc8", b"\xcc"}
_PROGRESSIVE = frozenset({b"\xc2", b"\xc6", b"\xca", b"\xce"})
_PROFILE = b"ICC_PROFILE\x00"


@dataclass(frozen=True, slots=True)
class Header:
    """A picture as it is stored.

    Args:
        width, height: pixels, before it is turned.
        orientation: how it lies, as Exif numbers it; 1 is upright.
        components: of a JPEG; four are CMYK's.
        scattered: JPEG in several scans, so that a decoder has to hold all coefficients.
        metadata: bytes that are not picture.
        bits: of a sample.
        palette: its pixels are numbers of colours.
        animated: there is more than one frame.
        profile: what its colours mean, as ICC says it; b"" for sRGB.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    components: int = 0
    scattered: bool = False
    metadata: int = 0
    bits: int = 8
    palette: bool = False
    animated: bool = False
    profile: bytes = b""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as displayed."""
        swapped = exif.swaps(self.orientation)
        return (self.height, self.width) if swapped else (self.width, self.height)


def read_header(file: BinaryIO, extension: str, size: int) -> Header | None:
    """The header of a picture of `size` bytes, by what it is; None when there is none to be read."""
    header = _READERS[extension](file, size)
    return header if header and header.width > 0 and header.height > 0 else None


def _png(file: BinaryIO, size: int) -> Header | None:
    head = read_at(file, 0, 26)
    if len(head) < 26 or head[12:16] != b"IHDR":
        return None
    sides = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    found, profile, metadata = b"", b"", 0
    for part in png_parts(file, size):
        if part.name not in (b"IHDR", b"IDAT", b"IEND"):
            metadata += part.end - part.start
        if part.name == b"eXIf":
            found = _exif(file, part)
        elif part.name == b"iCCP":
            profile = _unpacked(read_at(file, part.start, min(_PROFILE_MOST, part.end - part.start)))
    lies = exif.orientation(found)
    palette = head[25] == 3
    return Header(*sides, lies, metadata=metadata, bits=head[24], palette=palette, profile=profile)


def _unpacked(chunk: bytes) -> bytes:
    """The profile in an iCCP chunk (PNG 11.3.2.3); something that is none where it cannot be read."""
    try:
        return zlib.decompressobj().decompress(chunk.partition(b"\0")[2][1:], _PROFILE_MOST)
    except zlib.error:
        return b"damaged"


def _jpeg(file: BinaryIO, size: int) -> Header | None:
    frame, name, found, profile, metadata = b"", b"", b"", b"", 0
    for part in jpeg_parts(file, size):
        metadata += part.end - part.start
        if part.name in _FRAMES and not frame:
            name, frame = part.name, read_at(file, part.start, 6)
        elif part.name == b"\xe1" and not found:
            found = _exif(file, part)
        elif part.name == b"\xe2" and len(profile) < _PROFILE_MOST:
            profile += _piece(file, part)
        elif part.name == b"\xda":
            scan = read_at(file, part.start, 1)
            plain = Header(orientation=exif.orientation(found), metadata=metadata, profile=profile)
            return _jpeg_header(frame, name, scan, plain)
    return None


def _piece(file: BinaryIO, part: Part) -> bytes:
    """A segment's part of the colour profile, where it has one (ICC.1:2010, B.4)."""
    data = read_at(file, part.start, part.end - part.start)
    return data[14:] if data.startswith(_PROFILE) else b""


def _jpeg_header(frame: bytes, name: bytes, scan: bytes, plain: Header) -> Header | None:
    if len(frame) < 6 or not scan:
        return None
    height, width, components = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
    scattered = name in _PROGRESSIVE or scan[0] < components
    return Header(
        width,
        height,
        plain.orientation,
        components,
        scattered,
        plain.metadata,
        bits=frame[0],
        profile=plain.profile,
    )


def _webp(file: BinaryIO, size: int) -> Header | None:
    sides, found, profile, animated = None, b"", b"", False
    for part in riff_parts(file, size):
        if sides is None:
            sides = _webp_sides(part.name, read_at(file, part.start, 10))
        if part.name == b"EXIF" and part.end <= size:
            found = _exif(file, part)
        elif part.name == b"ICCP":
            profile = read_at(file, part.start, min(_PROFILE_MOST, part.end - part.start))
        animated = animated or part.name == b"ANMF"
    lies = exif.orientation(found)
    return Header(*sides, lies, animated=animated, profile=profile) if sides else None


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
    return exif.plain(read_at(file, part.start, min(_EXIF_MOST, part.end - part.start)))


def _heif(file: BinaryIO, size: int) -> Header | None:
    still = heif.read_still(file, size)
    if still is None:
        return None
    return Header(still.width, still.height, {1: 8, 2: 3, 3: 6}.get(still.turns, 1))


def _tiff(file: BinaryIO, _: int) -> Header | None:
    page = tiff.first_page(file)
    if page is None:
        return None
    width, height = (page.number(file, tag) or 0 for tag in (tiff.WIDTH, tiff.HEIGHT))
    lies = page.number(file, tiff.ORIENTATION) or 1
    return Header(width, height, lies if 1 <= lies <= 8 else 1)


def _bitmap(sides: tuple[int, int] | None) -> Header | None:
    return None if sides is None else Header(*sides)


_READERS: dict[str, Callable[[BinaryIO, int], Header | None]] = {
    ".jpg": _jpeg,
    ".png": _png,
    ".webp": _webp,
    ".heic": _heif,
    ".avif": _heif,
    ".tif": _tiff,
    ".bmp": lambda file, _: _bitmap(bitmaps.bmp_sides(file)),
    ".gif": lambda file, _: _bitmap(bitmaps.gif_sides(file)),
}
