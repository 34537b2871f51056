"""Calls in doubt: what a person needs to decide about them, written beside the files."""

from dataclasses import replace

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.decide import UNCERTAIN
from runway_watch.errors import LostUpdate, SpoolError
from runway_watch.job import Job, State
from runway_watch.records import held
from runway_watch.spool import HELD


async def post_held(bench: Bench, job: Job) -> None:
    """Write down beside a held job's files why it waits for a person, if it still does."""
    async with bench.lock(job.root):  # whoever lets it go takes the record away under the same lock
        await post_record(bench, job)


async def post_record(bench: Bench, job: Job) -> None:
    """The same for who has the lock. From then on, moving the files is a person's word."""
    found = await bench.clerk.insist(bench.ledger.job, job.id)
    if found is None or found[0].state is not State.HELD:
        return
    job, spool = found[0], bench.spool(job)
    calls = [call for call in found[1] if call.state is State.HELD]
    call = calls[0]
    assert call.verdict is not None
    verdict = call.verdict
    if len(found[1]) > 1:
        which = ", ".join(str(each.n) for each in calls)
        message = f"Generation {which} of {len(found[1])}: {verdict.message}"
        verdict = replace(verdict, message=message)
    text = held(job, verdict, since=call.submitted_at or clock.now(), evidence=call.evidence)
    try:
        await spool.hands(spool.record, job, HELD, text, target=False)
        if job.told_at is None and await spool.hands(spool.present, job, job.place, job.name):
            await bench.clerk.insist(bench.ledger.told, job, at=clock.now())
    except SpoolError as error:
        log.say("record.refused", level="warning", job=job.id, path=job.path, message=str(error))


async def add_evidence(bench: Bench) -> None:
    """Add to each call in doubt how the account stood after it. Does nothing while Runway cannot be asked.

    Where nobody has been told yet that a job is held, that is made up for.
    """
    for job, call in await bench.clerk(bench.ledger.in_state, State.HELD):
        if job.told_at is None and job.state is State.HELD and job.root in bench.keeper.there:
            await post_held(bench, job)
        began = call.submitted_at or 0.0
        doubtful = call.verdict is not None and call.verdict.code == UNCERTAIN
        if not doubtful or "balance_after" in call.evidence or bench.account.looked_at <= began:
            continue
        evidence = {**call.evidence, **bench.purser.after(job)}
        since = evidence.get("looked_before", began)
        evidence |= await bench.clerk(bench.ledger.begun_between, since, bench.account.looked_at, but=call)
        try:
            await bench.clerk(bench.ledger.note, call, {"evidence": evidence})
        except LostUpdate:
            continue  # a person was faster
        if job.root in bench.keeper.there:
            await post_held(bench, job)
