"""Has an inbox looked at whenever something may have changed: on hints, on time, when something settles."""

import asyncio
from functools import partial

from runway_watch import clock
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.inbox import Inbox
from runway_watch.errors import RunwayWatchError
from runway_watch.log import say
from runway_watch.timetable import Timetable
from runway_watch.watcher import Watcher

SHORTEST_PAUSE = 0.2
"""Seconds between two scans, so that a stream of events does not become a stream of scans."""


class Lookout:
    """One inbox under observation.

    Args:
        inbox: the inbox.
        timetable: wakes it regularly, and when something may have settled.
    """

    def __init__(self, inbox: Inbox, timetable: Timetable) -> None:
        self._inbox = inbox
        self._root = str(inbox.spool.root)
        self._timetable = timetable
        self._hint = asyncio.Event()
        self._hint.set()
        self._looking = False
        self._pause: float | None = None
        self.is_lost = False
        """Whether the last look failed."""
        loop = asyncio.get_running_loop()
        tell = partial(_tell, loop, self._hint)
        self._watcher = Watcher(inbox.spool.inbox, inbox.watch, tell)
        self.has_looked = False
        """Whether the inbox has been looked at since the start."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is settling, and no look is under way or due."""
        return self.has_looked and not self._looking and not self._hint.is_set() and self._pause is None

    def hint(self) -> None:
        """Have the inbox looked at."""
        self._hint.set()

    async def run(self) -> None:
        """Look until cancelled."""
        self._timetable.every(self._inbox.watch.scan_seconds, f"scan {self._root}", self.hint)
        await asyncio.to_thread(self._watcher.start)
        try:
            while True:
                await self._hint.wait()
                self._looking = True
                self._hint.clear()
                await self._look()
                self._looking, self.has_looked = False, True
                self._inbox.bench.wake()
                await asyncio.sleep(SHORTEST_PAUSE)
        finally:
            await asyncio.to_thread(self._watcher.stop)

    async def _look(self) -> None:
        try:
            self._pause = await guarded(self._inbox.look, instead=lambda _: None, path=self._root)
        except RunwayWatchError as error:
            self._pause = None
            if not self.is_lost:
                say("share.lost", level="error", path=self._root, message=str(error))
            self.is_lost = True
        else:
            if self.is_lost:
                say("share.returned", path=self._root)
            self.is_lost = False
        soon = None if self._pause is None else clock.now() + self._pause
        self._timetable.at(soon, f"settle {self._root}", self.hint)


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event from a thread of watchdog's. A loop that is gone needs no hints."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)
