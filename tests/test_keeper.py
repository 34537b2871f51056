"""The keeper of the holds, with a real ledger and nobody at the other end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from runway_watch import config
from runway_watch.api import Api, Courier
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.keeper import Keeper
from runway_watch.holds import ALL
from runway_watch.job import Hold
from runway_watch.ledger import Ledger
from tests.samples import NOW

NOWHERE = "http://127.0.0.1:9"
OUTAGE = Hold("outage", NOW, ALL, "Runway cannot be reached")


def test_a_hold_that_ends_and_begins_in_one_moment_is_known_as_it_is_written(tmp_path: Path) -> None:
    async def work(keeper: Keeper, ledger: Ledger) -> None:
        await keeper.begin(OUTAGE)
        await asyncio.gather(keeper.end(OUTAGE.name), keeper.begin(replace(OUTAGE, until=NOW + 9)))
        assert [hold.name for hold in keeper.open] == [hold.name for hold in ledger.holds()] == [OUTAGE.name]

    keeping(work, tmp_path)


def test_who_was_blind_in_one_outage_sees_in_the_next(tmp_path: Path) -> None:
    """Else paid requests would be tried in it from the start, though what is free could tell of its end."""

    async def work(keeper: Keeper, _: Ledger) -> None:
        await keeper.begin(OUTAGE)
        keeper.is_blind = True
        sends = [keeper.may_send]
        await keeper.end(OUTAGE.name)
        await keeper.begin(OUTAGE)
        assert [*sends, keeper.may_send] == [True, False]

    keeping(work, tmp_path)


def keeping(work: Callable[[Keeper, Ledger], Awaitable[None]], base: Path) -> None:
    """Do something with a keeper of its own."""
    chosen = config.parse({"watch": [{"root": str(base)}], "api": {"base_url": NOWHERE}}, {})

    async def keep() -> None:
        with Ledger(f"sqlite:///{base}/ledger.sqlite3") as ledger:
            clerk = Clerk(ledger)
            async with (
                Api(base_url=NOWHERE, key="key_" + "0" * 128) as api,
                Courier(allow_http=True) as courier,
            ):
                tools = {"courier": courier, "spools": {}, "wake": lambda: None}
                bench = Bench.furnished(chosen, ledger=ledger, clerk=clerk, api=api, **tools)
                try:
                    await work(bench.keeper, ledger)
                finally:
                    clerk.close()

    asyncio.run(asyncio.wait_for(keep(), 30))
