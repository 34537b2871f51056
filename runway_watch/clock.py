"""The only reader of the wall clock. Inside, a moment is a float: seconds since 1970, UTC."""

import time
from datetime import UTC, datetime

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts the time that the machine was asleep; elsewhere a sleep looks like a clock that was set."""


def now() -> float:
    """The present moment, in seconds since 1970 (UTC)."""
    return time.time()


def monotonic() -> float:
    """Seconds that never run backwards, for spans within one process."""
    return time.monotonic()


def offset() -> float:
    """How far the wall clock is ahead of a clock that nobody can set, in seconds.

    It changes when somebody sets the wall clock, and not while the machine is asleep.
    """
    return now() - time.clock_gettime(_SINCE_BOOT)


def as_utc(moment: float) -> datetime:
    """The moment as an aware datetime in UTC, to the second, for records that people read."""
    return datetime.fromtimestamp(round(moment), UTC)


def exact_utc(moment: float) -> datetime:
    """The moment as an aware datetime in UTC, to the microsecond, for timers."""
    return datetime.fromtimestamp(moment, UTC)
