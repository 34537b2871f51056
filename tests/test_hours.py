"""When new generations may start and where a budget day ends, on every night of the year."""

import os
import subprocess
import sys
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch import hours
from runway_watch.hours import Hours, zone

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE, APIA = "Australia/Lord_Howe", "Pacific/Apia"
HAVANA, ST_JOHNS = "America/Havana", "America/St_Johns"
ZONES = (BERLIN, NEW_YORK, "Asia/Kolkata", LORD_HOWE, "UTC", APIA)
NIGHTS = (
    (BERLIN, "2026-03-29T01:00Z"),
    (BERLIN, "2026-10-25T01:00Z"),
    (NEW_YORK, "2026-03-08T07:00Z"),
    (NEW_YORK, "2026-11-01T06:00Z"),
    (LORD_HOWE, "2026-04-04T15:00Z"),  # half an hour, as no other
    (LORD_HOWE, "2026-10-03T15:30Z"),
    (APIA, "2011-12-30T10:00Z"),  # from the 29th to the 31st, across the date line
    (HAVANA, "2026-03-08T05:00Z"),  # from midnight to one
    (HAVANA, "2026-11-01T05:00Z"),  # from one to midnight
    (ST_JOHNS, "2010-11-07T02:31Z"),  # from a minute past midnight to yesterday
)
WINDOWS = (
    "22:00-06:00",
    "09:00-17:00",
    "22:00-02:00",
    "22:00-02:30",
    "02:00-03:00",
    "02:10-02:20",
    "01:50-02:10",
    "02:30-06:00",
    "02:30-02:00",
    "03:00-02:00",
    "01:00-01:45",
    "00:00-01:00",
    "23:30-00:30",
)
MINUTE, HOUR = 60, 3600.0


def at(text: str) -> float:
    """The moment of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


def made(window: str = "", name: str = BERLIN, day_starts: str = "00:00") -> Hours:
    return Hours(window=window, day_starts=day_starts, zone=ZoneInfo(name))


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        ("", "2026-07-01T12:00+02:00", None),
        ("00:00-00:00", "2026-07-01T12:00+02:00", None),
        ("22:00-22:00", "2026-07-01T12:00+02:00", None),
        ("09:00-17:00", "2026-07-01T08:59:59+02:00", "2026-07-01T09:00+02:00"),
        ("09:00-17:00", "2026-07-01T09:00+02:00", None),
        ("09:00-17:00", "2026-07-01T16:59:59+02:00", None),
        ("09:00-17:00", "2026-07-01T17:00+02:00", "2026-07-02T09:00+02:00"),
        ("22:00-06:00", "2026-07-01T23:59+02:00", None),
        ("22:00-06:00", "2026-07-02T00:00+02:00", None),
        ("22:00-06:00", "2026-07-02T06:00+02:00", "2026-07-02T22:00+02:00"),
        ("22:00-06:00", "2026-12-31T21:00+01:00", "2026-12-31T22:00+01:00"),
        ("18:00-00:00", "2026-07-01T23:59:59+02:00", None),
        ("18:00-00:00", "2026-07-02T00:00+02:00", "2026-07-02T18:00+02:00"),
        # Spring: the clock jumps from 02:00 to 03:00.
        ("02:30-06:00", "2026-03-29T01:59+01:00", "2026-03-29T03:00+02:00"),
        ("22:00-02:30", "2026-03-29T01:59:59+01:00", None),
        ("22:00-02:30", "2026-03-29T03:00+02:00", "2026-03-29T22:00+02:00"),
        ("02:00-03:00", "2026-03-28T12:00+01:00", "2026-03-30T02:00+02:00"),  # no such hour that night
        ("03:00-02:00", "2026-03-29T01:59:59+01:00", None),
        ("03:00-02:00", "2026-03-29T03:00+02:00", None),
        # Autumn: it goes from 03:00 back to 02:00.
        ("02:30-06:00", "2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00"),
        ("02:30-06:00", "2026-10-25T02:29+01:00", None),  # opened once
        ("22:00-02:30", "2026-10-25T02:45+02:00", None),
        ("22:00-02:30", "2026-10-25T02:29:59+01:00", None),
        ("22:00-02:30", "2026-10-25T02:30+01:00", "2026-10-25T22:00+01:00"),
        ("22:00-02:00", "2026-10-25T02:00+02:00", "2026-10-25T22:00+01:00"),  # both passes are after it
        ("03:00-06:00", "2026-10-25T02:59:59+02:00", "2026-10-25T03:00+01:00"),
        ("02:30-02:00", "2026-10-25T02:15+01:00", None),
    ],
)
def test_new_generations_start_inside_the_window_only(window: str, now: str, until: str | None) -> None:
    assert made(window).closed_until(at(now)) == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("needed", "now", "until"),
    [
        (HOUR, "2026-07-02T04:59:59+02:00", None),
        (HOUR, "2026-07-02T05:00+02:00", "2026-07-02T22:00+02:00"),  # the one at its end is the next day's
        (4 * HOUR, "2026-07-02T01:59:59+02:00", None),
        (9 * HOUR, "2026-07-02T01:59:59+02:00", None),  # it never fits: the first half, then
        (float("inf"), "2026-07-02T01:59:59+02:00", None),
        (9 * HOUR, "2026-07-02T02:00+02:00", "2026-07-02T22:00+02:00"),
        (9 * HOUR, "2026-07-01T21:00+02:00", "2026-07-01T22:00+02:00"),
        (HOUR, "2026-03-29T04:59:59+02:00", None),
        (9 * HOUR, "2026-03-29T01:29:59+01:00", None),  # seven hours, this night
        (9 * HOUR, "2026-03-29T01:30+01:00", "2026-03-29T22:00+02:00"),
    ],
)
def test_a_generation_starts_early_enough_to_end_inside_the_window(
    needed: float, now: str, until: str | None
) -> None:
    expected = None if until is None else at(until)
    assert made("22:00-06:00").closed_until(at(now), needed=needed) == expected


@pytest.mark.parametrize(
    ("name", "starts", "now", "began", "ends"),
    [
        (BERLIN, "00:00", "2026-07-01T00:00+02:00", "2026-07-01T00:00+02:00", "2026-07-02T00:00+02:00"),
        (BERLIN, "09:30", "2026-07-01T09:29+02:00", "2026-06-30T09:30+02:00", "2026-07-01T09:30+02:00"),
        (BERLIN, "00:00", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        (BERLIN, "02:30", "2026-03-29T12:00+02:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        (BERLIN, "02:30", "2026-10-25T02:29+01:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        (BERLIN, "02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:00+02:00", "2026-10-26T02:00+01:00"),
        (BERLIN, "03:00", "2026-10-25T02:59+01:00", "2026-10-24T03:00+02:00", "2026-10-25T03:00+01:00"),
        (LORD_HOWE, "02:10", "2026-10-04T12:00+11:00", "2026-10-04T02:30+11:00", "2026-10-05T02:10+11:00"),
        (APIA, "00:00", "2011-12-29T12:00-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
        (APIA, "00:00", "2011-12-31T00:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
        (HAVANA, "00:30", "2026-11-01T00:15-05:00", "2026-11-01T00:30-04:00", "2026-11-02T00:30-05:00"),
        (ST_JOHNS, "00:00", "2010-11-06T23:30-03:30", "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
    ],
)
def test_a_budget_day_begins_once_a_day(name: str, starts: str, now: str, began: str, ends: str) -> None:
    found = made(name=name, day_starts=starts)
    assert (found.day_began(at(now)), found.day_ends(at(now))) == (at(began), at(ends))


CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
YEAR = st.floats(at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z"))
NEAR = st.tuples(st.sampled_from([at(night) for _, night in NIGHTS]), st.floats(-30 * HOUR, 30 * HOUR)).map(
    sum
)


@given(st.builds("{}-{}".format, CLOCK, CLOCK), st.sampled_from(ZONES), YEAR | NEAR, st.floats(0, 1e5))
def test_at_the_moment_that_is_named_the_window_is_open(
    window: str, name: str, now: float, needed: float
) -> None:
    found = made(window, name)
    until = found.closed_until(now, needed=needed)
    if until is not None:
        assert now < until
        assert found.closed_until(until, needed=needed) is None
        assert found.closed_until((now + until) / 2, needed=needed) in (until, None)
        assert found.closed_until(until - 1e-3, needed=needed) == until


@given(CLOCK, st.sampled_from(ZONES), YEAR)
def test_a_day_holds_its_moment_and_joins_the_next(starts: str, name: str, now: float) -> None:
    found = made(name=name, day_starts=starts)
    began, ends = found.day_began(now), found.day_ends(now)
    change = {LORD_HOWE: 0.5, BERLIN: 1, NEW_YORK: 1}.get(name, 0)
    assert began <= now < ends
    assert 24 - change <= (ends - began) / HOUR <= 24 + change
    assert (found.day_began(began), found.day_ends(began)) == (began, ends)
    assert found.day_began(ends) == ends
    assert found.day_ends(began - 1e-3) == began


@cache
def readings(name: str, night: float) -> Sequence[datetime]:
    """What the wall clock reads at each minute of the six days about a night."""
    begin, there = int(night) - 3 * 86400, ZoneInfo(name)
    return [datetime.fromtimestamp(begin + MINUTE * n, there).replace(tzinfo=None) for n in range(6 * 1440)]


def open_minutes(clock: Sequence[datetime], window: str) -> list[bool]:
    """Whether the window is open at each minute, by looking at all of the clock's readings for both ends."""
    minutes = [False] * len(clock)
    opens, closes = (timedelta(hours=int(end[:2]), minutes=int(end[3:])) for end in window.split("-"))
    midnight = datetime.combine(clock[0].date(), datetime.min.time())
    for day in (midnight + timedelta(days=n) for n in range(-1, 8)):
        end = day + closes + timedelta(days=closes < opens)
        first = next((n for n, reads in enumerate(clock) if reads >= day + opens), len(clock))
        last = max((n for n, reads in enumerate(clock) if reads < end), default=-1)
        minutes[first : last + 1] = [True] * (last + 1 - first)
    return minutes


def usable_minutes(minutes: Sequence[bool], needed: int) -> list[bool]:
    """The open minutes after which that many minutes are left, or half of the window."""
    usable: list[bool] = []
    for is_open, run in groupby(minutes):
        length = len(list(run))
        usable += [is_open and n < length - min(needed, length / 2) for n in range(length)]
    return usable


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("name", "text"), NIGHTS)
def test_when_the_clocks_change_every_minute_is_as_the_wall_clock_says(
    name: str, text: str, window: str
) -> None:
    night = at(text)
    clock = readings(name, night)
    middle = len(clock) // 2
    for needed in (0, 25):
        usable = usable_minutes(open_minutes(clock, window), needed)
        found = made(window, name)
        for n in range(middle - 95, middle + 95):
            now = night + MINUTE * (n - middle)
            expected = None if usable[n] else now + MINUTE * (usable.index(True, n) - n)
            assert found.closed_until(now, needed=needed * MINUTE) == expected, clock[n]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("name", "text"), NIGHTS)
def test_a_window_is_open_at_all_of_its_readings_and_else_only_while_they_come_twice(
    name: str, text: str, window: str
) -> None:
    night = at(text)
    clock = readings(name, night)
    middle, found, times = len(clock) // 2, made(window, name), Counter(clock)
    opens, closes = window.split("-")
    for n in range(middle - 95, middle + 95):
        reads = f"{clock[n]:%H:%M}"
        inside = opens <= reads < closes if opens < closes else reads >= opens or reads < closes
        is_open = found.closed_until(night + MINUTE * (n - middle)) is None
        assert is_open == inside or (is_open and times[clock[n]] == 2), clock[n]


@pytest.mark.parametrize("starts", ["00:00", "00:01", "00:30", "01:45", "02:00", "02:15", "02:30", "03:00"])
@pytest.mark.parametrize(("name", "text"), NIGHTS)
def test_when_the_clocks_change_a_day_starts_when_the_wall_clock_first_reads_so_much(
    name: str, text: str, starts: str
) -> None:
    night = at(text)
    clock = readings(name, night)
    middle = len(clock) // 2
    dates = {reads.date() for reads in clock}
    begins = [datetime.combine(day, time.fromisoformat(starts)) for day in dates | {date(2011, 12, 30)}]
    firsts = {next((n for n, reads in enumerate(clock) if reads >= begin), len(clock)) for begin in begins}
    found = made(name=name, day_starts=starts)
    for n in range(middle - 95, middle + 95):
        now = night + MINUTE * (n - middle)
        assert found.day_began(now) == night + MINUTE * (max(f for f in firsts if f <= n) - middle)
        assert found.day_ends(now) == night + MINUTE * (min(f for f in firsts if f > n) - middle)


@pytest.mark.parametrize(
    "name", ["Europe/Berlim", "../etc/passwd", "/etc/localtime", "zone.tab", "Europe", "a\0b"]
)
def test_a_zone_that_nobody_knows_is_named_in_the_complaint(name: str) -> None:
    with pytest.raises(ValueError, match=r"no time zone .* is known on this machine") as refused:
        zone(name)
    assert repr(name) in str(refused.value)


def child(program: str, **environment: str) -> str:
    """What a Python prints that has just these variables; TZ is read by the C library at its start."""
    bare = {name: value for name, value in os.environ.items() if name not in ("TZ", "PYTHONTZPATH")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=bare | environment, text=True, capture_output=True, check=True).stdout


BESIDE_THE_C_LIBRARY = """
import time
from datetime import datetime
from runway_watch.hours import zone
for moment in range(1_767_225_600, 1_798_761_600, 3600):
    ours = datetime.fromtimestamp(moment, zone("")).utcoffset().total_seconds()
    assert ours == time.localtime(moment).tm_gmtoff, (moment, ours)
print(zone(""))
"""
BERLINS_FILE = next(str(f) for path in zoneinfo.TZPATH if (f := Path(path) / BERLIN).exists())


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (BERLIN, BERLIN),
        (f":{BERLIN}", BERLIN),
        (BERLINS_FILE, BERLINS_FILE),
        (f":{BERLINS_FILE}", BERLINS_FILE),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ("<+0530>-5:30", "<+0530>-5:30"),
        ("UTC", "UTC"),
        ("UTC0", "UTC0"),
        ("", "UTC"),
    ],
)
def test_the_machines_zone_is_the_one_that_its_c_library_keeps(said: str, name: str) -> None:
    assert child(BESIDE_THE_C_LIBRARY, TZ=said) == f"{name}\n"


def test_without_a_variable_too_the_machines_zone_is_the_one_of_its_c_library() -> None:
    assert child(BESIDE_THE_C_LIBRARY)


def test_without_a_variable_the_machines_file_says_the_zone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(hours, "LOCALTIME", tmp_path / "localtime")
    assert zone("") is UTC
    hours.LOCALTIME.symlink_to(BERLINS_FILE)
    found = Hours(window="22:00-06:00", day_starts="00:00", zone=zone(""))
    assert found.closed_until(at("2026-03-29T21:00+02:00")) == at("2026-03-29T22:00+02:00")
    assert found.closed_until(at("2026-10-25T21:00+01:00")) == at("2026-10-25T22:00+01:00")


@pytest.mark.parametrize("said", ["Europe/Berlim", ":Europe/Berlim", "/no/such/zone", "CET-1CEST"])
def test_a_machine_that_says_nonsense_is_not_taken_for_one_in_utc(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("TZ", said)
    with pytest.raises(ValueError, match="no time zone") as refused:
        zone("")
    assert said.removeprefix(":") in str(refused.value)


def test_a_file_that_holds_no_zone_is_named_in_the_complaint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "localtime").write_bytes(b"not a zone")
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(hours, "LOCALTIME", tmp_path / "localtime")
    with pytest.raises(ValueError, match=r"can be read from .*/localtime"):
        zone("")


def test_without_a_zone_database_utc_is_known_and_any_other_zone_is_complained_about() -> None:
    program = """
import sys
sys.modules["tzdata"] = None
from runway_watch.hours import zone
print(zone("UTC"), zone("Etc/UTC"))
try:
    zone("Europe/Berlin")
except ValueError as refused:
    print(refused)
"""
    known, refused = child(program, PYTHONTZPATH="").splitlines()
    assert known == "UTC UTC"
    assert refused.startswith("no time zone 'Europe/Berlin' is known on this machine")


@pytest.mark.parametrize("window", ["22:00", "22-", "25:00-06:00", "22:00-06:61"])
def test_a_window_that_is_none_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match=r"must be in|isoformat"):
        made(window)


def test_any_zone_will_do() -> None:
    found = Hours(window="22:00-06:00", day_starts="06:00", zone=UTC)
    assert found.closed_until(at("2026-07-01T12:00Z")) == at("2026-07-01T22:00Z")
    assert found.day_began(at("2026-07-01T05:59Z")) == at("2026-06-30T06:00Z")
