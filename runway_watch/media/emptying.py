"""Sends zeros for a stretch of a file, and leaves alone what is nothing else already."""

from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.cuts import Cut

_LOOKED_AT = 65_536
"""Bytes that are read to see it; what is longer is taken for something."""


def emptied(file: BinaryIO, start: int, end: int) -> Iterator[Cut]:
    """Zeros from `start` to `end`, where there is anything else. Raises OSError."""
    if _holds_something(file, start, end):
        yield Cut(start, end, None)


def _holds_something(file: BinaryIO, start: int, end: int) -> bool:
    """Whether a byte is not zero, or there are more than are looked at."""
    return end - start > _LOOKED_AT or (start < end and any(read_at(file, start, end - start)))
