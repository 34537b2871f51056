"""What is done regularly beside the dispatcher, which waits for none of it."""

import asyncio
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
ACCOUNT_SOON_SECONDS = 15.0
"""Until Runway has answered once, one generation runs at a time, whatever the account allows."""

PRUNE_SECONDS = 86_400.0
UPLOADS_KEPT_SECONDS = 48 * 3600.0
"""Runway forgets an upload after 24 h (docs, assets/uploads); twice that is surely long enough."""


class Chores:
    """Runs each chore when its time has come. None waits for another, however long that takes.

    Args:
        bench: the daemon's tools.
        timetable: says when their times have come.
    """

    def __init__(self, bench: Bench, timetable: Timetable) -> None:
        self._bench = bench
        self._timetable = timetable
        self._due = {name: asyncio.Event() for name in ("account", "orders", "prune", "sweep")}
        self._doing: set[str] = set()
        for name in ("account", "orders"):
            self._due[name].set()

    @property
    def pending(self) -> bool:
        """Whether a chore is due or under way."""
        return bool(self._doing) or any(due.is_set() for due in self._due.values())

    async def run(self) -> None:
        """Do chores until cancelled."""
        every = self._timetable.every
        every(ORDERS_SECONDS, "orders", self._due["orders"].set)
        every(self._bench.settings.retry.sweep_seconds, "sweep", self._due["sweep"].set)
        every(ACCOUNT_SECONDS, "account", self._due["account"].set)
        every(PRUNE_SECONDS, "prune", self._due["prune"].set)
        async with asyncio.TaskGroup() as group:
            for name in self._due:
                group.create_task(self._again_and_again(name))

    async def _again_and_again(self, name: str) -> None:
        first = True
        while True:
            await self._due[name].wait()
            self._due[name].clear()
            self._doing.add(name)
            await self._try(name)
            self._doing.discard(name)
            if first or name != "orders":  # those wake the dispatcher themselves, where there was one
                self._bench.wake()
            first = False

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
                if not bench.account.is_known:
                    soon = clock.now() + ACCOUNT_SOON_SECONDS
                    self._timetable.at(soon, "account soon", self._due["account"].set)
            case "prune":
                await bench.clerk(bench.ledger.prune, before=clock.now() - UPLOADS_KEPT_SECONDS)
