"""What is left out of a file while it is sent, so that neither it nor a copy of it has to be changed.

Cuts are in order and do not overlap. The whole file is still read, and so its digest is still that of the
file that was admitted.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STRIPPED = "camera metadata left out"
"""How a person is told."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a file that is not sent; `instead` is, or as many zeros where it is None."""

    start: int
    end: int
    instead: bytes | None = b""


def size_after(cuts: Sequence[Cut], size: int) -> int:
    """Bytes that are sent of a file of `size` bytes."""
    return size + sum(len(cut.instead) - cut.end + cut.start for cut in cuts if cut.instead is not None)


def after(cuts: Sequence[Cut], block: bytes, position: int) -> bytes:
    """What is sent of the block of a file that begins at `position`."""
    return b"".join(_pieces(cuts, block, position)) if cuts else block


def _pieces(cuts: Sequence[Cut], block: bytes, position: int) -> Iterator[bytes]:
    at, end = position, position + len(block)
    first = bisect_right(cuts, position, key=lambda cut: cut.end)
    for n in range(first, len(cuts)):
        cut = cuts[n]
        if cut.start > end or cut.start == end < cut.end:
            break  # what is put in between two blocks goes with the first of them
        begin, stop = max(cut.start, position), min(cut.end, end)
        yield block[at - position : begin - position]
        if cut.instead is None:
            yield bytes(stop - begin)
        elif cut.start >= position:
            yield cut.instead
        at = stop
    yield block[at - position :]
