"""The timetable wakes, in the loop, when it was asked to; also after somebody has set the clock."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from runway_watch import clock, log, timetable
from runway_watch.config import LogSettings
from runway_watch.timetable import Timetable

SOON = 0.05
QUIET_SECONDS = 0.4
"""For what must not happen: several times as long as it would take."""


class Bell:
    """Counts, and lets a test wait for a count."""

    def __init__(self) -> None:
        self.rung = 0
        self.threads: set[int] = set()
        self._changed = asyncio.Condition()

    def ring(self) -> None:
        self.rung += 1
        self.threads.add(threading.get_ident())
        task = asyncio.get_running_loop().create_task(self._tell())
        task.add_done_callback(lambda _: None)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.rung >= count)

    async def stays_silent(self) -> None:
        before = self.rung
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self.rung > before)


@asynccontextmanager
async def running(on_jump: Callable[[float], None] = lambda _: None) -> AsyncIterator[Timetable]:
    table = Timetable(on_jump)
    table.start()
    try:
        yield table
    finally:
        table.stop()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


def test_every_wakes_again_and_again_in_the_loops_own_thread() -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.every(SOON, "scan", bell.ring)
            assert bell.rung == 0
            await bell.until(3)
            assert bell.threads == {threading.get_ident()}

    run(work)


def test_what_was_set_before_the_start_counts() -> None:
    async def work() -> None:
        table, bell = Timetable(), Bell()
        table.every(SOON, "scan", bell.ring)
        table.start()
        await bell.until(1)
        table.stop()

    run(work)


def test_at_wakes_once() -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.at(clock.now() + SOON, "dispatch", bell.ring)
            await bell.until(1)
            await bell.stays_silent()

    run(work)


@pytest.mark.parametrize("moment", [4e9, 1e12, 1e300, float("inf")])
def test_a_moment_beyond_every_calendar_wakes_within_a_day(moment: float) -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.at(moment, "dispatch", bell.ring)
            [job] = table._scheduler.get_jobs()
            assert job.next_run_time <= clock.exact_utc(clock.now() + 86_400)
            await bell.stays_silent()

    run(work)


@pytest.mark.parametrize("late", [0.0, 3600.0, 30 * 86_400.0, 1e300])
def test_a_moment_that_is_over_wakes_at_once(late: float) -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.at(clock.now() - late, "dispatch", bell.ring)
            await bell.until(1)

    run(work)


def test_a_new_moment_takes_the_place_of_the_old_one() -> None:
    async def work() -> None:
        async with running() as table:
            bell, other = Bell(), Bell()
            table.at(clock.now() + 3600, "dispatch", other.ring)
            table.at(clock.now() + SOON, "dispatch", bell.ring)
            await bell.until(1)
            table.at(clock.now() + 2 * SOON, "dispatch", other.ring)
            table.at(clock.now() + 3600, "dispatch", other.ring)
            await other.stays_silent()

    run(work)


def test_no_moment_takes_the_old_one_away() -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.at(None, "dispatch", bell.ring)  # there is none yet
            table.at(clock.now() + 2 * SOON, "dispatch", bell.ring)
            table.at(None, "dispatch", bell.ring)
            await bell.stays_silent()

    run(work)


def test_names_are_kept_apart() -> None:
    async def work() -> None:
        async with running() as table:
            one, two = Bell(), Bell()
            table.at(clock.now() + SOON, "settle /a", one.ring)
            table.at(clock.now() + SOON, "settle /b", two.ring)
            await asyncio.gather(one.until(1), two.until(1))

    run(work)


def test_nobody_is_woken_after_the_end() -> None:
    async def work() -> None:
        bell = Bell()
        async with running() as table:
            table.every(SOON, "scan", bell.ring)
            await bell.until(1)
        await bell.stays_silent()

    run(work)


def test_a_callback_that_fails_is_woken_again(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with running() as table:
            bell = Bell()

            def fail() -> None:
                bell.ring()
                raise ZeroDivisionError

            table.every(SOON, "scan", fail)
            await bell.until(2)

    run(work)
    assert "ZeroDivisionError" in caplog.text


def test_a_callback_that_fails_where_nothing_can_be_logged_is_woken_again() -> None:
    stream = io.StringIO()
    log.set_up(LogSettings(), stream)
    stream.close()

    async def work() -> None:
        async with running() as table:
            bell = Bell()

            def fail() -> None:
                bell.ring()
                raise ZeroDivisionError

            table.every(SOON, "scan", fail)
            await bell.until(3)

    run(work)


def test_times_that_are_set_anew_are_times_that_are_now() -> None:
    async def work() -> None:
        async with running() as table:
            regular, once = Bell(), Bell()
            table.every(3600, "scan", regular.ring)
            table.at(clock.now() + 3600, "dispatch", once.ring)
            table._set_anew()
            await asyncio.gather(regular.until(1), once.until(1))
            await regular.stays_silent()

    run(work)


@pytest.mark.parametrize("jump", [-3600.0, 3.0])
def test_a_clock_that_was_set_is_noticed(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back by an hour, an interval would be silent for that hour; so everybody is woken."""
    monkeypatch.setattr(timetable, "_LOOK_SECONDS", SOON)
    real = clock.now

    async def work() -> None:
        jumps: list[float] = []
        async with running(jumps.append) as table:
            bell = Bell()
            table.every(1800, "scan", bell.ring)
            await bell.stays_silent()  # several looks at a clock that was not set
            assert jumps == []
            monkeypatch.setattr(clock, "now", lambda: real() + jump)
            await bell.until(1)
            assert jumps == [pytest.approx(jump, abs=0.1)]
            table.look_at_clock()  # and no second time
            assert len(jumps) == 1

    run(work)


def test_a_machine_that_was_asleep_wakes_everybody_and_set_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers stand still in a sleep, the wall clock does not, and nothing that is due has moved."""
    real = clock.monotonic

    async def work() -> None:
        jumps: list[float] = []
        async with running(jumps.append) as table:
            bell = Bell()
            table.every(1800, "scan", bell.ring)
            monkeypatch.setattr(clock, "monotonic", lambda: real() - 3600)
            table.look_at_clock()
            await bell.until(1)
            assert jumps == []

    run(work)


def test_ten_years_of_missed_intervals_are_made_up_for_by_one_at_once() -> None:
    """A clock that is set forward by years must not have half a milliard missed looks counted."""

    async def work() -> None:
        async with running() as table:
            bell = Bell()
            table.every(0.5, "orders", bell.ring)
            [job] = table._scheduler.get_jobs()
            job.modify(next_run_time=clock.exact_utc(clock.now() - 10 * 365 * 86_400))
            async with asyncio.timeout(5):
                await bell.until(2)

    run(work)


def test_the_scheduler_keeps_utc_and_misses_nothing() -> None:
    """A daemon that was asleep (a laptop, a stopped process) is woken once for all that it missed."""
    scheduler = Timetable()._scheduler
    assert isinstance(scheduler, AsyncIOScheduler)
    assert str(scheduler.timezone) == "UTC"
    assert scheduler._job_defaults["misfire_grace_time"] is None
    assert scheduler._job_defaults["coalesce"] is True
