"""Commits moves through the state table, and tells of each after its commit."""

from collections.abc import Sequence

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.decide import Move
from runway_watch.job import Generation, Job

Planned = tuple[Job, Generation, Move]


async def commit(bench: Bench, moves: Sequence[Planned]) -> list[Generation]:
    """Write down what is about to be done, all or none. Raises LedgerError: nothing has happened yet."""
    if not moves:
        return []
    now = clock.now()
    moved = await bench.clerk(bench.ledger.move, [(call, move) for _, call, move in moves], at=now)
    _tell(moves, moved, now)
    return moved


async def insist(bench: Bench, moves: Sequence[Planned]) -> list[Generation]:
    """Write down what has happened: the ledger has to take it, however long that takes. Raises LostUpdate."""
    if not moves:
        return []
    now = clock.now()
    moved = await bench.clerk.insist(bench.ledger.move, [(call, move) for _, call, move in moves], at=now)
    _tell(moves, moved, now)
    return moved


def _tell(moves: Sequence[Planned], moved: Sequence[Generation], now: float) -> None:
    for (job, before, move), after in zip(moves, moved, strict=True):
        log.transition(job, before, after, event=move.event, now=now)
