"""The daemon, and beside it a task that finds out for how long the event loop was kept from it.

    python benchmarks/beside.py TOLD run --config FILE

Every 5 ms it wants to be woken. Into the file TOLD it writes, twice a second, how often it was late by more
than 50 ms, and by how many ms at most; who empties the file lets it begin anew.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from runway_watch.cli import app
from runway_watch.daemon.daemon import Daemon

EVERY, TOO_LATE, TELL = 0.005, 0.05, 0.5


@dataclass
class Lateness:
    """How late the loop has been."""

    told: Path
    often: int = 0
    most: float = 0.0

    async def watch(self) -> None:
        """Until cancelled."""
        told_at = 0.0
        while True:
            wanted = time.monotonic() + EVERY
            await asyncio.sleep(EVERY)
            late = time.monotonic() - wanted
            self.often, self.most = self.often + (late > TOO_LATE), max(self.most, late)
            if wanted > told_at + TELL:
                told_at = wanted
                self.tell()

    def tell(self) -> None:
        """Write it down, unless it is to begin anew."""
        if self.told.exists() and not self.told.read_text():
            self.often, self.most = 0, 0.0
        self.told.write_text(f"{self.often} {1000 * self.most:.0f}")


def main() -> None:
    """Run the command line with a daemon that is watched."""
    run, lateness = Daemon.run, Lateness(Path(sys.argv[1]))

    async def watched(self: Daemon) -> None:
        watching = asyncio.create_task(lateness.watch())
        try:
            await run(self)
        finally:
            watching.cancel()

    Daemon.run = watched  # type: ignore[method-assign] # the only way in from the command line
    app(sys.argv[2:])


if __name__ == "__main__":
    main()
