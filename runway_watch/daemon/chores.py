"""What is done regularly beside the dispatcher, which waits for none of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.disks import look_at_disks
from runway_watch.daemon.doubts import add_evidence
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.orders import Stopped, carry_out_orders
from runway_watch.daemon.retrying import sweep
from runway_watch.errors import ConfigError, RunwayWatchError, SpoolError
from runway_watch.log import say
from runway_watch.timetable import Timetable

ORDERS_SECONDS = 0.5
"""People who type a command expect to see it carried out within a second."""

DISKS_SECONDS = 5.0

PRUNE_SECONDS = 86_400.0
UPLOADS_KEPT_SECONDS = 48 * 3600.0
"""Runway forgets an upload after 24 h (docs, assets/uploads); twice that is surely long enough."""


@dataclass(frozen=True, slots=True)
class _Chore:
    """One of them.

    Args:
        work: does it.
        every: how often, in seconds; None where that follows from what has happened.
        wakes: whether the dispatcher is to look at the ledger after it; others wake it where there is need.
        due: set when its time has come.
    """

    work: Callable[[], Awaitable[object]]
    every: float | None = None
    wakes: bool = True
    due: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._chores = {
            "account": _Chore(partial(look_at_account, bench)),
            "disks": _Chore(partial(look_at_disks, bench), DISKS_SECONDS, wakes=False),
            "orders": _Chore(partial(carry_out_orders, bench, stopped), ORDERS_SECONDS, wakes=False),
            "prune": _Chore(partial(_prune, bench), PRUNE_SECONDS),
            "sweep": _Chore(partial(sweep, bench), bench.settings.retry.sweep_seconds),
        }
        self._doing: set[str] = set()
        for name in ("account", "orders"):  # holds of the last run may be over by now
            self._chores[name].due.set()

    @property
    def pending(self) -> bool:
        """Whether a chore is due or under way."""
        return bool(self._doing) or any(chore.due.is_set() for chore in self._chores.values())

    def plan(self) -> None:
        """Set the moment of the next look at the account: it follows from what has happened."""
        if "account" not in self._doing:
            self._timetable.at(self._bench.lessons.next_look(), "account", self._chores["account"].due.set)

    async def run(self) -> None:
        """Do chores until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, chore in self._chores.items():
                if chore.every is not None:
                    self._timetable.every(chore.every, name, chore.due.set)
                group.create_task(self._again_and_again(name, chore))

    async def _again_and_again(self, name: str, chore: _Chore) -> None:
        first = True
        while True:
            await chore.due.wait()
            chore.due.clear()
            self._doing.add(name)
            await self._try(name, chore)
            self._doing.discard(name)
            if first or chore.wakes:
                self._bench.wake()
            first = False

    async def _try(self, name: str, chore: _Chore) -> None:
        try:
            await guarded(chore.work, instead=lambda _: None, chore=name)
        except RunwayWatchError as error:
            say("chore.refused", level="error", chore=name, message=str(error))


async def look_at_account(bench: Bench) -> None:
    """Ask Runway for balance and limits, with the key as it is configured now."""
    try:
        key = await bench.read_key()
        if key is not None:
            bench.api.use(key)
    except (ConfigError, SpoolError) as error:
        say("account.unknown", level="warning", message=f"the key cannot be read: {error}")
    bench.lessons.wants_account = False
    await bench.lessons.asked(await bench.account.refresh())
    await add_evidence(bench)


async def _prune(bench: Bench) -> None:
    await bench.clerk(bench.ledger.prune, before=clock.now() - UPLOADS_KEPT_SECONDS)
