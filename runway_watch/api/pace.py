"""Ends a transfer that is too slow, however steadily it drips; a read timeout never does.

A transfer has `grace` seconds in hand. Time uses them up, bytes at `rate` earn them back, and there are
never more than `grace`: one that keeps the rate lasts as long as it needs, one that stalls ends soon.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """The least speed. The figures are ours: 20 kB/s moves 200 MB in under three hours."""

    grace: float = 60.0  # seconds
    rate: float = 20_000.0  # bytes per second


class Pace:
    """The account of one transfer; made by `paced`."""

    def __init__(self, scope: asyncio.Timeout, pacing: Pacing) -> None:
        self._scope = scope
        self._pacing = pacing

    def moved(self, count: int) -> None:
        """Says that `count` more bytes have gone through."""
        full = asyncio.get_running_loop().time() + self._pacing.grace
        earned = (self._scope.when() or 0.0) + count / self._pacing.rate
        if not self._scope.expired():
            self._scope.reschedule(min(full, earned))


@asynccontextmanager
async def paced(pacing: Pacing) -> AsyncIterator[Pace]:
    """Within it, TimeoutError is raised as soon as the time in hand is used up."""
    async with asyncio.timeout(pacing.grace) as scope:
        yield Pace(scope, pacing)
