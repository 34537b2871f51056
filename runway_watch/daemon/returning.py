"""Drops that were here before: moved back by a person, ordered back by one, or swept back.

Such a job keeps its identity: its history goes on, what it cost is kept, and what was paid for and
finished is fetched instead of paid for again.
"""

import asyncio

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.decide import revive
from runway_watch.job import Generation, Job, Place, State
from runway_watch.spool import ERROR, HELD, Spool

_MAY_RETURN = (State.FAILED, State.CANCELLED, State.HELD)


async def write_down(bench: Bench, spool: Spool, admitted: list[tuple[Job, Generation]]) -> list[Job]:
    """Commit admitted jobs; those whose files were here before under their old identity."""
    new: list[tuple[Job, list[Generation]]] = []
    returned: list[Job] = []
    for job, call in admitted:
        was = await _earlier(bench, spool, job)
        if was is None:
            new.append((job, [call]))
        else:
            returned.append(await _readmit(bench, spool, job, call, was=was))
    if new:
        await bench.clerk(bench.ledger.admit, new)
    return [job for job, _ in new] + returned


async def _readmit(bench: Bench, spool: Spool, job: Job, call: Generation, *, was: Job) -> Job:
    before = (await bench.clerk(bench.ledger.calls, was.id))[0]
    job, call = revive(job, call, was=was, before=before)
    await bench.clerk(bench.ledger.readmit, job, call, was=was, at=clock.now())
    record = HELD if was.state is State.HELD else ERROR
    await asyncio.to_thread(spool.withdraw, was, record, place=was.place, name=was.name)
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
