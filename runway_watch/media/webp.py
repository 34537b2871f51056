"""Tells whether a WebP is all there, its end included, though the format has no checksum and no end mark.

Zeros at the end prove nothing: a picture with a plain lower edge ends in up to 60 KB of them. But an
encoder writes no more than its decoder needs. A real file does not decode without its last few bytes;
one whose end is still to come mostly does, as zeros lead the decoder through the picture sooner.
(Seen with libwebp: of 800 real pictures none was doubted; of 1,948 with a quarter or more blanked none
was believed; of 660 with the last 16 bytes blanked, 53.)
"""

import io
from typing import BinaryIO

from runway_watch.media.blocks import read_at, stretch
from runway_watch.media.decoding import decodes
from runway_watch.media.pictures import Part, riff_parts

_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_SPARE = 4
"""Bytes at the end: a real picture cannot do without them, and does not usually have them all zero."""

_MOST_COPIED = 8 * 1024 * 1024
"""Bytes of coded picture that are copied to be tried; a larger one is judged by its last eighth."""


def webp_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the chunks fill the size that the header claims, and the picture's end is a real one."""
    head = read_at(file, 0, 12)
    end = 8 + int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or head[8:] != b"WEBP" or end > size:
        return False
    last = picture = None
    for last in riff_parts(file, end):
        picture = last if last.name in _PICTURES else picture
    if last is None or picture is None or last.end not in (end, end - 1):
        return False
    coded = _coded(file, picture)
    return coded is not None and _ends_really(file, coded)


def _coded(file: BinaryIO, picture: Part) -> Part | None:
    """The coded picture itself; an animation's frame has 16 bytes before it (RFC 9649, 2.7.1.1)."""
    if picture.name != b"ANMF":
        return picture
    inner = riff_parts(file, picture.end, start=picture.start + 16)
    return next((part for part in inner if part.name in _PICTURES and part.end <= picture.end), None)


def _ends_really(file: BinaryIO, coded: Part) -> bool:
    length = coded.end - coded.start
    if length <= 2 * _SPARE or any(read_at(file, coded.end - _SPARE, _SPARE)):
        return True
    if length <= _MOST_COPIED:
        data = read_at(file, coded.start, length)
        enough = _decodes(coded.name, data[:-_SPARE])
        if enough is not None:
            return not enough and _decodes(coded.name, data) is True
    return any(any(block) for block in stretch(file, coded.end - length // 8, coded.end))


def _decodes(name: bytes, data: bytes) -> bool | None:
    return decodes(io.BytesIO(_simple(name, data)), ".webp")


def _simple(name: bytes, data: bytes) -> bytes:
    """A WebP of nothing but this coded picture."""
    padding = b"\x00" * (len(data) % 2)
    chunk = name + len(data).to_bytes(4, "little") + data + padding
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
