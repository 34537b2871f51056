"""Finds in JPEG, PNG and WebP what tells where, when and by whom a picture was taken, to leave it out.

Nothing of the picture changes: what stays, stays byte for byte. What is kept is named; everything else goes,
and so does what follows the picture's end, where phones append more pictures with metadata of their own.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media import exif
from runway_watch.media.blocks import read_at
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import Part, jpeg_parts, png_parts, riff_parts

_JPEG_KEPT = {
    b"\xe0": (b"JFIF\x00", 14, b"\x00\x00"),
    b"\xe2": (b"ICC_PROFILE\x00", 0, b""),
    b"\xee": (b"Adobe", 12, b""),
}
"""Application segments that say how the picture is to be read: how they begin, how many bytes they need (0:
all of them), and the last ones of these: a thumbnail of 0 x 0 (ITU-T T.871, 10.1; T.872, 6.5.3)."""

_PNG_KEPT = frozenset(
    {
        *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"cHRM", b"gAMA", b"sBIT", b"sRGB", b"iCCP"),
        *(b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs"),
    }
)
"""Animations go too: a reader that knows none shows what is left, the first frame (PNG 3, 4.9)."""

_WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF"})
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def jpeg_cuts(file: BinaryIO, size: int, *, orientation: int = 1) -> Iterator[Cut]:
    """What is left out of a JPEG; `orientation`, unless it is 1, is said again in as few bytes as can be."""
    position, is_coded = 2, False
    if orientation != 1:
        yield Cut(2, 2, _jpeg_orientation(orientation))
    for part in jpeg_parts(file, size):
        bare = part.start == part.end and part.name in (b"\xd9", b"\x01", b"\xd8")
        begin = part.start - (2 if bare else 4)
        if not is_coded and begin > position:
            yield Cut(position, begin)
        if not bare:
            yield from _segment_cuts(file, part)
        position, is_coded = part.end, is_coded or part.name == b"\xda"
        if part.name == b"\xd9" and position < size:
            yield Cut(position, size)


def _segment_cuts(file: BinaryIO, part: Part) -> Iterator[Cut]:
    """What goes of a segment: nothing, all of it, or what stands behind the bytes that it needs."""
    if part.name != b"\xfe" and not 0xE0 <= part.name[0] <= 0xEF:
        return
    mark, needed, last = _JPEG_KEPT.get(part.name, (b"", 0, b""))
    length = part.end - part.start
    head = read_at(file, part.start, min(14, length))
    if not mark or not head.startswith(mark) or length < needed:
        yield Cut(part.start - 4, part.end)
    elif needed and (length > needed or not head.endswith(last)):
        yield Cut(part.start - 2, part.start, (needed + 2).to_bytes(2, "big"))
        yield Cut(part.start + needed - len(last), part.end, last)


def _jpeg_orientation(orientation: int) -> bytes:
    data = exif.MARK + exif.minimal(orientation)
    return b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data


def png_cuts(file: BinaryIO, size: int, *, orientation: int = 1) -> Iterator[Cut]:
    """The same for a PNG."""
    for part in png_parts(file, size):
        if part.name not in _PNG_KEPT:
            yield Cut(part.start - 8, part.end + 4)
        elif part.name == b"IHDR" and orientation != 1:
            yield Cut(part.end + 4, part.end + 4, _png_orientation(orientation))
        elif part.name == b"IEND" and part.end + 4 < size:
            yield Cut(part.end + 4, size)


def _png_orientation(orientation: int) -> bytes:
    chunk = b"eXIf" + exif.minimal(orientation)
    return (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")


def webp_cuts(file: BinaryIO, size: int, *, orientation: int = 1) -> Iterator[Cut]:
    """The same for a WebP, whose header states its length, and what is in it."""
    stated = 8 + int.from_bytes(read_at(file, 4, 4), "little")
    gone: list[Cut] = []
    flags = None
    for part in riff_parts(file, stated):
        if part.name == b"VP8X":
            flags = Cut(part.start, part.start + 1, read_at(file, part.start, 1))
        elif part.name not in _WEBP_KEPT:
            gone.append(Cut(part.start - 8, min(size, part.end + part.end % 2)))
    if not gone and stated >= size:
        return
    # Only an extended file can have metadata, and with it an orientation (RFC 9649, 2.7).
    more = _webp_orientation(orientation) if flags and orientation != 1 else b""
    left = min(stated, size) - sum(cut.end - cut.start for cut in gone) + len(more)
    yield Cut(4, 8, (left - 8).to_bytes(4, "little"))
    if flags is not None and flags.instead is not None:
        rest = flags.instead[0] & ~(_EXIF_FLAG | _XMP_FLAG)
        gone.append(Cut(flags.start, flags.end, bytes([rest | (_EXIF_FLAG if more else 0)])))
    yield from sorted(gone, key=lambda cut: cut.start)
    if more or stated < size:
        yield Cut(min(stated, size), size, more)


def _webp_orientation(orientation: int) -> bytes:
    data = exif.minimal(orientation)
    return b"EXIF" + len(data).to_bytes(4, "little") + data
