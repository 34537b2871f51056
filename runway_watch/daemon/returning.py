"""Drops that were here before: moved back by a person, ordered back by one, or swept back.

Such a job keeps its identity: its history goes on, what it cost is kept, and what was paid for and
finished is fetched instead of paid for again. The files of a job that is at Runway at this moment are
taken back to it: it goes on with what it was paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.doubts import post_record
from runway_watch.daemon.releasing import release
from runway_watch.errors import SpoolError
from runway_watch.job import LIVE_STATES, Generation, Job, Place, State
from runway_watch.log import say
from runway_watch.reviving import revive
from runway_watch.spool import ERROR, HELD, Spool
from runway_watch.stages.admit import Judged
from runway_watch.stages.earlier import earlier, is_kept, may_go_on
from runway_watch.states import CAN_RETURN

Names = set[tuple[str, Place, str]]
"""Folder, place and name of groups of files."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What is known of drops that may have been here before.

    Args:
        found: their old selves, by the new id.
        begun: which of those have something at Runway, or have got something from there.
        taken: the names that live jobs have.
        unclear: the new ids of those of which nobody can tell, for a folder is closed to us: they wait, and
            no other with them.
    """

    found: dict[str, Job] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    taken: Names = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)


async def were_here(bench: Bench, spool: Spool, jobs: list[Job]) -> Returned:
    """Which of these were here before.

    The records of those no longer hold and go away, which also makes their names free again. It is done
    before anything is committed: should the daemon die now, the files in the inbox are simply found anew.
    """
    names = {(job.folder, job.name) for job in jobs}
    known = await bench.clerk(bench.ledger.called_any, root=str(spool.root), names=names)
    live = {was.id for was in known if was.state in LIVE_STATES}
    back = Returned(begun=await bench.clerk(bench.ledger.begun, live) if live else set())
    for job in jobs:
        called = [was for was in known if (was.folder, was.name) == (job.folder, job.name)]
        if not called:
            continue
        try:
            was = await spool.hands(earlier, job, called, begun=back.begun, spool=spool)
            live_names = {(w.folder, w.place, w.name) for w in called if w.id in live and w is not was}
            back.taken.update(live_names)
            if was is None or was.id in {other.id for other in back.found.values()}:
                continue
            await _withdraw(spool, was, name=job.name, is_taken=not is_kept(was, back.begun))
            back.found[job.id] = was
        except SpoolError as error:
            back.unclear.add(job.id)
            say("share.refused", level="warning", path=job.path, message=str(error))
    return back


async def _withdraw(spool: Spool, was: Job, *, name: str, is_taken: bool) -> None:
    """Take down the record of a job that goes on; it may have come along to the inbox.

    Args:
        is_taken: its files are taken in anew, so that the record has to go from where they were too.
    """
    if was.state not in CAN_RETURN or was.told_at is None:
        return
    record = HELD if was.state is State.HELD else ERROR
    if is_taken:
        await spool.hands(spool.withdraw, was, record, place=was.place, name=was.name)
    await spool.hands(spool.withdraw, was, record, place=Place.INBOX, name=name)


async def write_down(bench: Bench, spool: Spool, admitted: Sequence[Judged], returned: Returned) -> list[Job]:
    """Commit admitted jobs; those whose files were here before under their old identity.

    Returns:
        Those that are to be moved now, each with the job whose result it is to share; the files of a job
        at Runway have been taken back to it.
    """
    new = [(job, calls) for job, calls in admitted if job.id not in returned.found]
    written: list[Job] = []
    for job, calls in admitted:
        was = returned.found.get(job.id)
        if was is None:
            continue
        if not is_kept(was, returned.begun):
            written.append(await _readmit(bench, job, calls, was=was))
        elif await _take_back(bench, spool, job, was) and may_go_on(was):
            await release(bench, was)
    if new:
        written += await bench.clerk(bench.ledger.admit, new, roots=set(bench.spools))
    return written


async def _readmit(bench: Bench, job: Job, calls: Sequence[Generation], *, was: Job) -> Job:
    before = await bench.clerk(bench.ledger.calls, was.id)
    revived = revive(job, calls, was=was, before=before)
    roots = set(bench.spools)
    return await bench.clerk(bench.ledger.readmit, revived, was=was, at=clock.now(), roots=roots)


async def _take_back(bench: Bench, spool: Spool, job: Job, was: Job) -> bool:
    """Carry files that left a job back to it: it is at work with them, or nobody knew how it stands.

    Returns whether they are there.
    """
    back = replace(job, target=was.place, target_name=was.name)
    try:
        await spool.hands(spool.carry, back)
    except SpoolError as error:  # they wait in the inbox, and nobody waits with them
        say("share.refused", level="warning", path=was.path, job=was.id, message=str(error))
        return False
    why = "it is at work with these files already"
    if may_go_on(was):
        why = "it goes on with what has not worked yet"
    elif was.state is State.HELD:
        why = "they had left before anybody could know that it is held"
        await post_record(bench, was)
    elif was.state in CAN_RETURN:
        why = "they had left before anybody could know how it ended"
        await bench.clerk(bench.ledger.told, was, at=clock.now())
    message = f"{why}: they were taken back to it"
    say("files.returned", level="warning", path=was.path, job=was.id, state=was.state.value, message=message)
    return True
