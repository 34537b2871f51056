"""Finds the tags of WAV, FLAC, AAC and MP3, which phones and recorders write into, to leave them out."""

from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import BLOCK, read_at
from runway_watch.media.containers import behind_id3
from runway_watch.media.cuts import Cut
from runway_watch.media.emptying import emptied
from runway_watch.media.pictures import MAX_PARTS, Part, riff_parts
from runway_watch.media.sniff import mpeg_length
from runway_watch.media.tails import behind

_WAV_KEPT = frozenset({b"fmt ", b"data", b"fact", b"ds64", b"JUNK", b"PEAK"})
_FLAC_KEPT = frozenset({0, 1, 3})
"""How it is coded, padding, and where to find what (RFC 9639, 8.1)."""

_PADDING = 1
_UNSTATED = 0xFFFFFFFF


def wav_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """Every chunk but sound and what tells how to play it becomes junk of the same length."""
    position = 12
    for part in _wav_parts(file, size):
        if part.name == b"data" and (part.end > size or part.end == part.start):
            return  # its recorder was never closed: the rest is sound
        end = min(part.end, size)
        if part.name not in _WAV_KEPT:
            yield Cut(part.start - 8, part.start - 4, b"JUNK")
        if part.name not in _WAV_KEPT or part.name == b"JUNK":
            yield from emptied(file, part.start, end)
        elif part.name == b"PEAK":  # its version, then when it was measured
            yield from emptied(file, part.start + 4, min(part.start + 8, end))
        position = min(part.end + part.end % 2, size)
    yield from emptied(file, position, size)


def _wav_parts(file: BinaryIO, size: int) -> Iterator[Part]:
    """The chunks of a WAV; the length of what is too long for 32 bits stands in `ds64` (EBU Tech 3306)."""
    stated = _UNSTATED
    for part in riff_parts(file, size):
        if part.name == b"ds64":
            stated = int.from_bytes(read_at(file, part.start + 8, 8), "little")
        if part.name != b"data" or part.end - part.start != _UNSTATED or stated >= _UNSTATED:
            yield part
            continue
        sound = Part(part.name, part.start, part.start + stated)
        yield sound
        yield from riff_parts(file, size, start=sound.end + sound.end % 2)


def flac_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """Comments, pictures and what programs keep become padding of the same length; tags behind go."""
    position, last = 4, behind(file, size)
    for _ in range(MAX_PARTS):
        head = read_at(file, position, 4)
        end = position + 4 + int.from_bytes(head[1:], "big")
        if len(head) < 4 or end > last:
            return
        kind = head[0] & 0x7F
        if kind not in _FLAC_KEPT:
            yield Cut(position, position + 1, bytes([head[0] & 0x80 | _PADDING]))
        if kind not in _FLAC_KEPT or kind == _PADDING:
            yield from emptied(file, position + 4, end)
        position = end
        if head[0] & 0x80:
            break
    if last < size:
        yield Cut(last, size)


def aac_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """The tags behind the last frame are left out."""
    end = behind(file, size)
    if end < size:
        yield Cut(end, size)


def mp3_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """The tags before the first frame (ID3v2) and behind the last one are left out."""
    start, end = _first_frame(file, size), behind(file, size)
    if start is None or start >= end:
        return
    if start:
        yield Cut(0, start)
    if end < size:
        yield Cut(end, size)


def _first_frame(file: BinaryIO, size: int) -> int | None:
    start = behind_id3(file)
    window = read_at(file, start, min(BLOCK, max(0, size - start)))
    at = window.find(b"\xff")
    while at >= 0:
        length = mpeg_length(window, at)
        if length and (at + length + 4 > len(window) or mpeg_length(window, at + length)):
            return start + at
        at = window.find(b"\xff", at + 1)
    return None
