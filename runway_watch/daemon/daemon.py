"""The daemon's life: take the lock, recover, look, work, stop.

It says READY when the inboxes have been looked at once. On SIGTERM it starts nothing more, brings every
step under way to its next commit, and leaves everything at Runway as it is.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Thread

from pydantic import SecretStr

from runway_watch import __version__, clock, mounts
from runway_watch.api import Api, Courier
from runway_watch.config import Settings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.chores import Chores
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.disks import look_at_disks
from runway_watch.daemon.inbox import Inbox
from runway_watch.daemon.line import Line
from runway_watch.daemon.lookout import Lookout
from runway_watch.daemon.orders import carry_out_orders
from runway_watch.daemon.rebuilding import open_ledger
from runway_watch.daemon.recovery import distrust_clock, recover
from runway_watch.daemon.sentry import Sentry, look_once
from runway_watch.errors import LedgerError, LostUpdate, RunwayWatchError
from runway_watch.holds import API, DOWNLOADS
from runway_watch.job import LIVE_STATES
from runway_watch.ledger import Ledger, Lock, file_of
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.spool import Spool
from runway_watch.timetable import Timetable

LEDGER_PAUSE = 5.0
DISTRUST_SECONDS = 5.0
"""So long after the clock was set, the ledger is looked through once more for moments of the old clock."""

TOGETHER_SECONDS = 0.01
"""What happens within so short a time is handled in one turn."""

STOP_SECONDS = 20.0
"""How long steps may take to reach their next commit: a stop takes less than 30 s in all."""

LEDGER_STOP_SECONDS = 3.0
"""How long the ledger may take to answer a last question, and to close; it may be in trouble."""


class Daemon:
    """One daemon on one ledger.

    Args:
        settings: the configuration.
        read_key: looks for the API key where it is configured, at the start and whenever it was refused.
        ledger_url: where the ledger is.
        lock_path: the file that keeps a second daemon away.
        once: stop as soon as nothing can go on by itself.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_key: Callable[[], SecretStr | None],
        ledger_url: str,
        lock_path: Path,
        once: bool = False,
    ) -> None:
        self._settings = settings
        self._read_key = read_key
        self._ledger_url = ledger_url
        self._lock_path = lock_path
        self._once = once
        self._stopped_at: float | None = None  # on the monotonic clock
        self._jumped = 0.0
        self._distrusts = False
        self._broken: BaseException | None = None
        self._dispatch = asyncio.Event()
        self._lookouts: list[Lookout] = []
        self._sentries: list[Sentry] = []
        self._began = clock.now()
        self.has_trouble = False
        """After `run`: whether something failed since it began, or cannot go on without a person."""

    def stop(self) -> None:
        """Stop at the next opportunity. May be called from a signal handler."""
        if self._stopped_at is None:
            self._stopped_at = clock.monotonic()
        self._dispatch.set()

    def look(self) -> None:
        """Look at every inbox now. May be called from a signal handler."""
        for lookout in self._lookouts:
            lookout.hint()

    async def run(self) -> None:
        """Work until `stop`, or with `once` until nothing can go on.

        Raises:
            LedgerLocked: another daemon has the ledger.
            LedgerError: it cannot be used.
            RunwayWatchError: a part of the daemon broke; it has stopped, and has to be started again.
        """
        note = {"pid": os.getpid(), "since": clock.now(), "version": __version__}
        lock = Lock(self._lock_path, note)
        try:
            async with AsyncExitStack() as stack:
                await self._work(await self._open(stack, open_ledger))
        finally:
            lock.release()
        if isinstance(self._broken, LedgerError):
            raise self._broken
        if self._broken is not None:
            raise RunwayWatchError("a part of the daemon broke: start it again") from self._broken

    async def carry_out_orders(self) -> None:
        """Do what people have ordered, and nothing else. Raises LedgerLocked when a daemon is running."""
        lock = Lock(self._lock_path, {"pid": os.getpid()})
        try:
            async with AsyncExitStack() as stack:
                bench = await self._open(stack)
                await look_once(bench)
                await carry_out_orders(bench)
        finally:
            lock.release()

    async def _open(self, stack: AsyncExitStack, opening: Callable[[str], Ledger] = Ledger) -> Bench:
        """Only the daemon itself opens a ledger that may be broken: an order would be lost with it."""
        file = file_of(self._ledger_url)
        _refuse_network(file)
        ledger = stack.enter_context(opening(self._ledger_url))
        clerk = Clerk(ledger, self._break)
        stack.callback(_close, clerk)
        api_settings = self._settings.api
        agent = f"runway-watch/{__version__}"
        api = await stack.enter_async_context(
            Api(base_url=api_settings.base_url, key=self._read_key(), user_agent=agent)
        )
        courier = await stack.enter_async_context(Courier(allow_http=api_settings.is_loopback))
        spools = {str(watch.root): Spool(watch.root) for watch in self._settings.watch}
        bench = Bench.furnished(
            self._settings,
            ledger=ledger,
            clerk=clerk,
            api=api,
            courier=courier,
            spools=spools,
            wake=self._dispatch.set,
            ledger_file=file,
            read_key=self._read_key,
        )
        await bench.keeper.load()
        return bench

    async def _work(self, bench: Bench) -> None:
        say("daemon.started", message=f"runway-watch {__version__}", pid=os.getpid())
        await recover(bench)
        await look_at_disks(bench)
        line, timetable = Line(bench), Timetable(self._jump)
        chores = Chores(bench, timetable, line.stopped)
        watches = self._settings.watch
        inboxes = [Inbox(bench, watch, bench.spools[str(watch.root)]) for watch in watches]
        self._lookouts = [Lookout(inbox, timetable) for inbox in inboxes]
        self._sentries = [Sentry(bench, look.spool, look.returned) for look in self._lookouts]
        running = [chores.run(), *(lookout.run() for lookout in self._lookouts)]
        running += [sentry.run() for sentry in self._sentries]
        beside = [timetable.start(), *map(asyncio.create_task, running)]
        for task in beside:
            task.add_done_callback(self._ended)
        try:
            await self._loop(bench, line, chores, timetable)
        finally:
            notify("STOPPING=1")
            say("daemon.stopping", in_flight=line.busy)
            timetable.stop()
            for task in beside:
                task.remove_done_callback(self._ended)
                task.cancel()
            began = clock.monotonic() if self._stopped_at is None else self._stopped_at
            await line.finish(max(0.0, began + STOP_SECONDS - clock.monotonic()))
            for sentry in self._sentries:
                sentry.close()
            await asyncio.gather(*beside, return_exceptions=True)
            self.has_trouble = await self._failed(bench)
            say("daemon.stopped")

    async def _failed(self, bench: Bench) -> bool:
        """Whether something failed or is held, also when the ledger cannot say so."""
        try:
            async with asyncio.timeout(LEDGER_STOP_SECONDS):
                counts = await bench.clerk(bench.ledger.counts)
                holds = bench.keeper.open
                if holds and any(counts.get(state) for state in LIVE_STATES):
                    return True
                if any(hold.reason == "share" for hold in holds):
                    return True
                return await bench.clerk(bench.ledger.troubles, since=self._began) > 0
        except (TimeoutError, LedgerError):
            return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nobody works on without a part: whoever started the daemon is to start it again."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        if self._broken is None:
            self._broken = error
            say("daemon.broken", level="error", exc_info=error)
            self.stop()

    def _jump(self, seconds: float) -> None:
        self._jumped += seconds
        self._dispatch.set()

    def _distrust(self) -> None:
        self._distrusts = True
        self._dispatch.set()

    async def _keep_up(self, bench: Bench, timetable: Timetable) -> None:
        """Take the moments that are waited for along with a clock that was set, before they are looked at."""
        timetable.look_at_clock()
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
            timetable.at(clock.now() + DISTRUST_SECONDS, "distrust", self._distrust)
            say("clock.jumped", level="warning", seconds=round(seconds, 1), generations=count)

    async def _loop(self, bench: Bench, line: Line, chores: Chores, timetable: Timetable) -> None:
        ready = False
        while True:
            await self._dispatch.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            self._dispatch.clear()
            if self._stopped_at is not None:
                return
            try:
                await self._keep_up(bench, timetable)
                due = await line.turn()
            except LostUpdate:  # a person was faster: it is looked at anew
                due = clock.now()
            except LedgerError as error:
                say("ledger.refused", level="error", message=str(error))
                due = clock.now() + LEDGER_PAUSE
            timetable.at(due, "dispatch", self._dispatch.set)
            chores.plan()
            if not ready and self._has_looked:
                ready = True
                notify("READY=1")
            notify(f"STATUS={line.busy} steps under way")
            if self._once and not chores.pending and await self._is_idle(bench, line):
                return

    @property
    def _has_looked(self) -> bool:
        """Whether every inbox has been looked at that can be."""
        decided = all(sentry.has_decided for sentry in self._sentries)
        return decided and all(lookout.has_looked for lookout in self._lookouts)

    async def _is_idle(self, bench: Bench, line: Line) -> bool:
        quiet = all(lookout.is_quiet for lookout in self._lookouts) and not line.busy
        if not self._has_looked or not quiet or self._dispatch.is_set():
            return False
        keeper = bench.keeper
        tries = self._settings.retry.attempts
        active = await bench.clerk(
            bench.ledger.active,
            at=clock.now(),
            roots=keeper.there,
            new=() if keeper.is_hopeless(tries=tries) else keeper.roots,
            barred=keeper.barred,
            asks=keeper.may_ask and not keeper.has_given_up(API, DOWNLOADS, tries=tries),
        )
        return active == 0 and not self._dispatch.is_set()


def _refuse_network(file: Path | None) -> None:
    """SQLite's locks and its shared memory need the kernel's own filesystems."""
    if file is None:
        return
    there = next(path for path in (file, *file.absolute().parents) if path.exists())
    if mounts.is_remote(mounts.kind(there)):
        raise LedgerError(
            f"{file} is on a network drive, where SQLite is unsafe: set `state.url` to a file on a local disk"
        )


def _close(clerk: Clerk) -> None:
    """Let the ledger do what it was asked to, but not for ever: a restart makes good what it could not."""
    closing = Thread(target=clerk.close, name="closing", daemon=True)
    closing.start()
    closing.join(LEDGER_STOP_SECONDS)


async def run(daemon: Daemon) -> None:
    """Run a daemon until it is done or told to stop by SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.look)
    await daemon.run()
