"""What is done regularly beside the dispatcher, which waits for none of it."""

import asyncio
from collections.abc import Callable
from functools import partial

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.people import carry_out_orders, sweep
from runway_watch.errors import RunwayWatchError
from runway_watch.log import say
from runway_watch.timetable import Timetable

ORDERS_SECONDS = 0.5
"""People who type a command expect to see it carried out within a second."""

ACCOUNT_SECONDS = 300.0
PRUNE_SECONDS = 86_400.0
UPLOADS_KEPT_SECONDS = 48 * 3600.0
"""Runway forgets an upload after 24 h (docs, assets/uploads); twice that is surely long enough."""


class Chores:
    """Runs each chore when its time has come, one at a time.

    Args:
        bench: the daemon's tools.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._due = {"account", "orders"}
        self._wake = asyncio.Event()
        self._wake.set()

    @property
    def pending(self) -> bool:
        """Whether a chore is due or under way."""
        return bool(self._due)

    def set_times(self, timetable: Timetable) -> None:
        """Have every chore done regularly from now on."""
        timetable.every(ORDERS_SECONDS, "orders", self._ring("orders"))
        timetable.every(self._bench.settings.retry.sweep_seconds, "sweep", self._ring("sweep"))
        timetable.every(ACCOUNT_SECONDS, "account", self._ring("account"))
        timetable.every(PRUNE_SECONDS, "prune", self._ring("prune"))

    async def run(self) -> None:
        """Do chores until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due = sorted(self._due)
            for name in due:
                await self._try(name)
                self._due.discard(name)
            if due != ["orders"]:  # that one wakes the dispatcher itself, where there was an order
                self._bench.wake()

    def _ring(self, name: str) -> Callable[[], None]:
        def due() -> None:
            self._due.add(name)
            self._wake.set()

        return due

    async def _try(self, name: str) -> None:
        try:
            await guarded(partial(self._do, name), instead=lambda _: None, chore=name)
        except RunwayWatchError as error:
            say("chore.refused", level="error", chore=name, message=str(error))

    async def _do(self, name: str) -> None:
        bench = self._bench
        match name:
            case "orders":
                await carry_out_orders(bench)
            case "sweep":
                await sweep(bench)
            case "account":
                await bench.account.refresh()
            case "prune":
                await bench.clerk(bench.ledger.prune, before=clock.now() - UPLOADS_KEPT_SECONDS)
