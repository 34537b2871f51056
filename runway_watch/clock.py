"""The only reader of the wall clock. Inside, a moment is a float: seconds since 1970, UTC."""

import time
from datetime import UTC, datetime


def now() -> float:
    """The present moment, in seconds since 1970 (UTC)."""
    return time.time()


def monotonic() -> float:
    """Seconds that never run backwards, for spans within one process."""
    return time.monotonic()


def as_utc(moment: float) -> datetime:
    """The moment as an aware datetime in UTC, to the second, for records that people read."""
    return datetime.fromtimestamp(round(moment), UTC)


def exact_utc(moment: float) -> datetime:
    """The moment as an aware datetime in UTC, to the microsecond, for timers."""
    return datetime.fromtimestamp(moment, UTC)
