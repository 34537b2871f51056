"""The daemon, and beside it a task that finds out for how long the event loop was kept from it.

    python benchmarks/beside.py LATEST run --config FILE

Every 5 ms it wants to be woken. How late it was is written into the file LATEST twice a second: how often by
more than 50 ms, and the most, in milliseconds. The file is emptied to begin anew.
"""

import asyncio
import sys
import time
from pathlib import Path

from runway_watch.cli import app
from runway_watch.daemon import daemon

EVERY = 0.005
TOO_LATE = 0.05


async def watch(told: Path) -> None:
    """Until cancelled."""
    worst, often, wrote = 0.0, 0, 0.0
    while True:
        wanted = time.monotonic() + EVERY
        await asyncio.sleep(EVERY)
        late = time.monotonic() - wanted
        worst, often = max(worst, late), often + (late > TOO_LATE)
        if time.monotonic() > wrote + 0.5:
            if not told.exists() or not told.stat().st_size:
                worst, often = 0.0, 0
            told.write_text(f"{often} {1000 * worst:.0f}")
            wrote = time.monotonic()


async def beside(self: daemon.Daemon) -> None:
    """As `Daemon.run`, with the task beside it."""
    task = asyncio.create_task(watch(Path(sys.argv[1])))
    try:
        await _run(self)
    finally:
        task.cancel()


if __name__ == "__main__":
    _run, daemon.Daemon.run = daemon.Daemon.run, beside  # type: ignore[method-assign]
    app(sys.argv[2:])
