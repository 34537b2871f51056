"""Somebody sets the clock while a daemon is at work: nothing waits for a time that will not come."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import interval
from pydantic import SecretStr

from runway_watch import clock, timetable
from runway_watch.config import parse
from runway_watch.daemon import Daemon
from runway_watch.daemon.recovery import latest_due
from runway_watch.decide import Move
from runway_watch.job import Hold, State
from runway_watch.ledger import Ledger
from runway_watch.simulator import Settings, Simulator
from tests.harness import picture, sidecar
from tests.samples import NOW, call, job

HOUR, DAY, YEARS = 3600.0, 86_400.0, 10 * 365 * 86_400.0


class _AsSet(datetime):
    """The scheduler's clock is the machine's: whoever sets that one sets this one too."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(clock.now(), tz)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock forward, or back, from what it really is: ours, and the one that timers are set by."""
    monkeypatch.setattr(timetable, "_LOOK_SECONDS", 0.5)
    real = clock.now
    for module in (base, interval):
        monkeypatch.setattr(module, "datetime", _AsSet)

    def put(ahead: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: real() + ahead)

    return put


@dataclass
class Site:
    """A daemon in this process, with a stand-in for Runway."""

    base: Path
    sim: Simulator

    def drop(self, name: str, text: str = "") -> None:
        for suffix, content in ((".png", picture()), (".prompt.toml", sidecar("x", text))):
            (self.base / "root/inbox" / (name + suffix)).write_bytes(content)

    def states(self) -> dict[str, str]:
        if not (self.base / "ledger.db").exists():
            return {}
        with Ledger(f"sqlite:///{self.base}/ledger.db", readonly=True) as ledger:
            return {job.dropped_as: job.state.value for job in ledger.latest()}

    async def reaches(self, *, seconds: float = 20.0, **states: str) -> None:
        """Wait until these jobs are in these states."""
        end, seen = time.monotonic() + seconds, None
        while seen != states:
            assert time.monotonic() < end, seen
            await asyncio.sleep(0.05)
            seen = await asyncio.to_thread(self.states)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        watch = {"root": str(self.base / "root"), "settle_seconds": 0.05, "scan_seconds": 0.5}
        poll, retry = {"min_seconds": 0.5, "max_seconds": 1.0}, {"first_seconds": 0.2, "max_seconds": 1.0}
        api = {"base_url": self.sim.base_url}
        settings = parse({"api": api, "watch": [watch], "poll": poll, "retry": retry}, {})
        daemon = Daemon(
            settings,
            read_key=lambda _: SecretStr(self.sim.key),
            ledger_url=f"sqlite:///{self.base}/ledger.db",
            lock_path=self.base / "lock",
        )
        running = asyncio.create_task(daemon.run())
        while not (self.base / "ledger.db").exists() and not running.done():  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            daemon.stop()
            await running


def at_work(work: Callable[[Site], Coroutine[Any, Any, None]], base: Path, **like: Any) -> None:
    async def main() -> None:
        (base / "root/inbox").mkdir(parents=True)
        given = {"seconds": 1.5, "film_seconds": 0.1} | like
        async with Simulator(Settings(**given)) as sim, Site(base, sim).daemon():
            await work(Site(base, sim))

    asyncio.run(asyncio.wait_for(main(), 100))


@pytest.mark.parametrize("ahead", [-HOUR, HOUR, -YEARS, YEARS])
def test_what_runs_and_what_comes_goes_on_after_the_clock_was_set(
    ahead: float, set_clock: Callable[[float], None], tmp_path: Path
) -> None:
    async def work(site: Site) -> None:
        site.drop("one")
        await site.reaches(one="running")
        set_clock(ahead)
        await site.reaches(one="done")
        site.drop("two")
        await site.reaches(one="done", two="done")

    at_work(work, tmp_path)


def test_a_clock_that_goes_astray_by_ten_years_and_back_leaves_nothing_stuck(
    set_clock: Callable[[float], None], tmp_path: Path
) -> None:
    async def work(site: Site) -> None:
        site.drop("one")
        site.drop("appointed", "[job]\nnot_before = 2150-01-01T00:00:00")
        await site.reaches(one="running", appointed="ready")
        set_clock(YEARS)
        site.drop("two")
        await site.reaches(one="done", two="running", appointed="ready")
        set_clock(0.0)
        site.drop("three")
        await site.reaches(one="done", two="done", three="done", appointed="ready")
        assert site.sim.bill()["paid"] == 3

    at_work(work, tmp_path)


@pytest.mark.parametrize("ahead", [-YEARS, YEARS])
def test_a_request_that_was_on_its_way_when_the_clock_was_set_is_asked_about_soon(
    ahead: float, set_clock: Callable[[float], None], tmp_path: Path
) -> None:
    """It left by the old clock, and its answer came by the new."""

    async def work(site: Site) -> None:
        site.drop("known")
        await site.reaches(known="done")  # from now on it is known how long one takes
        site.sim.fault("create", {"stall_after": 2})
        site.drop("slow")
        await site.reaches(known="done", slow="submitting")
        set_clock(ahead)
        with contextlib.suppress(AssertionError):
            await site.reaches(seconds=1, known="done", slow="running")  # it is noticed in the meantime
        await site.reaches(known="done", slow="done")

    at_work(work, tmp_path)


# -- money and holds -----------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        yield ledger


def pay(ledger: Ledger, name: str, *, at: float) -> None:
    """A paid call that may cost 60 credits, allowed at a moment and answered at once."""
    one = call(name, State.UPLOADING, uploaded_at=at)
    ledger.admit([(job(name, state=State.UPLOADING), [one])])
    [one] = ledger.move([(one, Move("submit", {"estimated": 60}))], at=at)
    ledger.move([(one, Move("submitted", {"task_id": name}))], at=at)


def committed(ledger: Ledger, *, since: float) -> int:
    return ledger.purse(day=since, looked_at=NOW + YEARS).committed


@pytest.mark.parametrize("ahead", [HOUR, 3 * DAY, YEARS])
def test_what_was_paid_for_by_a_clock_that_was_ahead_counts_for_its_day_and_no_longer(
    ahead: float, ledger: Ledger
) -> None:
    pay(ledger, "a", at=NOW + ahead - 600)
    ledger.shift(-ahead, at=NOW)
    assert committed(ledger, since=NOW - 601) == 60
    assert committed(ledger, since=NOW - 599) == 0
    assert ledger.purse(day=NOW, looked_at=NOW - 599).since_look == 0


@pytest.mark.parametrize("there", [-YEARS, -HOUR, HOUR, YEARS])
def test_a_clock_that_goes_astray_and_comes_back_changes_no_sum(there: float, ledger: Ledger) -> None:
    pay(ledger, "a", at=NOW - 600)
    ledger.shift(there, at=NOW + there)
    assert committed(ledger, since=NOW + there - 601) == 60
    ledger.shift(-there, at=NOW)
    assert committed(ledger, since=NOW - 601) == 60
    assert committed(ledger, since=NOW - 599) == 0


@pytest.mark.parametrize("jump", [-YEARS, -HOUR, HOUR, YEARS])
def test_a_call_that_was_paid_for_before_the_jump_was_noticed_counts_today(
    jump: float, ledger: Ledger
) -> None:
    pay(ledger, "a", at=NOW - 3)
    ledger.shift(jump, at=NOW)
    assert committed(ledger, since=NOW - 3) == 60


@pytest.mark.parametrize("jump", [-YEARS, -HOUR, HOUR, YEARS])
def test_a_hold_goes_along_with_the_clock_and_one_that_is_over_stays(jump: float, ledger: Ledger) -> None:
    before = NOW - jump
    over = Hold("outage", before - 900)
    ledger.hold(begun=[over], ended=[], at=before - 900)
    ledger.hold(begun=[Hold("credits", before - 600, until=before + 60)], ended=[over], at=before - 600)
    ledger.shift(jump, at=NOW)
    [held] = ledger.holds()
    assert (held.since, held.until) == (NOW - 600, NOW + 60)
    assert ledger.last_held("outage") == before - 600


# -- a daemon that starts cannot know ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "not_before", "latest"),
    [
        (State.RUNNING, None, None, 30),
        (State.RUNNING, "unreachable", None, 30),
        (State.UPLOADING, "rate_limited", None, 900),
        (State.READY, "task.internal", None, 900),
        (State.READY, "task.internal", "2150-01-01T00:00:00Z", 900),  # it has begun before
        (State.COLLECTING, None, None, 0),
        (State.RETIRING, None, None, 0),
        (State.READY, None, None, 0),
        (State.READY, None, "2020-01-01T00:00:00", 0),
        (State.READY, None, "2150-01-01T00:00:00Z", 5_680_281_600 - NOW),
    ],
)
def test_nothing_but_an_appointment_is_waited_for_longer_than_a_pause_can_be(
    state: State, reason: str | None, not_before: str | None, latest: float
) -> None:
    settings = parse({"watch": [{"root": "/srv/runway"}]}, {})
    one = job("a", options={"not_before": not_before} if not_before else {})
    due = latest_due(one, call("a", state, reason=reason, due_at=NOW + YEARS), settings, now=NOW)
    assert due == NOW + latest


def test_what_happened_in_the_future_has_happened_by_now(ledger: Ledger) -> None:
    pay(ledger, "ahead", at=NOW + YEARS)
    pay(ledger, "before", at=NOW - 9)
    ledger.hold(begun=[Hold("paused", NOW + HOUR)], ended=[], at=NOW + HOUR)
    ledger.uploaded("me", "abc", uri="runway://1", at=NOW + 1)
    ledger.uploaded("me", "def", uri="runway://2", at=NOW - 1)
    ledger.doubt_future(at=NOW)
    assert (committed(ledger, since=NOW), committed(ledger, since=NOW + 1)) == (60, 0)
    assert committed(ledger, since=NOW - 9) == 120
    assert ledger.purse(day=0, looked_at=NOW + 1).since_look == 0
    assert [hold.since for hold in ledger.holds()] == [NOW]
    assert [ledger.upload("me", sha256, since=0) for sha256 in ("abc", "def")] == [None, "runway://2"]


@pytest.mark.parametrize("ahead", [HOUR, YEARS])
def test_a_daemon_that_starts_after_the_clock_was_set_back_goes_on_at_once(
    ahead: float, set_clock: Callable[[float], None], tmp_path: Path
) -> None:
    async def main() -> None:
        (tmp_path / "root/inbox").mkdir(parents=True)
        async with Simulator(Settings(seconds=3.0, film_seconds=0.1, concurrency=1)) as sim:
            site = Site(tmp_path, sim)
            set_clock(ahead)
            async with site.daemon():
                site.drop("running")
                await site.reaches(running="running")
                sim.fault("create", {"status": 429, "headers": {"Retry-After": "2"}})
                site.drop("waiting")
                site.drop("appointed", "[job]\nnot_before = 2150-01-01T00:00:00")
                await site.reaches(running="running", waiting="uploading", appointed="ready")
            set_clock(0.0)
            async with site.daemon():
                await site.reaches(running="done", waiting="done", appointed="ready")
            assert sim.bill()["paid"] == 2

    asyncio.run(asyncio.wait_for(main(), 100))
