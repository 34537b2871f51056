"""When new generations may start, and where a budget day ends: wall-clock times of a zone, as moments.

Both nights on which the clocks change are right. A time that the clock jumps over is the moment of the
jump; of a time that comes twice, a day and a window begin at the first, and a window ends at the last
moment before which the clock still reads less. So a window opens once a night, and it is never open while
the clock reads a time outside it, but between the two passes of a repeated hour that it touches.

All but `zone("")` is pure. A moment is seconds since 1970, UTC.
"""

import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")

Span = tuple[float, float]
"""A moment at which a window opens, and the one at which it closes."""


class Hours:
    """The hours of a configuration.

    Args:
        window: `"22:00-06:00"`, across midnight or not; `""` or equal ends: always.
        day_starts: when a budget day begins, `"00:00"`.
        zone: whose wall clock that is.

    Raises:
        ValueError: a time is none.
    """

    def __init__(self, *, window: str, day_starts: str, zone: tzinfo) -> None:
        opens, _, closes = (window or "00:00-00:00").partition("-")
        self._opens, self._closes = time.fromisoformat(opens), time.fromisoformat(closes)
        self._day_starts = time.fromisoformat(day_starts)
        self._zone = zone

    def closed_until(self, now: float, *, needed: float = 0.0) -> float | None:
        """None while new generations may start, else the moment at which they next may.

        Args:
            now: the moment in question.
            needed: seconds that the generation usually takes, to fit in before the window closes. At most
                half of the window counts, so that the first half of every window can be used.
        """
        if self._opens == self._closes:
            return None
        opens = next(
            opens for opens, closes in self._windows(now) if now < closes - min(needed, (closes - opens) / 2)
        )
        return opens if now < opens else None

    def day_began(self, now: float) -> float:
        """The moment at which the budget day of `now` began."""
        return self._day(now)[0]

    def day_ends(self, now: float) -> float:
        """The moment at which the next budget day begins; always after `now`."""
        return self._day(now)[1]

    def _day(self, now: float) -> Span:
        starts = (_first(self._at(day, self._day_starts)) for day in self._days(now))
        return next((began, ends) for began, ends in pairwise(starts) if now < ends)

    def _windows(self, now: float) -> list[Span]:
        """The windows about `now`, in order. Those that touch are one; what the clock jumps over is none."""
        windows: list[Span] = []
        for day in self._days(now):
            last_day = day if self._opens < self._closes else day + timedelta(days=1)
            opens, closes = _first(self._at(day, self._opens)), _last(self._at(last_day, self._closes))
            if windows and opens <= windows[-1][1]:
                windows[-1] = windows[-1][0], closes
            elif opens < closes:
                windows.append((opens, closes))
        return windows

    def _days(self, now: float) -> Iterator[date]:
        """Enough days about `now` for a whole day and a window after it, though the clock jumps over one."""
        today = datetime.fromtimestamp(now, self._zone).date()
        return (today + timedelta(days=days) for days in range(-2, 3))

    def _at(self, day: date, reading: time) -> datetime:
        return datetime.combine(day, reading, self._zone)


def _first(reading: datetime) -> float:
    """The first moment at which the clock reads that much or more."""
    moment, other = reading.timestamp(), reading.replace(fold=1).timestamp()
    if moment <= other:
        return moment
    # The clock jumps over it. The two offsets only say between which seconds it does.
    seconds = range(int(other), int(moment))
    return other + bisect_left(seconds, reading, key=lambda s: datetime.fromtimestamp(s, reading.tzinfo))


def _last(reading: datetime) -> float:
    """The first moment from which on the clock never again reads less."""
    first, again = _first(reading), reading.replace(fold=1).timestamp()
    less = datetime.fromtimestamp(again - 1, reading.tzinfo) < reading
    return max(first, again) if less else first


def zone(name: str) -> tzinfo:
    """The time zone of that name; `""` is the machine's own: `$TZ`, else `/etc/localtime`, else UTC.

    Raises:
        ValueError: this machine knows no such zone.
    """
    return _named(name) if name else _machines()


def _machines() -> tzinfo:
    said = os.environ.get("TZ")
    if said is None:
        return _read(LOCALTIME) if LOCALTIME.exists() else UTC
    name = said.removeprefix(":")
    if name.startswith("/"):
        return _read(Path(name))
    try:
        return _rule(name) if name else UTC  # as the C library takes it
    except ValueError:
        return _named(name)


def _named(name: str) -> tzinfo:
    if name in ("UTC", "Etc/UTC"):
        return UTC  # known without a zone database, too
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"no time zone {name!r} is known on this machine; zones are called as Europe/Berlin is, "
            f"and all but UTC need a zone database (the package tzdata)"
        ) from None


def _read(path: Path) -> tzinfo:
    try:
        with path.open("rb") as file:
            return ZoneInfo.from_file(file, key=str(path))
    except (ValueError, OSError):
        raise ValueError(f"no time zone can be read from {path}; name one: [schedule] timezone") from None


def _rule(rule: str) -> tzinfo:
    """The zone of a POSIX rule, `CET-1CEST,M3.5.0,M10.5.0/3`. Raises ValueError when it is none.

    A zone file ends with such a rule, so one is made that holds nothing else (RFC 8536, section 3).
    """
    empty = b"TZif2" + bytes(15 + 24)
    one_type = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 0, 1, 1) + bytes(6 + 1)
    return ZoneInfo.from_file(BytesIO(empty + one_type + f"\n{rule}\n".encode()), key=rule)
