"""Bringing jobs back to work: one that a person names, and those that the retry sweep finds."""

import asyncio
from dataclasses import asdict, replace
from functools import partial

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.following import tell_shared
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.porter import bring_in
from runway_watch.daemon.releasing import release
from runway_watch.decide import may_sweep
from runway_watch.errors import RunwayWatchError, SpoolError
from runway_watch.job import Job, Place, State
from runway_watch.log import say
from runway_watch.records import error as error_record
from runway_watch.reviving import Revived, resume, revive
from runway_watch.settle import Sight
from runway_watch.spool import ERROR, Spool
from runway_watch.stages.admit import Judged
from runway_watch.stages.again import judge_again, sights_of
from runway_watch.stages.desk import Desk, Waits
from runway_watch.stages.presets import defaults


async def sweep(bench: Bench) -> int:
    """Bring failed jobs back that may work now, or that a person has mended. Returns how many."""
    back = 0
    for job in await bench.clerk(bench.ledger.failed):
        if job.root in bench.keeper.there:
            work = partial(_sweep_one, bench, job)
            back += await guarded(work, instead=lambda _: False, job=job.id, path=job.path)
    if back:
        say("sweep.finished", jobs=back)
    return back


async def _sweep_one(bench: Bench, job: Job) -> bool:
    """Whether a job goes on. Trouble with one, such as a broken folder default, stops no other."""
    found = await bench.clerk(bench.ledger.job, job.id)
    if found is None or found[0] != job:
        return False  # somebody was faster, while those before it were looked at
    try:
        if await _is_mended(bench, job):
            return await _bring_back(bench, replace(job, sweeps=0))
        if may_sweep(job, sweeps=bench.settings.retry.sweeps):
            return await _sweep_back(bench, replace(job, sweeps=job.sweeps + 1))
    except RunwayWatchError as error:
        say("sweep.refused", level="warning", job=job.id, path=job.path, message=str(error))
    return False


async def retry(bench: Bench, job_id: str) -> bool:
    """Put a failed or held job back to work. Returns whether it goes on."""
    found = await bench.clerk(bench.ledger.job, job_id)
    if found is None or found[0].root not in bench.spools:
        return False
    job, calls = found
    if job.root in bench.keeper.away:
        raise SpoolError(bench.keeper.away[job.root])
    if any(call.state is State.HELD for call in calls):  # others of it may still be at work
        async with bench.lock(job.root):
            await release(bench, job)
        return True
    return job.state in (State.FAILED, State.CANCELLED) and await _bring_back(bench, job)


async def _sweep_back(bench: Bench, was: Job) -> bool:
    """Take a job whose files nobody has changed back to work, as it was accepted."""
    spool = bench.spool(was)
    before = await bench.clerk(bench.ledger.calls, was.id)
    async with bench.lock(was.root):
        sights = await spool.hands(sights_of, was, spool=spool)
        if sights is None:
            await bench.clerk(bench.ledger.swept, was)
            return False
        inputs = [replace(item, **asdict(sight)) for item, sight in zip(was.inputs, sights, strict=True)]
        revived = resume(replace(was, inputs=tuple(inputs)), before, at=clock.now(), swept=True)
        await _return(bench, spool, revived, was=was)
    return True


async def _bring_back(bench: Bench, was: Job) -> bool:
    """Look at a failed job's files anew where they lie, and take them back to work if they are good."""
    spool = bench.spool(was)
    before = await bench.clerk(bench.ledger.calls, was.id)
    async with bench.lock(was.root):
        judged = await spool.hands(_judge, bench, spool, was)
        if judged is None:
            await bench.clerk(bench.ledger.swept, was)
            return False
        revived = revive(*judged, was=was, before=before)
        job = revived.job
        if job.verdict is not None:
            await bench.clerk(bench.ledger.judge, was, job.verdict, job.inputs)
            record = error_record(job, before, job.verdict)
            await spool.hands(spool.record, was, ERROR, record, target=False)
            say("job.refused", level="warning", job=was.id, path=was.path, code=job.verdict.code)
            return False
        await _return(bench, spool, revived, was=was)
    return True


async def _return(bench: Bench, spool: Spool, revived: Revived, *, was: Job) -> None:
    job = revived.job
    name = await spool.hands(spool.name_for, job, Place.PROCESSING, job.dropped_as)
    back = replace(revived, job=replace(job, target=Place.PROCESSING, target_name=name))
    now, roots = clock.now(), set(bench.spools)
    job = await bench.clerk(bench.ledger.readmit, back, was=was, at=now, roots=roots)
    tell_shared(job)
    await bring_in(bench, spool, [job])
    log.returned(was, revived.job, revived.calls, now=now)
    bench.wake()


def _judge(bench: Bench, spool: Spool, was: Job) -> Judged | None:
    """What admission says of the files in failed/; None when they are not there or wait for something."""
    layers = defaults(spool, bench.watch_of(was.root), was.folder)
    desk = Desk.at(Place.FAILED, spool, bench.settings, now=clock.now())
    judged = judge_again(was, spool=spool, desk=desk, layers=layers)
    if isinstance(judged, Waits):
        say("job.incomplete", level="warning", job=was.id, path=was.path, message=judged.why)
        return None
    return judged


async def _is_mended(bench: Bench, job: Job) -> bool:
    """Whether a person has changed the contents of a failed job's files, and has finished doing so.

    A new date alone is no mending: backups and viewers touch files, and a job that is paid for again
    needs a person's word.
    """
    spool = bench.spool(job)
    before = await spool.hands(sights_of, job, spool=spool)
    if before is None or not await spool.hands(_differs, spool, job, before):
        return False
    await asyncio.sleep(bench.watch_of(job.root).settle_seconds)
    return await spool.hands(sights_of, job, spool=spool) == before


def _differs(spool: Spool, job: Job, sights: list[Sight]) -> bool:
    touched = [
        item
        for item, sight in zip(job.inputs, sights, strict=True)
        if (sight.size, sight.mtime_ns) != (item.size, item.mtime_ns)
    ]
    return any(spool.digest(job, item) != item.sha256 for item in touched)
