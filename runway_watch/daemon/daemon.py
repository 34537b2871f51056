"""The daemon's life: take the lock, then work, one shift after another: a new one begins with new settings.

The lock is held from the first shift to the last, so that a reload lets no second daemon in.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from threading import Thread

from pydantic import SecretStr

from runway_watch import __version__, clock, log, mounts
from runway_watch.api import Api, Courier
from runway_watch.config import Settings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.orders import carry_out_orders
from runway_watch.daemon.rebuilding import open_ledger
from runway_watch.daemon.reloading import changes, kept
from runway_watch.daemon.sentry import look_once
from runway_watch.daemon.shift import HAND_OVER_SECONDS, LEDGER_STOP_SECONDS, STOP_SECONDS, Shift
from runway_watch.errors import ConfigError, LedgerError, RunwayWatchError, SpoolError
from runway_watch.hands import within
from runway_watch.ledger import Ledger, Lock, file_of
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.spool import Spool

KEY_SECONDS = 5.0
"""How long the place where the key is configured may take to answer: it may be on a share."""


class Daemon:
    """One daemon on one ledger.

    Args:
        settings: the configuration.
        read_key: looks for the API key where it is configured, at the start and whenever it was refused.
        ledger_url: where the ledger is.
        lock_path: the file that keeps a second daemon away.
        once: stop as soon as nothing can go on by itself.
        reread: reads the configuration anew, for a reload; ConfigError when it cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_key: Callable[[Settings], SecretStr | None],
        ledger_url: str,
        lock_path: Path,
        once: bool = False,
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        self._settings = settings
        self._read_key = read_key
        self._ledger_url = ledger_url
        self._lock_path = lock_path
        self._once = once
        self._reread = reread or (lambda: settings)
        self._stops = False
        self._hung_up = asyncio.Event()
        self._dispatch = asyncio.Event()
        self._spools: dict[Path, Spool] = {}
        self._shift: Shift | None = None
        self._broken: BaseException | None = None
        self.has_trouble = False
        """After `run`: whether something failed since it began, or cannot go on without a person."""

    def stop(self) -> None:
        """Stop at the next opportunity. May be called from a signal handler."""
        if not self._stops:
            self._stops = True
            notify("STOPPING=1")
            say("daemon.stopping", in_flight=self._shift.busy if self._shift is not None else 0)
        self._end_shift()

    def reload(self) -> None:
        """Read the configuration anew, and look at every inbox. May be called from a signal handler."""
        self._hung_up.set()

    async def run(self) -> None:
        """Work until `stop`, or with `once` until nothing can go on.

        Raises:
            LedgerLocked: another daemon has the ledger.
            LedgerError: it cannot be used.
            RunwayWatchError: a part of the daemon broke; it has stopped, and has to be started again.
        """
        lock = Lock(self._lock_path, {"pid": os.getpid(), "since": clock.now(), "version": __version__})
        reloading = asyncio.create_task(self._heed())
        try:
            settings = None
            while settings is not self._settings and not self._stops:
                settings = self._settings
                await self._work()
        finally:
            self.stop()
            reloading.cancel()
            lock.release()
            say("daemon.stopped")
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

    async def _work(self) -> None:
        """One shift."""
        async with AsyncExitStack() as stack:
            bench = await self._open(stack, open_ledger)
            if self._shift is None:
                say("daemon.started", message=f"runway-watch {__version__}", pid=os.getpid())
            self._dispatch.set()
            self._shift = Shift(bench, self._dispatch, self._break, once=self._once)
            if self._stops or bench.settings is not self._settings:  # said while there was no shift to hear
                self._end_shift()
            await self._shift.run()
            self.has_trouble |= self._shift.has_trouble

    async def _open(self, stack: AsyncExitStack, opening: Callable[[str], Ledger] = Ledger) -> Bench:
        """Only the daemon itself opens a ledger that may be broken: an order would be lost with it."""
        settings, file = self._settings, file_of(self._ledger_url)
        _refuse_network(file)
        ledger = stack.enter_context(opening(self._ledger_url))
        clerk = Clerk(ledger, self._break)
        stack.callback(_close, clerk)
        read_key = partial(self._key, settings)
        api = await stack.enter_async_context(Api(base_url=settings.api.base_url, key=await read_key()))
        courier = await stack.enter_async_context(Courier(allow_http=settings.api.is_loopback))
        bench = Bench.furnished(
            settings,
            ledger=ledger,
            clerk=clerk,
            api=api,
            courier=courier,
            spools={str(watch.root): self._spool(watch.root) for watch in settings.watch},
            wake=self._dispatch.set,
            ledger_file=file,
            read_key=read_key,
        )
        await bench.keeper.load()
        return bench

    async def _key(self, settings: Settings) -> SecretStr | None:
        """The key as it is configured. Raises ConfigError (it is none) or SpoolError (no answer)."""
        return await asyncio.to_thread(within, KEY_SECONDS, self._read_key, settings)

    def _spool(self, root: Path) -> Spool:
        """A root's spool, the same in every shift: calls that hang are waited for by the next one too."""
        return self._spools.setdefault(root, Spool(root))

    def _break(self, error: BaseException) -> None:
        if self._broken is None:
            self._broken = error
            say("daemon.broken", level="error", exc_info=error)
            self.stop()

    def _end_shift(self, *, within: float = STOP_SECONDS) -> None:
        if self._shift is not None:
            self._shift.stop(within=within)

    # -- reloading -------------------------------------------------------------------------------------

    async def _heed(self) -> None:
        """Reload whenever it is asked for, until cancelled."""
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            await self._reload()

    async def _reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={round(clock.monotonic() * 1e6)}")
        try:
            read = await asyncio.to_thread(self._reread)
            await self._key(read)
        except (ConfigError, SpoolError) as error:
            say("config.refused", level="error", message=f"the old one stays: {error}")
            read = self._settings
        settings = kept(self._settings, read)
        if left := changes(settings, read):
            say("config.unchanged", level="warning", message=f"{', '.join(left)}: needs a restart")
        if changed := changes(self._settings, settings):
            say("config.reloaded", message=f"changed: {', '.join(changed)}")
            log.set_up(settings.log)
            self._settings = settings
            self._end_shift(within=HAND_OVER_SECONDS)
        elif self._shift is not None:
            self._shift.look()
            notify("READY=1")


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
    """Run a daemon until it is done or told to stop by SIGTERM or SIGINT; SIGHUP has it reload."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()
