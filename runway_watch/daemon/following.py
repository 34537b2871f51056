"""The same drop twice: who comes second waits for the result of the first, and pays nothing.

The ledger says who follows whom, when it writes a job down. Here is what becomes of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.moves import Planned, commit
from runway_watch.decide import NO_REASON, Move, fail
from runway_watch.job import Generation, Job, State
from runway_watch.log import say
from runway_watch.stages.share import is_fetched, shared_failure


def tell_shared(job: Job) -> None:
    """Log whose result a job is to share, after that was committed."""
    if job.state is State.READY and job.duplicate_of is not None:
        message = f"the same drop as {job.duplicate_of}: shares its result"
        say("job.shared", job=job.id, path=job.path, message=message)


async def share_results(bench: Bench, now: float) -> None:
    """Let go on what has waited for long enough: with the other job's end, which costs nothing, or alone."""
    roots, moves = set(bench.spools), list[Planned]()
    found: dict[str, list[Generation]] = {}  # the generations of each leader
    alone: dict[str, tuple[Job, Generation]] = {}
    for job, call, leader in await bench.clerk(bench.ledger.followers, roots=roots):
        if leader.id not in found:
            found[leader.id] = await bench.clerk(bench.ledger.calls, leader.id)
        move = _shared(job, call, leader, found[leader.id], now) if leader.root in roots else None
        if move is not None:
            moves.append((job, call, move))
        else:
            alone[job.id] = job, call
    # What is shared in part is fetched first: it needs to know from whom.
    shared = {job.id for job, _, move in moves if move.event == "duplicate"}
    for job, call in (pair for job_id, pair in alone.items() if job_id not in shared):
        if not await _is_sharing(bench, job):
            await bench.clerk(bench.ledger.go_alone, job, at=max(now, call.due_at), roots=roots)
    await commit(bench, moves)


async def _is_sharing(bench: Bench, job: Job) -> bool:
    """Whether another generation of a job is fetching what it shares."""
    calls = await bench.clerk(bench.ledger.calls, job.id)
    return any(call.state is State.COLLECTING and call.task_id is None for call in calls)


def _shared(job: Job, call: Generation, leader: Job, theirs: Sequence[Generation], now: float) -> Move | None:
    """How a generation ends as that of another job did; None when it has to run for itself."""
    same = next((other for other in theirs if other.n == call.n), None)
    if leader.wish != job.wish or same is None:
        return None
    if same.state is State.DONE:
        return Move("duplicate", {"due_at": now, **NO_REASON})
    if is_fetched(same):
        known = {"task_id": same.task_id, "account": same.account, "status": same.status, "charged": 0}
        return Move("duplicate", {"due_at": now, **NO_REASON, **known})
    verdict = shared_failure(same)
    if verdict is None:
        return None
    told = replace(verdict, message=f"The same drop failed as {leader.id}: {verdict.message}")
    return fail(told, now=now)
