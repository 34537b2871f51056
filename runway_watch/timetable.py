"""The only user of APScheduler: it wakes the daemon, regularly or once, and decides nothing.

Its times are wall-clock times, so a clock set back by an hour would stop every regular job for that hour.
A look at a clock that nobody can set finds that out, sets all of them anew, and tells of the jump.
"""

import asyncio
from collections.abc import Callable

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from runway_watch import clock

JUMP_SECONDS = 2.0
"""Less is no jump: it costs nobody more than that."""

_LOOK_SECONDS = 5.0
_FURTHEST_SECONDS = 86_400.0
"""No timer is set further ahead: calendars end, clocks are set, and waking early costs one look."""


class Timetable:
    """Wakes callbacks in the running event loop. Callbacks return at once: they set an event.

    Args:
        on_jump: called with the seconds that somebody has set the clock forward, or back (below 0).
    """

    def __init__(self, on_jump: Callable[[float], None] = lambda _: None) -> None:
        self._on_jump = on_jump
        self._offset, self._awake = clock.offset(), _awake()
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            # A timer may fall due before the callback that has set it is counted as ended; with one instance
            # at most it would be dropped for ever. Callbacks only set events: any number may run.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1_000},
        )
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to wake. Needs a running event loop.

        Returns:
            The task that watches the clock; it never ends before `stop`.
        """
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_clock())
        return self._watch

    def stop(self) -> None:
        """Wake nobody any more."""
        if self._watch is not None:
            self._watch.cancel()
        self._scheduler.shutdown(wait=False)

    def every(self, seconds: float, name: str, wake: Callable[[], None]) -> None:
        """Wake regularly, the first time after `seconds`.

        Each time sets the next one: after a jump of years the scheduler's own intervals count every time
        that was missed, one by one.
        """

        def wake_and_set_anew() -> None:
            self.at(clock.now() + seconds, name, wake_and_set_anew)
            wake()

        self.at(clock.now() + seconds, name, wake_and_set_anew)

    def at(self, moment: float | None, name: str, wake: Callable[[], None]) -> None:
        """Wake once at a moment (seconds since 1970), instead of the one set before under this name.

        Who waits for longer than a day is woken after a day, to look and to set it again.
        """
        if moment is not None:
            now = clock.now()
            trigger = DateTrigger(clock.exact_utc(min(max(moment, now), now + _FURTHEST_SECONDS)))
            self._scheduler.add_job(_asynchronous(wake), trigger, id=name, replace_existing=True)
            return
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            return

    def look_at_clock(self) -> None:
        """Find out whether the clock was set, or the machine asleep, and make up for it at once."""
        jumped, slept = clock.offset() - self._offset, _awake() - self._awake
        if abs(slept) > JUMP_SECONDS:
            self._awake += slept
            self._set_anew()
        if abs(jumped) > JUMP_SECONDS:
            self._offset += jumped
            self._on_jump(jumped)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look_at_clock()

    def _set_anew(self) -> None:
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=clock.exact_utc(clock.now()))


def _awake() -> float:
    """As `clock.offset`, but timers wait for the clock that stands still while the machine is asleep."""
    return clock.now() - clock.monotonic()


def _asynchronous(wake: Callable[[], None]) -> Callable[[], object]:
    """APScheduler runs plain functions in a thread, and coroutines in the loop: waking belongs there."""

    async def woken() -> None:
        wake()

    return woken
