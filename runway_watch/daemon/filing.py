"""The end of a job: choose a name, commit it, move the files, write the record, commit the end.

From the moment that the name is committed a crash can only make the same moves again, which is harmless.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.doubts import post_record
from runway_watch.daemon.moves import insist
from runway_watch.decide import Move, decide, verdict_of
from runway_watch.errors import SpoolError
from runway_watch.job import Done, Generation, Job, Later, Outcome, Place, State
from runway_watch.spool import Spool
from runway_watch.stages.retire import OUTPUT_GONE, endings, retire
from runway_watch.stages.trouble import SHARE, folder_trouble

_NAMES_TRIED = 1000

_COMING_IN = Later("share", "its files are still on their way to processing/", after=5.0, counts=False)
"""Files that are taken somewhere else before all of them have come in would be torn apart."""


async def file_away(bench: Bench, job: Job) -> None:
    """File a job all of whose generations have ended. Trouble leaves it `retiring`, due again later."""
    async with bench.lock(job.root):
        found = await bench.clerk(bench.ledger.job, job.id)
        if found is not None and found[0].state is State.HELD:  # nothing else of it goes on any more
            await post_record(bench, found[0])
        if found is None or found[0].state is not State.RETIRING:
            return
        job, calls = found
        if job.target is Place.PROCESSING:
            await _postpone(bench, job, calls, _COMING_IN)
            return
        job, outcome = await _move(bench, replace(job, verdict=verdict_of(job, calls)), calls)
        if isinstance(outcome, Later) and outcome.reason == OUTPUT_GONE:
            await _fetch_again(bench, job, calls)
            return
        if isinstance(outcome, Later):
            if outcome.reason == SHARE:
                bench.suspicion(job.root).set()
            await _postpone(bench, job, calls, outcome)
            return
        is_free = not any(call.tries for call in calls)  # then to drop it again costs nobody anything twice
        told = is_free or (isinstance(outcome, Done) and not outcome.facts["missing"])
        over = await bench.clerk.insist(bench.ledger.retire, job, calls, at=clock.now(), told=told)
    log.ending(over, calls, was=State.RETIRING)


async def _move(bench: Bench, job: Job, calls: Sequence[Generation]) -> tuple[Job, Outcome]:
    """Take the files to where they belong, under the first name that turns out to be free."""
    spool = bench.spool(job)
    for tried in range(_NAMES_TRIED):
        try:
            job = await _aim(bench, job, calls, after=tried)
            outcome = await spool.hands(retire, job, calls, spool=spool, at=clock.now())
        except SpoolError as error:
            return job, folder_trouble(error)
        if not (isinstance(outcome, Later) and outcome.reason == "name_taken"):
            return job, outcome
        job = replace(job, target=None)
    return job, Later("name_taken", "every name is taken")


async def _aim(bench: Bench, job: Job, calls: Sequence[Generation], *, after: int) -> Job:
    """Choose where the files go, unless that has been committed before."""
    target = Place.FAILED if job.verdict else Place.DONE
    if job.target is target:
        return job
    outputs = endings(calls) if target is Place.DONE else {}
    spool = bench.spool(job)
    name = await spool.hands(spool.name_for, job, target, job.dropped_as, outputs=outputs, after=after)
    return await bench.clerk.insist(bench.ledger.aim, job, target=target, name=name)


async def _postpone(bench: Bench, job: Job, calls: Sequence[Generation], later: Later) -> None:
    now, retry = clock.now(), bench.settings.retry
    await insist(bench, [(job, c, decide(c, later, retry=retry, now=now, jitter=0.0)) for c in calls])


async def _fetch_again(bench: Bench, job: Job, calls: Sequence[Generation]) -> None:
    """Let what has vanished be fetched again. The files are back where they were, and are aimed at nothing:
    what is fetched may turn out to be gone at Runway too, and then the job begins anew."""
    try:
        lost = await bench.spool(job).hands(_lost, bench.spool(job), job, calls)
    except SpoolError as error:
        await _postpone(bench, job, calls, folder_trouble(error))
        return
    job = await bench.clerk.insist(bench.ledger.aim, job, target=None, name=None)
    again = Move("recollect", {"outputs": (), "due_at": clock.now()})
    await insist(bench, [(job, call, again) for call in lost])


def _lost(spool: Spool, job: Job, calls: Sequence[Generation]) -> list[Generation]:
    """Those one of whose outputs is not there; all, where it came back meanwhile. Raises SpoolError."""
    some = [call for call in calls if call.outputs]
    look = partial(spool.look, Place.PROCESSING, job.folder)
    return [call for call in some if any(look(output.staged) is None for output in call.outputs)] or some
