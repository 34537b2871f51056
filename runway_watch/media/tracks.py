"""Where in an ISO-BMFF file the samples of one track lie (ISO 14496-12, 8.7)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.containers import boxes
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import Part

_MOST = 1_000_000
"""Rows of a table that are read; a track of metadata has a few for each second."""


def samples(file: BinaryIO, track: Part) -> Iterator[Cut]:
    """Zeros for each chunk of a track's samples; nothing for a film in fragments, which lists none here."""
    tables = _tables(file, track)
    if not {b"stsc", b"stsz"} <= tables.keys():
        return
    starts = _starts(file, tables)
    counts = _counts(_numbers(file, tables[b"stsc"].start + 4, "I", columns=3), len(starts))
    (same,) = struct.unpack(">I", read_at(file, tables[b"stsz"].start + 4, 4).ljust(4, b"\0"))
    sizes = iter(() if same else _numbers(file, tables[b"stsz"].start + 8, "I"))
    for start, count in zip(starts, counts, strict=False):
        length = same * count or sum(size for _, size in zip(range(count), sizes, strict=False))
        if length:
            yield Cut(start, start + length, None)


def _tables(file: BinaryIO, track: Part) -> dict[bytes, Part]:
    inside = track
    for name in (b"mdia", b"minf", b"stbl"):
        found = (box for box in boxes(file, inside.start, inside.end) if box.name == name)
        inside = next(found, Part(b"", 0, 0))
    return {box.name: box for box in boxes(file, inside.start, inside.end)}


def _starts(file: BinaryIO, tables: dict[bytes, Part]) -> tuple[int, ...]:
    if b"stco" in tables:
        return _numbers(file, tables[b"stco"].start + 4, "I")
    return _numbers(file, tables[b"co64"].start + 4, "Q") if b"co64" in tables else ()


def _numbers(file: BinaryIO, at: int, kind: str, *, columns: int = 1) -> tuple[int, ...]:
    """The numbers of a table, row by row; how many rows there are stands before it."""
    width = struct.calcsize(">" + kind)
    rows = min(int.from_bytes(read_at(file, at, 4), "big"), _MOST)
    data = read_at(file, at + 4, rows * columns * width)
    return struct.unpack(f">{len(data) // width}{kind}", data[: len(data) // width * width])


def _counts(table: tuple[int, ...], chunks: int) -> Iterator[int]:
    """How many samples each chunk has: rows of first chunk, samples a chunk, description."""
    rows = [(table[at], table[at + 1]) for at in range(0, len(table) - 2, 3)]
    for (first, count), (after, _) in zip(rows, [*rows[1:], (chunks + 1, 0)], strict=True):
        yield from (count for _ in range(first, min(after, chunks + 1)))
