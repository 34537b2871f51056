"""Somebody sets the clock while a daemon is at work: nothing waits for a time that will not come."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
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
from runway_watch.ledger import Ledger
from runway_watch.simulator import Settings, Simulator
from tests.harness import picture, sidecar

HOUR, YEARS = 3600.0, 10 * 365 * 86_400.0


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
        poll = {"min_seconds": 0.5, "max_seconds": 1.0}
        settings = parse({"api": {"base_url": self.sim.base_url}, "watch": [watch], "poll": poll}, {})
        daemon = Daemon(
            settings,
            read_key=lambda: SecretStr(self.sim.key),
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
