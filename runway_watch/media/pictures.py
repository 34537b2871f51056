"""Walks pictures from their first byte to their last without decoding them, in bounded memory.

A picture that an SMB client is still filling in has its final size and a tail of zeros. The walks
find that: a PNG by its checksums, a JPEG by its missing end marker (a WebP has neither, see `webp`).
Every walk moves forward by at least two bytes a step and gives up after `MAX_PARTS`, so no input keeps
it busy for long.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from runway_watch.media.blocks import BLOCK, read_at, stretch

MAX_PARTS = 200_000
"""More chunks or segments than any encoder writes into 200 MB; each costs a read."""

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither stuffing, nor fill, nor a restart


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk or a segment: its name, and where its contents begin and end in the file."""

    name: bytes
    start: int
    end: int


def png_parts(file: BinaryIO, size: int) -> Iterator[Part]:
    """The chunks of a PNG in order, IEND last; it stops at the first one that is damaged or cut."""
    position = 8
    for _ in range(MAX_PARTS):
        header = read_at(file, position, 8)
        part = Part(header[4:], position + 8, position + 8 + int.from_bytes(header[:4], "big"))
        if len(header) < 8 or not part.name.isalpha() or part.end + 4 > size:
            return
        yield part
        if part.name == b"IEND":
            return
        position = part.end + 4


def png_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether every chunk up to IEND is there and has the checksum it claims."""
    if read_at(file, 0, 8) != b"\x89PNG\r\n\x1a\n":
        return False
    missing = {b"IHDR", b"IDAT", b"IEND"}
    for part in png_parts(file, size):
        if not _checksum_holds(file, part):
            return False
        missing.discard(part.name)
    return not missing


def _checksum_holds(file: BinaryIO, part: Part) -> bool:
    checksum = zlib.crc32(part.name)
    for block in stretch(file, part.start, part.end):
        checksum = zlib.crc32(block, checksum)
    return read_at(file, part.end, 4) == checksum.to_bytes(4, "big")


def jpeg_parts(file: BinaryIO, size: int) -> Iterator[Part]:
    """The segments of a JPEG in order, each named by its marker's byte; coded data is skipped.

    The end marker (0xD9) comes last if it is there. What follows it (MPO, what phones append) is
    nobody's business.
    """
    position = 2
    for _ in range(MAX_PARTS):
        found = _next_marker(file, position, size)
        if found is None:
            return
        position, name = found
        if name in (b"\xd9", b"\x01", b"\xd8"):
            yield Part(name, position, position)
        else:
            length = int.from_bytes(read_at(file, position, 2), "big")
            if length < 2 or position + length > size:
                return
            yield Part(name, position + 2, position + length)
            position += length
        if name == b"\xd9":
            return


def _next_marker(file: BinaryIO, start: int, size: int) -> tuple[int, bytes] | None:
    """The next marker's byte and the position after it, however much coded data stands before."""
    position = start
    while position < size:
        # Blocks grow from small to large: most markers are near, and a scan is long.
        wanted = 4096 if position - start < 4096 else BLOCK
        block = read_at(file, position, min(wanted, size - position))
        match = _MARKER.search(block)
        if match:
            return position + match.end(), block[match.end() - 1 : match.end()]
        if len(block) < 2:
            return None
        position += len(block) - block.endswith(b"\xff")  # a marker may lie across the border
    return None


def jpeg_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the segments lead through a frame and a scan to the end marker."""
    if read_at(file, 0, 2) != b"\xff\xd8":
        return False
    names = {part.name for part in jpeg_parts(file, size)}
    return b"\xda" in names and b"\xd9" in names


def riff_parts(file: BinaryIO, size: int, *, start: int = 12) -> Iterator[Part]:
    """The chunks of a RIFF file in order, up to the first that is damaged or goes past `size`."""
    position = start
    for _ in range(MAX_PARTS):
        header = read_at(file, position, 8)
        if len(header) < 8 or position + 8 > size or not header[:4].isascii() or not header[0]:
            return
        part = Part(header[:4], position + 8, position + 8 + int.from_bytes(header[4:], "little"))
        yield part
        position = part.end + part.end % 2
        if part.end > size:
            return


def gif_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether its blocks lead through a picture to the trailer (GIF89a, 11 to 27)."""
    head = read_at(file, 0, 13)
    if len(head) < 13 or head[:4] != b"GIF8":
        return False
    position, has_picture = 13 + _colours(head[10]), False
    for _ in range(MAX_PARTS):
        block = read_at(file, position, 10)
        match block[:1]:
            case b";":
                return has_picture
            case b"!":
                after = _after_blocks(file, position + 2, size)
            case b"," if len(block) == 10:
                has_picture = True
                after = _after_blocks(file, position + 11 + _colours(block[9]), size)
            case _:
                return False
        if after is None:
            return False
        position = after
    return False


def _colours(flags: int) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(file: BinaryIO, position: int, size: int) -> int | None:
    """Where a row of sub-blocks ends, each with its length in front; None where it does not."""
    wanted = 4096
    while position < size:
        block, at = read_at(file, position, wanted), 0
        while at < len(block):
            if not block[at]:
                return position + at + 1
            at += block[at] + 1
        position += max(at, 1)
        wanted = BLOCK  # most rows are short, and a picture's is long
    return None
