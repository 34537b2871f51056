"""Has an inbox looked at whenever something may have changed: on hints, on time, when something settles.

The regular look is the truth and needs nobody. Whoever gives hints is supervised: an observer that has gone
deaf is replaced, one that the system refuses is asked for again later, and both are told.
"""

import asyncio
from contextlib import suppress
from functools import partial

from runway_watch import clock
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.inbox import Inbox
from runway_watch.errors import RunwayWatchError, SpoolError
from runway_watch.log import say
from runway_watch.spool import Spool
from runway_watch.timetable import Timetable
from runway_watch.watcher import Watcher

SHORTEST_PAUSE = 0.2
"""Seconds between two scans, so that a stream of events does not become a stream of scans."""

RENEW_SECONDS = 30.0
"""An observer that goes deaf again and again is replaced no more often than this."""

REFUSED_SECONDS = 600.0
"""So long after the system refused an observer it is asked again: its limits may have been raised."""


class Lookout:
    """One inbox under observation.

    Args:
        inbox: the inbox.
        timetable: wakes it regularly, and when something may have settled.
    """

    def __init__(self, inbox: Inbox, timetable: Timetable) -> None:
        self._inbox, self._timetable = inbox, timetable
        self._root = str(inbox.spool.root)
        self._hint = asyncio.Event()
        self._looking = False
        self._pause: float | None = None
        self._watcher = Watcher(
            inbox.spool.inbox, inbox.watch, partial(_tell, asyncio.get_running_loop(), self._hint)
        )
        self._observes_since: float | None = None  # on the monotonic clock
        self._told: str | None = None
        self.looks = 0
        """How often the inbox has been looked at to the end."""

    @property
    def spool(self) -> Spool:
        """Its folders."""
        return self._inbox.spool

    @property
    def has_looked(self) -> bool:
        """Whether the inbox has been looked at, where it can be."""
        return self.is_lost or self.looks > 0

    @property
    def is_lost(self) -> bool:
        """Whether its root is away."""
        return self._root in self._inbox.bench.keeper.away

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is settling, and no look is under way or due; nothing is where the root is away."""
        busy = self._looking or self._hint.is_set() or self._pause is not None
        return self.is_lost or (self.looks > 0 and not busy)

    @property
    def root(self) -> str:
        """Which root it is."""
        return self._root

    def is_late(self, seconds: float) -> bool:
        """Whether nothing has been heard of it for so long beyond the time of its next look."""
        if self.is_lost or self.spool.hands.busy:  # its sentry sees to calls that do not come back
            return False
        return clock.monotonic() - self._inbox.alive_at > self._inbox.watch.scan_seconds + seconds

    def hint(self) -> None:
        """Have the inbox looked at."""
        self._hint.set()

    def returned(self) -> None:
        """Its root is there, and may be another folder than before: observe and look anew."""
        self._inbox.alive_at = clock.monotonic()
        self._observes_since = None
        self._hint.set()

    async def run(self) -> None:
        """Look until cancelled."""
        self._timetable.every(self._inbox.watch.scan_seconds, f"scan {self._root}", self.hint)
        try:
            while True:
                await self._hint.wait()
                self._looking = True
                self._hint.clear()
                if not self.is_lost:
                    await self._observe()
                    await self._look()
                self._looking = False
                self._inbox.bench.wake()
                await asyncio.sleep(SHORTEST_PAUSE)
        finally:
            await asyncio.to_thread(self._watcher.stop)

    async def _observe(self) -> None:
        """See to it that somebody gives hints, where that is possible."""
        now = clock.monotonic()
        if self._observes_since is not None and not self._is_to_be_renewed(now - self._observes_since):
            return
        if self._observes_since is not None and (flaw := self._watcher.flaw()):
            say("observer.lost", level="warning", path=self._root, message=f"{flaw}: it is replaced")
        self._observes_since = now
        with suppress(SpoolError):  # the root's sentry tells
            await self._inbox.spool.hands(self._watcher.start)
        if self._told != (told := f"{self._watcher.how}: {self._watcher.why}"):
            self._told = told
            level = "warning" if self._watcher.has_fallen_back else "info"
            say("observer.chosen", level=level, path=self._root, message=told)

    def _is_to_be_renewed(self, seconds: float) -> bool:
        """Whether the observer should be replaced, so long after it began."""
        is_refused = self._watcher.has_fallen_back and self._watcher.is_sound()
        if is_refused:
            return seconds >= REFUSED_SECONDS
        return seconds >= RENEW_SECONDS and not self._watcher.is_sound()

    async def _look(self) -> None:
        try:
            self._pause = await guarded(self._inbox.look, instead=lambda _: None, path=self._root)
            self.looks += 1
        except RunwayWatchError as error:
            self._pause = None
            say("inbox.unread", level="warning", path=self._root, message=str(error))
            self._inbox.bench.suspicion(self._root).set()
        soon = None if self._pause is None else clock.now() + self._pause
        self._timetable.at(soon, f"settle {self._root}", self.hint)


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event from a thread of watchdog's. A loop that is gone needs no hints."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)
