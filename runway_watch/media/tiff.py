"""TIFF: the first page's header, and whether all of its picture lies within the file (TIFF 6.0; BigTIFF)."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from runway_watch.media.blocks import read_at

_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by its type; those of fractions are of no interest here."""

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_MOST_ENTRIES, _MOST_VALUES = 4096, 1_000_000
WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
_PIECES = ((273, 279), (324, 325))
"""Where strips, or tiles, begin, and how many bytes each has."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Values of one type, beginning at `at`."""

    at: int
    width: int
    count: int


@dataclass(frozen=True, slots=True)
class Page:
    """The first page's entries by tag."""

    order: str
    entries: Mapping[int, _Entry]

    def number(self, file: BinaryIO, tag: int) -> int | None:
        """The first value of a tag; None when it has none."""
        return next(iter(self.numbers(file, tag)), None)

    def numbers(self, file: BinaryIO, tag: int) -> tuple[int, ...]:
        """All values of a tag that are there."""
        entry = self.entries.get(tag)
        if entry is None or entry.count > _MOST_VALUES:
            return ()
        data = read_at(file, entry.at, entry.width * entry.count)
        count = len(data) // entry.width
        return struct.unpack_from(f"{self.order}{count}{_CODES[entry.width]}", data)


def first_page(file: BinaryIO) -> Page | None:
    """The first page; None when there is none to be read."""
    head = read_at(file, 0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return None
    (version,) = struct.unpack_from(order + "H", head, 2)
    if version == 42:
        (start,) = struct.unpack_from(order + "I", head, 4)
        return Page(order, dict(_entries(file, order, start, big=False)))
    if version == 43:
        (start,) = struct.unpack_from(order + "Q", head, 8)
        return Page(order, dict(_entries(file, order, start, big=True)))
    return None


def _entries(file: BinaryIO, order: str, start: int, *, big: bool) -> Iterator[tuple[int, _Entry]]:
    head, length, inline, form = (8, 20, 8, "HHQ") if big else (2, 12, 4, "HHI")
    if start >= 1 << 40:
        return
    count = int.from_bytes(read_at(file, start, head), "little" if order == "<" else "big")
    data = read_at(file, start + head, min(count, _MOST_ENTRIES) * length)
    for at in range(0, len(data) - length + 1, length):
        tag, kind, values = struct.unpack_from(order + form, data, at)
        width = _WIDTHS.get(kind)
        if width is None or values == 0:
            continue
        place = start + head + at + length - inline
        if width * values > inline:
            (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, at + length - inline)
        if place < 1 << 40:
            yield tag, _Entry(place, width, values)


def tiff_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the first page has sides, and every strip or tile of it lies within the file."""
    page = first_page(file)
    if page is None or not page.number(file, WIDTH) or not page.number(file, HEIGHT):
        return False
    for starts, lengths in _PIECES:
        begin, count = page.numbers(file, starts), page.numbers(file, lengths)
        if begin and len(begin) == len(count):
            return all(at + length <= size for at, length in zip(begin, count, strict=True))
    return False
