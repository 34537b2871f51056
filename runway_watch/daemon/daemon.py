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

from pydantic import SecretStr

from runway_watch import __version__, clock
from runway_watch.api import Api, Courier
from runway_watch.config import Settings
from runway_watch.daemon.account import Account
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.inbox import Inbox
from runway_watch.daemon.line import Line
from runway_watch.daemon.people import carry_out_orders, sweep
from runway_watch.daemon.recovery import recover
from runway_watch.errors import LedgerError, SpoolError
from runway_watch.ledger import Ledger, Lock
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.spool import Spool
from runway_watch.timetable import Timetable
from runway_watch.watcher import Watcher

ACCOUNT_SECONDS = 300.0
ORDERS_SECONDS = 0.5
PRUNE_SECONDS = 86_400.0
STOP_SECONDS = 20.0
"""How long steps may take to reach their next commit; systemd is told to allow 30 s in all."""

SHORTEST_SCAN_PAUSE = 0.2
"""Seconds between two scans, so that a stream of events does not become a stream of scans."""

UPLOADS_KEPT_SECONDS = 48 * 3600.0


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
        self._stopping = asyncio.Event()
        self._dispatch = asyncio.Event()
        self._chores: set[str] = set()
        self._settling: dict[str, float | None] = {}
        self._hints: dict[str, asyncio.Event] = {}
        self._began = clock.now()
        self.has_trouble = False
        """After `run`: whether something failed since it began, or cannot go on without a person."""

    def stop(self) -> None:
        """Stop at the next opportunity. May be called from a signal handler."""
        self._stopping.set()
        self._dispatch.set()

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
        clerk = Clerk()
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
        line, timetable = Line(bench), Timetable()
        await recover(bench)
        await bench.account.refresh()
        inboxes = [Inbox(bench, watch, bench.spools[str(watch.root)]) for watch in self._settings.watch]
        watchers = [self._listen(inbox) for inbox in inboxes]
        self._set_times(timetable)
        timetable.start()
        scans = [asyncio.create_task(self._scan(inbox, timetable)) for inbox in inboxes]
        try:
            await self._loop(bench, line, timetable)
        finally:
            notify("STOPPING=1")
            say("daemon.stopping", in_flight=line.busy)
            timetable.stop()
            for scan in scans:
                scan.cancel()
            await asyncio.gather(*scans, return_exceptions=True)
            await line.finish(STOP_SECONDS)
            self.has_trouble = await bench.clerk(bench.ledger.troubles, since=self._began) > 0
            await asyncio.to_thread(_stop_all, watchers)
            say("daemon.stopped")

    async def _loop(self, bench: Bench, line: Line, timetable: Timetable) -> None:
        ready = False
        while not self._stopping.is_set():
            await self._dispatch.wait()
            self._dispatch.clear()
            if self._stopping.is_set():
                return
            try:
                await self._do_chores(bench)
                due = await line.turn()
            except LedgerError as error:
                say("ledger.refused", level="error", message=str(error))
                due = clock.now() + 5.0
            timetable.at(due, "dispatch", self._dispatch.set)
            if not ready and len(self._settling) == len(self._hints):
                ready = True
                notify("READY=1")
            notify(f"STATUS={line.busy} steps under way")
            if self._once and await self._is_idle(bench, line):
                return

    async def _is_idle(self, bench: Bench, line: Line) -> bool:
        if line.busy or self._dispatch.is_set() or any(hint.is_set() for hint in self._hints.values()):
            return False
        looked = len(self._settling) == len(self._hints)
        settling = any(pause is not None for pause in self._settling.values())
        return looked and not settling and await bench.clerk(bench.ledger.active, at=clock.now()) == 0

    # -- chores ----------------------------------------------------------------------------------------

    def _set_times(self, timetable: Timetable) -> None:
        for name, seconds in (
            ("orders", ORDERS_SECONDS),
            ("sweep", self._settings.retry.sweep_seconds),
            ("account", ACCOUNT_SECONDS),
            ("prune", PRUNE_SECONDS),
        ):
            timetable.every(seconds, name, self._chore(name))
        for watch in self._settings.watch:
            root = str(watch.root)
            timetable.every(watch.scan_seconds, f"scan {root}", self._hints[root].set)

    def _chore(self, name: str) -> Callable[[], None]:
        def due() -> None:
            self._chores.add(name)
            self._dispatch.set()

        return due

    async def _do_chores(self, bench: Bench) -> None:
        chores, self._chores = self._chores, set()
        if "orders" in chores:
            await carry_out_orders(bench)
        if "sweep" in chores:
            await sweep(bench)
        if "account" in chores:
            await bench.account.refresh()
        if "prune" in chores:
            await bench.clerk(bench.ledger.prune, before=clock.now() - UPLOADS_KEPT_SECONDS)

    # -- scans -----------------------------------------------------------------------------------------

    def _listen(self, inbox: Inbox) -> Watcher:
        root = str(inbox.spool.root)
        hint = self._hints[root] = asyncio.Event()
        hint.set()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(hint.set)

        watcher = Watcher(inbox.spool.inbox, inbox.watch, tell)
        watcher.start()
        return watcher

    async def _scan(self, inbox: Inbox, timetable: Timetable) -> None:
        root = str(inbox.spool.root)
        hint, lost = self._hints[root], False
        while True:
            await hint.wait()
            hint.clear()
            try:
                pause = await inbox.look()
            except (SpoolError, LedgerError) as error:
                if not lost:
                    say("share.lost", level="error", path=root, message=str(error))
                lost, pause = True, None
            else:
                if lost:
                    say("share.returned", path=root)
                lost = False
            self._settling[root] = pause
            soon = None if pause is None else clock.now() + pause
            timetable.at(soon, f"settle {root}", hint.set)
            self._dispatch.set()
            await asyncio.sleep(SHORTEST_SCAN_PAUSE)


async def run(daemon: Daemon) -> None:
    """Run a daemon until it is done or told to stop by SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run()


def _stop_all(watchers: list[Watcher]) -> None:
    for watcher in watchers:
        watcher.stop()
