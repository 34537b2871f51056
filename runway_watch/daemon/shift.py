"""One shift of the daemon: with one set of settings from taking up the ledger until it is told to stop.

It says READY when the inboxes have been looked at once. When it stops it starts nothing more, brings every
step under way to its next commit, and leaves everything at Runway as it is. So a shift may end at any time,
and the next one goes on from the ledger.
"""

import asyncio
from collections.abc import Callable

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.chores import Chores
from runway_watch.daemon.disks import look_at_disks
from runway_watch.daemon.herald import Herald
from runway_watch.daemon.inbox import Inbox
from runway_watch.daemon.line import Line
from runway_watch.daemon.lookout import Lookout
from runway_watch.daemon.recovery import distrust_clock, recover
from runway_watch.daemon.sentry import Sentry
from runway_watch.errors import LedgerError, LostUpdate
from runway_watch.holds import API, DOWNLOADS
from runway_watch.job import LIVE_STATES
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.timetable import Timetable

LEDGER_PAUSE = 5.0
DISTRUST_SECONDS = 5.0
"""So long after the clock was set, the ledger is looked through once more for moments of the old clock."""

TOGETHER_SECONDS = 0.01
"""What happens within so short a time is handled in one turn."""

STOP_SECONDS = 20.0
"""How long steps may take to reach their next commit: a stop takes less than 30 s in all."""

HAND_OVER_SECONDS = 180.0
"""The same where the next shift waits: longer than any answer is waited for (150 s), since a paid request
that is cut off is in doubt."""

LEDGER_STOP_SECONDS = 3.0
"""How long the ledger may take to answer a last question, and to close; it may be in trouble."""


class Shift:
    """Works until `stop`, or with `once` until nothing can go on.

    Args:
        bench: the daemon's tools.
        dispatch: set when the ledger is to be looked at; the bench sets it too.
        broke: called with what ended a part that must not end.
        once: stop as soon as nothing can go on by itself.
    """

    def __init__(
        self,
        bench: Bench,
        dispatch: asyncio.Event,
        broke: Callable[[BaseException], None],
        *,
        once: bool = False,
    ) -> None:
        self._bench, self._dispatch, self._broke, self._once = bench, dispatch, broke, once
        self._is_over = False
        self._deadline = self._ends_at = float("inf")  # on the monotonic clock
        self._jumped = 0.0
        self._distrusts = False
        self._began = clock.now()
        self._line, self._timetable = Line(bench), Timetable(self._jump)
        self._chores = Chores(bench, self._timetable, self._line.stopped)
        inboxes = [Inbox(bench, watch, bench.spools[str(watch.root)]) for watch in bench.settings.watch]
        self._lookouts = [Lookout(inbox, self._timetable) for inbox in inboxes]
        self._sentries = [Sentry(bench, look.spool, look.returned) for look in self._lookouts]
        self._herald = Herald(bench, self._lookouts)
        self._workers: list[asyncio.Task[None]] = []
        self._guards: list[asyncio.Task[None]] = []  # they outlive the workers
        self.has_trouble = False
        """After `run`: whether something failed since it began, or cannot go on without a person."""

    @property
    def busy(self) -> int:
        """How many generations are in a stage at this moment."""
        return self._line.busy

    def stop(self, *, within: float = STOP_SECONDS) -> None:
        """Stop at the next opportunity; what is under way has so many seconds to reach its next commit."""
        now = clock.monotonic()
        self._deadline, self._ends_at = min(self._deadline, now + within), now + STOP_SECONDS
        self._is_over = True
        self._dispatch.set()

    def look(self) -> None:
        """Look at every inbox now."""
        for lookout in self._lookouts:
            lookout.hint()

    async def run(self) -> None:
        """Work. Raises LedgerError when the ledger cannot be used."""
        await recover(self._bench)
        await look_at_disks(self._bench)
        self._begin()
        try:
            await self._loop()
        finally:
            await self._end()
            self.has_trouble = await self._failed()

    def _begin(self) -> None:
        workers = [self._chores.run(), *(lookout.run() for lookout in self._lookouts)]
        guards = [*(sentry.run() for sentry in self._sentries), self._herald.run()]
        self._workers = [self._timetable.start(), *map(asyncio.create_task, workers)]
        self._guards = [*map(asyncio.create_task, guards)]
        for task in (*self._workers, *self._guards):
            task.add_done_callback(self._ended)

    async def _end(self) -> None:
        """Bring everything to its next commit. Until then shares are watched, and systemd is told."""
        if not self._is_over:
            self.stop()
        self._timetable.stop()
        self._herald.hand_over()
        for task in (*self._workers, *self._guards):
            task.remove_done_callback(self._ended)
        _cancel(self._workers)
        await asyncio.wait(self._workers, timeout=self._soon())
        await self._line.finish(self._soon, self._left, self._give_up)
        _cancel(self._guards)
        await asyncio.gather(*self._workers, *self._guards, return_exceptions=True)

    def _give_up(self) -> None:
        """Wait for no share any longer; and nobody is to look at one now, and take that for its trouble."""
        _cancel(self._guards[: len(self._sentries)])
        for sentry in self._sentries:
            sentry.close()

    def _soon(self) -> float:
        """Seconds that are left for what may be cut off without harm."""
        return min(self._left(), max(0.0, self._ends_at - clock.monotonic()))

    def _left(self) -> float:
        """Seconds that are left for what is under way; a stop may come while a hand-over is waited for."""
        return max(0.0, self._deadline - clock.monotonic())

    async def _failed(self) -> bool:
        """Whether something failed or is held, also when the ledger cannot say so."""
        bench, holds = self._bench, self._bench.keeper.open
        try:
            async with asyncio.timeout(LEDGER_STOP_SECONDS):
                counts = await bench.clerk(bench.ledger.counts)
                if holds and any(counts.get(state) for state in LIVE_STATES):
                    return True
                if any(hold.reason == "share" for hold in holds):
                    return True
                return await bench.clerk(bench.ledger.troubles, since=self._began) > 0
        except (TimeoutError, LedgerError):
            return True

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Nobody works on without a part: whoever started the daemon is to start it again."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broke(error)

    # -- the clock -------------------------------------------------------------------------------------

    def _jump(self, seconds: float) -> None:
        self._jumped += seconds
        self._dispatch.set()

    def _distrust(self) -> None:
        self._distrusts = True
        self._dispatch.set()

    async def _keep_up(self) -> None:
        """Take the moments that are waited for along with a clock that was set, before they are looked at."""
        bench = self._bench
        self._timetable.look_at_clock()
        if self._distrusts:
            self._distrusts = False
            await distrust_clock(bench)
        if seconds := self._jumped:
            count = await bench.clerk(bench.ledger.shift, seconds, at=clock.now())
            self._jumped -= seconds
            self._began += seconds
            bench.keeper.ways.shift(seconds)
            bench.account.shift(seconds)
            await bench.keeper.load()  # their moments went along in the ledger
            # What was just being written down has the moment of the old clock.
            self._timetable.at(clock.now() + DISTRUST_SECONDS, "distrust", self._distrust)
            say("clock.jumped", level="warning", seconds=round(seconds, 1), generations=count)

    # -- its turns -------------------------------------------------------------------------------------

    async def _loop(self) -> None:
        ready = False
        while True:
            await self._dispatch.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            self._dispatch.clear()
            if self._is_over:
                return
            self._timetable.at(await self._turn(), "dispatch", self._dispatch.set)
            self._herald.turned()
            self._chores.plan()
            if not ready and self._has_looked:
                ready = True
                notify("READY=1")
            if self._once and not self._chores.pending and await self._is_idle():
                return

    async def _turn(self) -> float | None:
        """Start what is due. Returns when the next turn is to be, seconds since 1970."""
        try:
            await self._keep_up()
            return await self._line.turn()
        except LostUpdate:  # a person was faster: it is looked at anew
            return clock.now()
        except LedgerError as error:
            say("ledger.refused", level="error", message=str(error))
            return clock.now() + LEDGER_PAUSE

    @property
    def _has_looked(self) -> bool:
        """Whether every inbox has been looked at that can be."""
        decided = all(sentry.has_decided for sentry in self._sentries)
        return decided and all(lookout.has_looked for lookout in self._lookouts)

    async def _is_idle(self) -> bool:
        quiet = all(lookout.is_quiet for lookout in self._lookouts) and not self._line.busy
        if not self._has_looked or not quiet or self._dispatch.is_set():
            return False
        bench, keeper = self._bench, self._bench.keeper
        tries = bench.settings.retry.attempts
        active = await bench.clerk(
            bench.ledger.active,
            at=clock.now(),
            roots=keeper.there,
            new=() if keeper.is_hopeless(tries=tries) else keeper.roots,
            barred=keeper.barred,
            asks=keeper.may_ask and not keeper.has_given_up(API, DOWNLOADS, tries=tries),
        )
        return active == 0 and not self._dispatch.is_set()


def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
