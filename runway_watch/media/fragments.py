"""Where the samples of tracks lie in a film in fragments (ISO 14496-12, 8.8)."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.containers import boxes
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import Part
from runway_watch.media.tracks import rows

_FROM_FRAGMENT = 0x020000
_BASE, _DESCRIBED, _LASTS, _SIZED = 0x01, 0x02, 0x08, 0x10
"""What a `tfhd` may hold (8.8.7)."""

_AT, _FIRST, _LENGTH, _SIZE, _ANY = 0x001, 0x004, 0x100, 0x200, 0xF00
"""What a `trun` may hold (8.8.8)."""


def sample_sizes(file: BinaryIO, moov: Part) -> dict[int, int]:
    """Bytes of a sample where a fragment states none, by track; nothing for a film in one piece."""
    return {
        int.from_bytes(read_at(file, box.start + 4, 4), "big"): int.from_bytes(
            read_at(file, box.start + 16, 4), "big"
        )
        for outer in boxes(file, moov.start, moov.end)
        if outer.name == b"mvex"
        for box in boxes(file, outer.start, min(outer.end, moov.end))
        if box.name == b"trex"
    }


def fragment_cuts(
    file: BinaryIO, moof: Part, begin: int, *, gone: set[int], sizes: Mapping[int, int], left: Iterator[int]
) -> Iterator[Cut]:
    """Zeros for the samples of tracks in one fragment.

    Args:
        file: open for reading, seekable; its position is moved.
        moof: the fragment's contents.
        begin: where its header begins.
        gone: the tracks.
        sizes: as `sample_sizes` finds them.
        left: has an item for each box, and each row of a table, that may still be read.
    """
    end = begin
    for box, _ in zip(boxes(file, moof.start, moof.end), left, strict=False):
        if box.name != b"traf" or box.end > moof.end:
            continue
        inside = zip(boxes(file, box.start, box.end), left, strict=False)
        held = [inner for inner, _ in inside if inner.end <= box.end]
        head = next((inner for inner in held if inner.name == b"tfhd"), None)
        if head is None:
            return
        track, base, size = _head(file, head, begin)
        end = base = end if base is None else base
        for run in (inner for inner in held if inner.name == b"trun"):
            start, length = _run(file, run, sizes.get(track, 0) if size is None else size, left)
            start = end if start is None else base + start
            end = start + length
            if track in gone and 0 <= start < end:
                yield Cut(start, end, None)


def _head(file: BinaryIO, head: Part, begin: int) -> tuple[int, int | None, int | None]:
    """The track, what its offsets count from (None: the end of what stood before), and a sample's bytes."""
    data = read_at(file, head.start, min(32, head.end - head.start))
    flags = int.from_bytes(data[1:4], "big")
    base = begin if flags & _FROM_FRAGMENT else None
    at = 8
    if flags & _BASE:
        base, at = int.from_bytes(data[8:16], "big"), 16
    at += 4 * (flags & (_DESCRIBED | _LASTS)).bit_count()
    size = int.from_bytes(data[at : at + 4], "big") if flags & _SIZED else None
    return int.from_bytes(data[4:8], "big"), base, size


def _run(file: BinaryIO, run: Part, size: int, left: Iterator[int]) -> tuple[int | None, int]:
    """Where samples side by side start in it (None: where the last ones end), and their bytes."""
    data = read_at(file, run.start, min(12, run.end - run.start))
    flags, count = int.from_bytes(data[1:4], "big"), int.from_bytes(data[4:8], "big")
    start = int.from_bytes(data[8:12], "big", signed=True) if flags & _AT else None
    if not flags & _SIZE:
        return start, size * count
    table = run.start + 8 + 4 * (flags & (_AT | _FIRST)).bit_count()
    columns = (flags & _ANY).bit_count()
    found = rows(file, table, count, end=run.end, columns="I" * columns)
    which = (flags & _LENGTH).bit_count()
    return start, sum(row[which] for row, _ in zip(found, left, strict=False))
