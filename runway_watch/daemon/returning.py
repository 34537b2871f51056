"""Drops that were here before: moved back by a person, ordered back by one, or swept back.

Such a job keeps its identity: its history goes on, what it cost is kept, and what was paid for and
finished is fetched instead of paid for again.
"""

import asyncio
from collections.abc import Mapping

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.decide import revive
from runway_watch.job import Generation, Job, Place, State
from runway_watch.spool import ERROR, HELD, Spool

_MAY_RETURN = (State.FAILED, State.CANCELLED, State.HELD)


async def were_here(bench: Bench, spool: Spool, jobs: list[Job]) -> Mapping[str, Job]:
    """Which of these were here before: their old selves, by the new id.

    The records of those no longer hold and go away, which also makes their names free again. It is done
    before anything is committed: should the daemon die now, the files in the inbox are simply found anew.
    """
    found: dict[str, Job] = {}
    for job in jobs:
        was = await _earlier(bench, spool, job)
        if was is not None and was.id not in {other.id for other in found.values()}:
            found[job.id] = was
            record = HELD if was.state is State.HELD else ERROR
            await asyncio.to_thread(spool.withdraw, was, record, place=was.place, name=was.name)
    return found


async def write_down(
    bench: Bench, admitted: list[tuple[Job, Generation]], earlier: Mapping[str, Job]
) -> list[Job]:
    """Commit admitted jobs; those whose files were here before under their old identity."""
    new = [(job, [call]) for job, call in admitted if job.id not in earlier]
    back = [(job, call) for job, call in admitted if job.id in earlier]
    returned = [await _readmit(bench, job, call, was=earlier[job.id]) for job, call in back]
    if new:
        await bench.clerk(bench.ledger.admit, new)
    return [job for job, _ in new] + returned


async def _readmit(bench: Bench, job: Job, call: Generation, *, was: Job) -> Job:
    before = (await bench.clerk(bench.ledger.calls, was.id))[0]
    job, call = revive(job, call, was=was, before=before)
    await bench.clerk(bench.ledger.readmit, job, call, was=was, at=clock.now())
    return job


async def _earlier(bench: Bench, spool: Spool, job: Job) -> Job | None:
    """The job whose files these were: it is over or held, and its files have left their place."""
    called = await bench.clerk(bench.ledger.called, root=job.root, folder=job.folder, name=job.name)
    for was in called:
        if (
            was.state in _MAY_RETURN
            and was.place is not Place.DONE
            and not spool.present(was, was.place, was.name)
        ):
            return was
    return None
