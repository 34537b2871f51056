"""Whether there will be room: on each share for what is under way, beside the ledger for its growth."""

import asyncio
import shutil
from pathlib import Path

from runway_watch.daemon.bench import Bench
from runway_watch.holds import ALL, Room
from runway_watch.job import Output

LARGEST = "largest_output"
"""The name under which the ledger keeps the size of the largest output so far."""

FIRST_BYTES = 8_000_000
"""What an output is taken for before one was seen: about five seconds of 720p as Runway encodes them."""

SPARE_BYTES = 1_000_000
"""Room for records, and for the ledger's own growth in a night."""


async def look_at_disks(bench: Bench, *returning: str) -> None:
    """Find out how much room there is, and how much may be needed. A share that is away, or in
    trouble, is left out: that is another question."""
    largest = await bench.clerk(bench.ledger.recall, LARGEST) or FIRST_BYTES
    under_way = await bench.clerk(bench.ledger.under_way)
    asked = [
        spool.hands(_look, root, spool.root, SPARE_BYTES + largest * (1 + under_way.get(root, 0)))
        for root, spool in bench.spools.items()
        if root in bench.keeper.there.union(returning)
    ]
    if bench.ledger_file is not None:
        asked.append(asyncio.to_thread(_look, ALL, bench.ledger_file.parent, SPARE_BYTES))
    found = await asyncio.gather(*asked, return_exceptions=True)
    bench.purser.rooms = tuple(room for room in found if isinstance(room, Room))


async def learn_size(bench: Bench, outputs: tuple[Output, ...]) -> None:
    """Remember how large outputs can be."""
    largest = max((output.size for output in outputs), default=0)
    if largest and largest > (await bench.clerk(bench.ledger.recall, LARGEST) or 0):
        await bench.clerk(bench.ledger.remember, LARGEST, largest)


def _look(scope: str, where: Path, needed: int) -> Room:
    return Room(scope, str(where), shutil.disk_usage(where).free, needed)
