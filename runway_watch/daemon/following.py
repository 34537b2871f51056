"""The same drop twice: who comes second waits for the result of the first, and pays nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.moves import Planned, commit
from runway_watch.decide import Move
from runway_watch.job import Job, State
from runway_watch.log import say
from runway_watch.stages.share import shares_failure

_BEGIN = {"reason": None, "message": None}


async def follow(bench: Bench, jobs: Sequence[Job], earlier: Mapping[str, Job]) -> list[Job]:
    """Name for each new job the one whose result it is to share, if there is one and it is not forced.

    Args:
        jobs: as they were judged, the first first.
        earlier: the old selves of those that were here before, by the new id; nobody follows himself.
    """
    found: list[Job] = []
    leaders: dict[str, str] = {}  # within this batch
    for job in jobs:
        own = earlier[job.id].id if job.id in earlier else job.id
        leader = None if job.options.get("force") or job.verdict is not None else leaders.get(job.wish)
        if leader is None and job.wish and not job.options.get("force"):
            like = await bench.clerk(bench.ledger.like, job.wish, but=own)
            leader = like.id if like is not None else None
        if leader is None:
            leaders.setdefault(job.wish, own)
        else:
            say("job.shared", job=own, path=job.path, message=f"the same drop as {leader}: shares its result")
        found.append(replace(job, duplicate_of=leader))
    return found


async def share_results(bench: Bench, now: float) -> None:
    """Let go on what waited for the result of another job that has ended; it costs nothing."""
    moves: list[Planned] = []
    for job, call, leader in await bench.clerk(bench.ledger.followers):
        verdict = shares_failure(leader)
        if leader.state is State.DONE:
            moves.append((job, call, Move("duplicate", {"due_at": now} | _BEGIN)))
        elif verdict is not None:
            same = replace(verdict, message=f"The same drop failed as {leader.id}: {verdict.message}")
            moves.append((job, call, Move("fail", {"verdict": same, "due_at": now} | _BEGIN)))
        else:
            await bench.clerk(bench.ledger.go_alone, job)
    await commit(bench, moves)
