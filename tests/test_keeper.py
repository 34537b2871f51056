"""The keeper of the holds, with a real ledger and nobody at the other end."""

import asyncio
from pathlib import Path

from runway_watch import config
from runway_watch.api import Api, Courier
from runway_watch.daemon.bench import Bench
from runway_watch.holds import ALL
from runway_watch.job import Hold
from runway_watch.ledger import Ledger
from tests.one_job import Straight
from tests.samples import NOW

NOWHERE = "http://127.0.0.1:9"
OUTAGE = Hold("outage", NOW, ALL, "Runway cannot be reached")


def test_who_was_blind_in_one_outage_sees_in_the_next(tmp_path: Path) -> None:
    """Else paid requests would be tried in it from the start, though what is free could tell of its end."""
    chosen = config.parse({"watch": [{"root": str(tmp_path)}], "api": {"base_url": NOWHERE}}, {})

    async def work() -> None:
        with Ledger(f"sqlite:///{tmp_path}/ledger.sqlite3") as ledger:
            async with (
                Api(base_url=NOWHERE, key="key_" + "0" * 128) as api,
                Courier(allow_http=True) as courier,
            ):
                tools = {"courier": courier, "spools": {}, "wake": lambda: None}
                keeper = Bench.furnished(
                    chosen, ledger=ledger, clerk=Straight(ledger), api=api, **tools
                ).keeper
                await keeper.begin(OUTAGE)
                keeper.is_blind = True
                sends = [keeper.may_send]
                await keeper.end(OUTAGE.name)
                await keeper.begin(OUTAGE)
                assert [*sends, keeper.may_send] == [True, False]

    asyncio.run(work())
