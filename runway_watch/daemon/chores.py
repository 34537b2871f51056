"""What is done regularly beside the dispatcher, which waits for none of it."""

import asyncio
from functools import partial

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.disks import look_at_disks
from runway_watch.daemon.doubts import add_evidence
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.orders import Stopped, carry_out_orders
from runway_watch.daemon.people import sweep
from runway_watch.errors import ConfigError, RunwayWatchError
from runway_watch.log import say
from runway_watch.timetable import Timetable

ORDERS_SECONDS = 0.5
"""People who type a command expect to see it carried out within a second."""

DISKS_SECONDS = 5.0

PRUNE_SECONDS = 86_400.0
UPLOADS_KEPT_SECONDS = 48 * 3600.0
"""Runway forgets an upload after 24 h (docs, assets/uploads); twice that is surely long enough."""


class Chores:
    """Runs each chore when its time has come. None waits for another, however long that takes.

    Args:
        bench: the daemon's tools.
        timetable: says when their times have come.
        stopped: breaks off what is being done for a job, within a block.
    """

    def __init__(self, bench: Bench, timetable: Timetable, stopped: Stopped) -> None:
        self._bench = bench
        self._timetable = timetable
        self._stopped = stopped
        self._due = {name: asyncio.Event() for name in ("account", "disks", "orders", "prune", "sweep")}
        self._doing: set[str] = set()
        for name in ("account", "orders"):  # holds of the last run may be over by now
            self._due[name].set()

    @property
    def pending(self) -> bool:
        """Whether a chore is due or under way."""
        return bool(self._doing) or any(due.is_set() for due in self._due.values())

    def plan(self) -> None:
        """Set the moment of the next look at the account: it follows from what has happened."""
        if "account" not in self._doing:
            self._timetable.at(self._bench.lessons.next_look(), "account", self._due["account"].set)

    async def run(self) -> None:
        """Do chores until cancelled."""
        every = self._timetable.every
        every(ORDERS_SECONDS, "orders", self._due["orders"].set)
        every(self._bench.settings.retry.sweep_seconds, "sweep", self._due["sweep"].set)
        every(DISKS_SECONDS, "disks", self._due["disks"].set)
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
            if first or name not in (
                "orders",
                "disks",
            ):  # those wake the dispatcher themselves, where there was one
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
                await carry_out_orders(bench, self._stopped)
            case "sweep":
                await sweep(bench)
            case "account":
                await look_at_account(bench)
            case "disks":
                await look_at_disks(bench)
            case "prune":
                await bench.clerk(bench.ledger.prune, before=clock.now() - UPLOADS_KEPT_SECONDS)


async def look_at_account(bench: Bench) -> None:
    """Ask Runway for balance and limits, with the key as it is configured now."""
    try:
        key = bench.read_key()
        if key is not None:
            bench.api.use(key)
    except ConfigError as error:
        say("account.unknown", level="warning", message="; ".join(error.problems))
    bench.lessons.wants_account = False
    await bench.lessons.asked(await bench.account.refresh())
    await add_evidence(bench)
