"""Where in an ISO-BMFF file the samples of one track lie (ISO 14496-12, 8.7).

Tables are read a piece at a time and never beyond their box, whatever they claim.
"""

import struct
from collections.abc import Iterator
from itertools import chain, islice, pairwise, repeat
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.containers import boxes
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import Part

MOST_ROWS = 1_000_000
"""Rows that are read in all of a file; a track of metadata has a few for each second."""

_ROWS = 4096
"""Rows that are held at once."""


def samples(file: BinaryIO, track: Part, left: Iterator[int]) -> Iterator[Cut]:
    """Zeros for a track's samples, those side by side as one; nothing for a film in fragments.

    `left` has an item for each row of a table that may still be read, in all of the file.
    """
    tables = _tables(file, track)
    if not {b"stsc", b"stsz"} <= tables.keys():
        return
    begin = end = 0
    for start, length in _chunks(file, tables, left):
        if start != end:
            if begin < end:
                yield Cut(begin, end, None)
            begin = start
        end = start + length
    if begin < end:
        yield Cut(begin, end, None)


def _chunks(file: BinaryIO, tables: dict[bytes, Part], left: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Where each chunk starts, and its bytes."""
    places, width = (tables[b"co64"], "Q") if b"co64" in tables else (tables.get(b"stco"), "I")
    if places is None:
        return
    sizes, at = tables[b"stsz"], tables[b"stsz"].start + 4
    (same,) = struct.unpack(">I", read_at(file, at, 4).ljust(4, b"\0"))
    each = (size for (size,), _ in zip(_rows(file, sizes, at + 4, "I"), left, strict=False))
    counts = _counts(_rows(file, tables[b"stsc"], tables[b"stsc"].start + 4, "III"))
    starts = zip(_rows(file, places, places.start + 4, width), left, strict=False)
    for ((start,), _), count in zip(starts, counts, strict=False):
        yield start, same * count or sum(islice(each, count))


def _tables(file: BinaryIO, track: Part) -> dict[bytes, Part]:
    inside = track
    for name in (b"mdia", b"minf", b"stbl"):
        found = (box for box in _held(file, inside) if box.name == name)
        inside = next(found, Part(b"", 0, 0))
    return {box.name: box for box in _held(file, inside)}


def _held(file: BinaryIO, outer: Part) -> Iterator[Part]:
    """The boxes in a box, each as far as it lies within."""
    for box in boxes(file, outer.start, outer.end):
        yield Part(box.name, box.start, min(box.end, outer.end))


def _rows(file: BinaryIO, table: Part, at: int, columns: str) -> Iterator[tuple[int, ...]]:
    """The rows of a table before which their number stands."""
    return rows(file, at + 4, int.from_bytes(read_at(file, at, 4), "big"), end=table.end, columns=columns)


def rows(file: BinaryIO, at: int, claimed: int, *, end: int, columns: str) -> Iterator[tuple[int, ...]]:
    """The rows of a table that begins at `at`, as many as there can be before `end`."""
    row = struct.Struct(">" + columns)
    count = min(claimed, max(0, end - at) // row.size)
    for first in range(0, count, _ROWS):
        data = read_at(file, at + first * row.size, min(_ROWS, count - first) * row.size)
        yield from row.iter_unpack(data[: len(data) // row.size * row.size])


def _counts(table: Iterator[tuple[int, ...]]) -> Iterator[int]:
    """How many samples each chunk has: rows of first chunk, samples a chunk, description."""
    for (first, count, _), (after, _, _) in pairwise(chain(table, [(1 << 32, 0, 0)])):
        yield from repeat(count, max(0, after - first))
