"""The daemon's life: take the lock, recover, look, work, stop.

It says READY when the inboxes have been looked at once. On SIGTERM it starts nothing more, brings every
step under way to its next commit, and leaves everything at Runway as it is.
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr

from runway_watch import __version__, clock
from runway_watch.api import Api, Courier
from runway_watch.config import Settings
from runway_watch.daemon.account import Account
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.chores import Chores
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.inbox import Inbox
from runway_watch.daemon.line import Line
from runway_watch.daemon.lookout import Lookout
from runway_watch.daemon.people import carry_out_orders
from runway_watch.daemon.recovery import recover
from runway_watch.errors import LedgerError
from runway_watch.ledger import Ledger, Lock
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.spool import Spool
from runway_watch.timetable import Timetable

LEDGER_PAUSE = 5.0
TOGETHER_SECONDS = 0.01
"""What happens within so short a time is handled in one turn."""

STOP_SECONDS = 20.0
"""How long steps may take to reach their next commit; systemd is told to allow 30 s in all."""


class Daemon:
    """One daemon on one ledger.

    Args:
        settings: the configuration.
        key: the API key.
        ledger_url: where the ledger is.
        lock_path: the file that keeps a second daemon away.
        once: stop as soon as nothing can go on by itself.
    """

    def __init__(
        self, settings: Settings, *, key: SecretStr, ledger_url: str, lock_path: Path, once: bool = False
    ) -> None:
        self._settings = settings
        self._key = key
        self._ledger_url = ledger_url
        self._lock_path = lock_path
        self._once = once
        self._stopping = False
        self._dispatch = asyncio.Event()
        self._lookouts: list[Lookout] = []
        self._began = clock.now()
        self.has_trouble = False
        """After `run`: whether something failed since it began, or cannot go on without a person."""

    def stop(self) -> None:
        """Stop at the next opportunity. May be called from a signal handler."""
        self._stopping = True
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
            SpoolError: a root is not there, or its folders cannot be made.
        """
        note = {"pid": os.getpid(), "since": clock.now(), "version": __version__}
        lock = Lock(self._lock_path, note)
        try:
            async with AsyncExitStack() as stack:
                await self._work(await self._open(stack))
        finally:
            lock.release()

    async def carry_out_orders(self) -> None:
        """Do what people have ordered, and nothing else. Raises LedgerLocked when a daemon is running."""
        lock = Lock(self._lock_path, {"pid": os.getpid()})
        try:
            async with AsyncExitStack() as stack:
                await carry_out_orders(await self._open(stack))
        finally:
            lock.release()

    async def _open(self, stack: AsyncExitStack) -> Bench:
        ledger = stack.enter_context(Ledger(self._ledger_url))
        clerk = Clerk(ledger)
        stack.callback(clerk.close)
        api_settings = self._settings.api
        agent = f"runway-watch/{__version__}"
        api = await stack.enter_async_context(
            Api(base_url=api_settings.base_url, key=self._key, user_agent=agent)
        )
        courier = await stack.enter_async_context(Courier(allow_http=api_settings.is_loopback))
        spools = {str(watch.root): Spool(watch.root) for watch in self._settings.watch}
        for spool in spools.values():
            spool.make()
        account = Account(api, self._settings.limits)
        return Bench(self._settings, ledger, clerk, api, courier, account, spools, self._dispatch.set)

    async def _work(self, bench: Bench) -> None:
        say("daemon.started", message=f"runway-watch {__version__}", pid=os.getpid())
        await recover(bench)
        line, chores, timetable = Line(bench), Chores(bench), Timetable()
        watches = self._settings.watch
        inboxes = [Inbox(bench, watch, bench.spools[str(watch.root)]) for watch in watches]
        self._lookouts = [Lookout(inbox, timetable) for inbox in inboxes]
        chores.set_times(timetable)
        timetable.start()
        beside = [asyncio.create_task(chores.run())]
        beside += [asyncio.create_task(lookout.run()) for lookout in self._lookouts]
        try:
            await self._loop(bench, line, chores, timetable)
        finally:
            notify("STOPPING=1")
            say("daemon.stopping", in_flight=line.busy)
            timetable.stop()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await line.finish(STOP_SECONDS)
            self.has_trouble = await bench.clerk(bench.ledger.troubles, since=self._began) > 0
            say("daemon.stopped")

    async def _loop(self, bench: Bench, line: Line, chores: Chores, timetable: Timetable) -> None:
        ready = False
        while True:
            await self._dispatch.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            self._dispatch.clear()
            if self._stopping:
                return
            try:
                due = await line.turn()
            except LedgerError as error:
                say("ledger.refused", level="error", message=str(error))
                due = clock.now() + LEDGER_PAUSE
            timetable.at(due, "dispatch", self._dispatch.set)
            if not ready and all(lookout.has_looked for lookout in self._lookouts):
                ready = True
                notify("READY=1")
            notify(f"STATUS={line.busy} steps under way")
            if self._once and not chores.pending and await self._is_idle(bench, line):
                return

    async def _is_idle(self, bench: Bench, line: Line) -> bool:
        quiet = all(lookout.is_quiet for lookout in self._lookouts) and not line.busy
        if not quiet or self._dispatch.is_set():
            return False
        active = await bench.clerk(bench.ledger.active, at=clock.now(), roots=set(bench.spools))
        return active == 0 and not self._dispatch.is_set()


async def run(daemon: Daemon) -> None:
    """Run a daemon until it is done or told to stop by SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.look)
    await daemon.run()
