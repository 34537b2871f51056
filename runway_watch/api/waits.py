"""How long an answer asks us to wait: whatever its headers say becomes seconds within reason, or nothing."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from runway_watch import clock

LONGEST_WAIT = 86_400.0
"""Seconds: a longer Retry-After is taken for this."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait, at most `LONGEST_WAIT`; None when it asks for nothing sensible.

    Runway documents none; its SDK honours `retry-after-ms` and `retry-after` (seconds or a date).
    """
    value = headers.get("retry-after", "")
    seconds = (
        _number(headers.get("retry-after-ms", ""), scale=0.001) or _number(value) or _until(value, headers)
    )
    return min(seconds, LONGEST_WAIT) if seconds and seconds > 0 else None


def _number(text: str, *, scale: float = 1.0) -> float | None:
    try:
        number = float(text) * scale
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _until(value: str, headers: Mapping[str, str]) -> float | None:
    """Seconds until an HTTP date, by the server's own clock if it says the time."""
    then = _moment(value)
    if then is None:
        return None
    now = _moment(headers.get("date", ""))
    return then - (clock.now() if now is None else now)


def _moment(value: str) -> float | None:
    try:
        date: datetime = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
