"""The same drop twice: who comes second waits for the result of the first, and pays nothing.

The ledger says who follows whom, when it writes a job down. Here is what becomes of it.
"""

from dataclasses import replace

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.moves import Planned, commit
from runway_watch.decide import NO_REASON, Move, fail
from runway_watch.job import Job, State
from runway_watch.log import say
from runway_watch.stages.share import shares_failure


def tell_shared(job: Job) -> None:
    """Log whose result a job is to share, after that was committed."""
    if job.state is State.READY and job.duplicate_of is not None:
        message = f"the same drop as {job.duplicate_of}: shares its result"
        say("job.shared", job=job.id, path=job.path, message=message)


async def share_results(bench: Bench, now: float) -> None:
    """Let go on what has waited for long enough: with the other job's end, which costs nothing, or alone."""
    roots, moves = set(bench.spools), list[Planned]()
    for job, call, leader in await bench.clerk(bench.ledger.followers, roots=roots):
        move = _shared(job, leader, now) if leader.root in roots else None
        if move is not None:
            moves.append((job, call, move))
        else:
            await bench.clerk(bench.ledger.go_alone, job, at=max(now, call.due_at), roots=roots)
    await commit(bench, moves)


def _shared(job: Job, leader: Job, now: float) -> Move | None:
    """How a job ends as another one did; None when it has to run for itself."""
    if leader.wish != job.wish:
        return None
    if leader.state is State.DONE:
        return Move("duplicate", {"due_at": now, **NO_REASON})
    verdict = shares_failure(leader)
    if verdict is None:
        return None
    same = replace(verdict, message=f"The same drop failed as {leader.id}: {verdict.message}")
    return fail(same, now=now)
