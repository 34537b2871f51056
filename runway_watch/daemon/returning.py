"""Drops that were here before: moved back by a person, ordered back by one, or swept back.

Such a job keeps its identity: its history goes on, what it cost is kept, and what was paid for and
finished is fetched instead of paid for again. The files of a job that is at Runway at this moment are
taken back to it: it goes on with what it was paid for.
"""

from collections.abc import Mapping
from dataclasses import replace

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.doubts import post_record
from runway_watch.decide import revive
from runway_watch.errors import SpoolError
from runway_watch.job import LIVE_STATES, Generation, Job, Place, State
from runway_watch.log import say
from runway_watch.spool import ERROR, HELD, Spool
from runway_watch.stages.earlier import earlier, is_kept
from runway_watch.states import CAN_RETURN

Names = set[tuple[str, Place, str]]
"""Folder, place and name of groups of files."""


async def were_here(bench: Bench, spool: Spool, jobs: list[Job]) -> tuple[Mapping[str, Job], Names, set[str]]:
    """Which of these were here before: their old selves, by the new id; and the names that live jobs have.

    The last are the new ids of those of which nobody can tell, for a folder is closed to us: they wait, and
    no other with them.

    The records of those no longer hold and go away, which also makes their names free again. It is done
    before anything is committed: should the daemon die now, the files in the inbox are simply found anew.
    """
    found: dict[str, Job] = {}
    taken: Names = set()
    unclear: set[str] = set()
    names = {(job.folder, job.name) for job in jobs}
    known = await bench.clerk(bench.ledger.called_any, root=str(spool.root), names=names)
    for job in jobs:
        called = [was for was in known if (was.folder, was.name) == (job.folder, job.name)]
        if not called:
            continue
        try:
            was = await spool.hands(earlier, job, called, spool=spool)
            taken |= {(w.folder, w.place, w.name) for w in called if w.state in LIVE_STATES and w is not was}
            if was is None or was.id in {other.id for other in found.values()}:
                continue
            await _withdraw(spool, was, name=job.name)
            found[job.id] = was
        except SpoolError as error:
            unclear.add(job.id)
            say("share.refused", level="warning", path=job.path, message=str(error))
    return found, taken, unclear


async def _withdraw(spool: Spool, was: Job, *, name: str) -> None:
    """Take down the record of a job that goes on; it may have come along to the inbox."""
    if was.state not in CAN_RETURN or is_kept(was):
        return
    record = HELD if was.state is State.HELD else ERROR
    await spool.hands(spool.withdraw, was, record, place=was.place, name=was.name)
    await spool.hands(spool.withdraw, was, record, place=Place.INBOX, name=name)


async def write_down(
    bench: Bench, spool: Spool, admitted: list[tuple[Job, Generation]], returned: Mapping[str, Job]
) -> list[Job]:
    """Commit admitted jobs; those whose files were here before under their old identity.

    Returns:
        Those that are to be moved now, each with the job whose result it is to share; the files of a job
        at Runway have been taken back to it.
    """
    new = [(job, [call]) for job, call in admitted if job.id not in returned]
    written: list[Job] = []
    for job, call in admitted:
        was = returned.get(job.id)
        if was is None:
            continue
        if is_kept(was):
            await _take_back(bench, spool, job, was)
        else:
            written.append(await _readmit(bench, job, call, was=was))
    if new:
        written += await bench.clerk(bench.ledger.admit, new, roots=set(bench.spools))
    return written


async def _readmit(bench: Bench, job: Job, call: Generation, *, was: Job) -> Job:
    before = (await bench.clerk(bench.ledger.calls, was.id))[0]
    job, call = revive(job, call, was=was, before=before)
    roots = set(bench.spools)
    return await bench.clerk(bench.ledger.readmit, job, call, was=was, at=clock.now(), roots=roots)


async def _take_back(bench: Bench, spool: Spool, job: Job, was: Job) -> None:
    """Carry files that left a job back to it: it is at work with them, or nobody knew how it stands."""
    back = replace(job, target=was.place, target_name=was.name)
    try:
        await spool.hands(spool.carry, back)
    except SpoolError as error:  # they wait in the inbox, and nobody waits with them
        say("share.refused", level="warning", path=was.path, job=was.id, message=str(error))
        return
    why = "it is at work with these files already"
    if was.state is State.HELD:
        why = "they had left before anybody could know that it is held"
        await post_record(bench, was)
    elif was.state in CAN_RETURN:
        why = "they had left before anybody could know how it ended"
        await bench.clerk(bench.ledger.told, was, at=clock.now())
    message = f"{why}: they were taken back to it"
    say("files.returned", level="warning", path=was.path, job=was.id, state=was.state.value, message=message)
