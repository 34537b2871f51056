"""Finds the tags of WAV, FLAC and MP3, which phones and recorders write into, to leave them out."""

from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import BLOCK, read_at
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import MAX_PARTS, riff_parts
from runway_watch.media.sniff import mpeg_length

_WAV_KEPT = frozenset({b"fmt ", b"data", b"fact", b"ds64", b"JUNK", b"PEAK"})
_FLAC_KEPT = frozenset({0, 1, 3})
"""How it is coded, padding, and where to find what (RFC 9639, 8.1)."""

_PADDING = 1


def wav_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """Every chunk but sound and what tells how to play it becomes junk of the same length."""
    for part in riff_parts(file, size):
        if part.name == b"data" and (part.end > size or part.end - part.start == 0):
            return  # its recorder was never closed: the rest is sound
        if part.name not in _WAV_KEPT and part.end <= size:
            yield Cut(part.start - 8, part.start - 4, b"JUNK")
            yield Cut(part.start, part.end, None)


def flac_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """Comments, pictures and what programs keep become padding of the same length."""
    position = 4
    for _ in range(MAX_PARTS):
        head = read_at(file, position, 4)
        end = position + 4 + int.from_bytes(head[1:], "big")
        if len(head) < 4 or end > size:
            return
        if head[0] & 0x7F not in _FLAC_KEPT:
            yield Cut(position, position + 1, bytes([head[0] & 0x80 | _PADDING]))
            yield Cut(position + 4, end, None)
        if head[0] & 0x80:
            return
        position = end


def mp3_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """The tags before the first frame (ID3v2) and behind the last one (APE, ID3v1) are left out."""
    start, end = _first_frame(file, size), _behind(file, size)
    if start is None or start >= end:
        return
    if start:
        yield Cut(0, start)
    if end < size:
        yield Cut(end, size)


def _first_frame(file: BinaryIO, size: int) -> int | None:
    head, start = read_at(file, 0, 10), 0
    while head[:3] == b"ID3" and len(head) == 10:
        start += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)
        head = read_at(file, start, 10)
    window = read_at(file, start, min(BLOCK, max(0, size - start)))
    at = window.find(b"\xff")
    while at >= 0:
        length = mpeg_length(window, at)
        if length and (at + length + 4 > len(window) or mpeg_length(window, at + length)):
            return start + at
        at = window.find(b"\xff", at + 1)
    return None


def _behind(file: BinaryIO, size: int) -> int:
    """Where the tags at the end begin."""
    end = size
    if read_at(file, max(0, end - 128), 3) == b"TAG":
        end -= 128
    foot = read_at(file, max(0, end - 32), 32)
    if foot[:8] == b"APETAGEX":
        has_head = foot[23] & 0x80
        end -= int.from_bytes(foot[12:16], "little") + (32 if has_head else 0)
    return max(0, end)
