"""Has somebody finished writing this file? Decided from what was seen and when; no clock, no I/O.

A file is settled when its size, mtime and inode have been the same for a while by our own monotonic
clock: a file's mtime comes from another machine's clock and is only ever compared with itself.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at a directory entry told: size in bytes, mtime in nanoseconds, inode."""

    size: int
    mtime_ns: int
    ino: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A file over time: `since` is when it was first seen exactly as it is now (monotonic seconds)."""

    sight: Sight
    since: float


def watch(before: Watched | None, sight: Sight, now: float) -> Watched:
    """What is known of the file after one more look at it."""
    if before is not None and before.sight == sight:
        return before
    return Watched(sight, now)


def remaining(watched: Watched, *, now: float, settle: float) -> float:
    """Seconds until the file counts as settled if nobody touches it; 0 when it does."""
    return max(0.0, watched.since + settle - now)


def overdue(watched: Watched, *, now: float, timeout: float) -> bool:
    """Whether an incomplete file has lain still for so long that nobody is writing it any more."""
    return now - watched.since >= timeout
