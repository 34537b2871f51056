"""Bringing jobs back to work: one that a person names, and those that the retry sweep finds."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from runway_watch import clock, drops, log
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.following import tell_shared
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.moves import commit
from runway_watch.decide import Move, may_sweep, revive
from runway_watch.drops import Group
from runway_watch.errors import RunwayWatchError
from runway_watch.job import Generation, Job, Place, State
from runway_watch.log import say
from runway_watch.records import error as error_record
from runway_watch.settle import Sight
from runway_watch.spool import ERROR, HELD, Spool
from runway_watch.stages.admit import admit
from runway_watch.stages.desk import Candidate, Desk, Waits
from runway_watch.stages.survey import defaults


async def sweep(bench: Bench) -> int:
    """Bring failed jobs back that may work now, or that a person has mended. Returns how many."""
    back = 0
    for job in await bench.clerk(bench.ledger.failed):
        if job.root in bench.spools:
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
            return await _bring_back(bench, replace(job, sweeps=job.sweeps + 1))
    except RunwayWatchError as error:
        say("sweep.refused", level="warning", job=job.id, path=job.path, message=str(error))
    return False


async def retry(bench: Bench, job_id: str) -> bool:
    """Put a failed or held job back to work. Returns whether it goes on."""
    found = await bench.clerk(bench.ledger.job, job_id)
    if found is None or found[0].root not in bench.spools:
        return False
    job, calls = found
    if job.state is State.HELD:
        async with bench.lock(job.root):
            await _release(bench, job, calls)
        return True
    return job.state in (State.FAILED, State.CANCELLED) and await _bring_back(bench, job)


async def _release(bench: Bench, job: Job, calls: list[Generation]) -> None:
    now = clock.now()
    changes: dict[str, Any] = {
        "due_at": now,
        "attempt": 0,
        "verdict": None,
        "uploaded_at": None,
        "evidence": {},
    }
    moves = [(job, call, Move("release", changes)) for call in calls if call.state is State.HELD]
    await commit(bench, moves)
    await asyncio.to_thread(bench.spool(job).withdraw, job, HELD, place=job.place, name=job.name)
    bench.wake()


async def _bring_back(bench: Bench, was: Job) -> bool:
    """Look at a failed job's files anew where they lie, and take them back to work if they are good."""
    spool = bench.spool(was)
    before = (await bench.clerk(bench.ledger.calls, was.id))[0]
    async with bench.lock(was.root):
        judged = await asyncio.to_thread(_judge, bench, spool, was)
        if judged is None:
            await bench.clerk(bench.ledger.swept, was)
            return False
        judged_job, judged_call = judged
        job, call = revive(judged_job, judged_call, was=was, before=before)
        if job.verdict is not None:
            await bench.clerk(bench.ledger.judge, was, job.verdict, job.inputs)
            record = error_record(job, [before], job.verdict)
            await asyncio.to_thread(spool.record, was, ERROR, record, target=False)
            say("job.refused", level="warning", job=was.id, path=was.path, code=job.verdict.code)
            return False
        await _return(bench, spool, job, call, was=was)
    log.transition(job, before, call, event="release", now=clock.now())
    bench.wake()
    return True


async def _return(bench: Bench, spool: Spool, job: Job, call: Generation, *, was: Job) -> None:
    suffixes, wanted = [item.suffix for item in job.inputs], drops.safe(job.dropped_as)
    name = await asyncio.to_thread(spool.free_name, Place.PROCESSING, job.folder, wanted, suffixes)
    job = replace(job, target=Place.PROCESSING, target_name=name)
    now, roots = clock.now(), set(bench.spools)
    job = await bench.clerk(bench.ledger.readmit, job, call, was=was, at=now, roots=roots)
    tell_shared(job)
    await asyncio.to_thread(spool.withdraw, was, ERROR, place=Place.FAILED, name=was.name)
    await asyncio.to_thread(spool.carry, job)
    await bench.clerk.insist(bench.ledger.arrived, [job])


def _judge(bench: Bench, spool: Spool, was: Job) -> tuple[Job, Generation] | None:
    """What admission says of the files in failed/; None when they are not there or wait for something."""
    names = {item.suffix: was.name + item.suffix for item in was.inputs}
    try:
        sights = {name: _sight(spool, was, name) for name in names.values()}
    except FileNotFoundError:
        say("job.incomplete", level="warning", job=was.id, path=was.path, message="its files left failed/")
        return None
    sidecars = [name for suffix, name in names.items() if suffix != was.media_suffix]
    group = Group(was.name, names.get(was.media_suffix), sidecars[0] if sidecars else None)
    candidate = Candidate(was.folder, group, sights, defaults(spool, bench.watch_of(was.root), was.folder))
    desk = Desk.at(Place.FAILED, spool, bench.settings, now=clock.now())
    judged = admit(candidate, desk=desk, job_id=was.id)
    return None if isinstance(judged, Waits) else judged


async def _is_mended(bench: Bench, job: Job) -> bool:
    """Whether a person has changed the contents of a failed job's files, and has finished doing so.

    A new date alone is no mending: backups and viewers touch files, and a job that is paid for again
    needs a person's word.
    """
    spool = bench.spool(job)
    before = await asyncio.to_thread(_sights, spool, job)
    if before is None or not await asyncio.to_thread(_differs, spool, job, before):
        return False
    await asyncio.sleep(bench.watch_of(job.root).settle_seconds)
    return await asyncio.to_thread(_sights, spool, job) == before


def _sights(spool: Spool, job: Job) -> list[Sight] | None:
    """A look at each of a job's files; None when one is not there."""
    try:
        return [_sight(spool, job, job.name + item.suffix) for item in job.inputs]
    except FileNotFoundError:
        return None


def _differs(spool: Spool, job: Job, sights: list[Sight]) -> bool:
    touched = [
        item
        for item, sight in zip(job.inputs, sights, strict=True)
        if (sight.size, sight.mtime_ns) != (item.size, item.mtime_ns)
    ]
    return any(spool.digest(job, item) != item.sha256 for item in touched)


def _sight(spool: Spool, job: Job, name: str) -> Sight:
    found = spool.where(job.place, job.folder, name).lstat()
    return Sight(found.st_size, found.st_mtime_ns, found.st_ino)
