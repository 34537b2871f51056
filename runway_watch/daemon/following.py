"""The same drop twice: who comes second waits for the result of the first, and pays nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runway_watch.daemon.bench import Bench
from runway_watch.job import Job
from runway_watch.log import say


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
