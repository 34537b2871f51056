"""What is known of a job: where its files are, its price and what it has cost."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from runway_watch.decide import is_open
from runway_watch.errors import SpoolError
from runway_watch.holds import total
from runway_watch.job import Generation, Input, Job, Place, State, asked, preparations
from runway_watch.ledger import Ledger
from runway_watch.report.effective import plain
from runway_watch.spool import ERROR, HELD, RESULT, Spool
from runway_watch.stages.retire import endings

_RECORDS = {State.DONE: RESULT, State.FAILED: ERROR, State.CANCELLED: ERROR, State.HELD: HELD}


def asks(calls: Sequence[Generation]) -> Iterator[str]:
    """What each of several generations asks for beside what they have in common."""
    for call in calls if len(calls) > 1 else ():
        own = ", ".join(f"{key} = {plain(value)}" for key, value in call.asks.items())
        yield f"generation {call.n}: {own or 'the same'}"


def sent(job: Job, calls: Sequence[Generation]) -> Iterator[str]:
    """What is sent in place of a file that is not sent as it is, and what Runway will cut off of it."""
    for written, prepared in preparations(job, calls):
        lost = (f"Runway will cut off {prepared.cropped}",) if prepared.cropped else ()
        if changes := (*prepared.steps, *lost):
            yield f"{written.removeprefix('file:')}: {', '.join(changes)}"


def files(job: Job, calls: Sequence[Generation]) -> Iterator[str]:
    """Where its inputs, its result and its record are, with a word about each that is not there."""
    spool = Spool(Path(job.root))
    yield from (_input(spool, job, item) for item in job.inputs)
    for ref in job.references.values():
        folder, _, name = ref.path.rpartition("/")
        yield _there(spool, Place.INBOX, folder, name) + ", referred to"
    if job.state is State.DONE:
        yield from (_there(spool, job.place, job.folder, job.name + end) for end in endings(calls))
    if job.state in _RECORDS:
        yield _there(spool, job.place, job.folder, job.name + _RECORDS[job.state])


def price(job: Job, calls: Sequence[Generation], ledger: Ledger | None) -> str:
    """The most that its generations may cost together; the ledger knows Runway's own word for their like."""
    views = [asked(job, call) for call in calls]
    learned = [None if ledger is None else ledger.estimate(view) for view in views]
    most = total([view.price if e is None else e for view, e in zip(views, learned, strict=True)])
    several = f" for {len(calls)} generations" if len(calls) > 1 else ""
    told = "not known" if most is None else f"at most {most} credits{several}"
    return told if most is None or None in learned else f"{told}, by Runway's own estimate"


def each(calls: Sequence[Generation]) -> Iterator[str]:
    """How each of several generations stands."""
    for call in calls if len(calls) > 1 else ():
        done = f", {call.progress:.0%}" if call.state is State.RUNNING and call.progress is not None else ""
        verdict = call.verdict if not call.outputs else None
        state = "finished" if call.outputs else "failed" if call.state is State.RETIRING else call.state
        yield f"generation {call.n}: {state}{done}" + (f" ({verdict.code})" if verdict else "")


def charged(calls: Sequence[Generation]) -> str:
    """What it has cost so far."""
    spent, tries = sum(call.credits for call in calls), sum(call.tries for call in calls)
    times = f", for {tries} paid {'call' if tries == 1 else 'calls'}" if tries else ""
    told = [f"{spent} credits{times}" if spent or tries else "nothing"]
    if unfinished := [call for call in calls if is_open(call)]:
        most = sum(call.estimated or call.price or 0 for call in unfinished)
        told.append("what the last one costs is not known yet" + (f" (at most {most})" if most else ""))
    if doubted := sum(call.doubted for call in calls):
        told.append(f"up to {doubted} more for what nobody knows whether it was carried out")
    return "; ".join(told)


def tasks(calls: Sequence[Generation]) -> Iterator[str]:
    """Runway's name for each of its generations."""
    yield from (f"{call.task_id} ({call.status or 'just begun'})" for call in calls if call.task_id)


def _input(spool: Spool, job: Job, item: Input) -> str:
    """Where an input is now: while files are moved, at one of two ends."""
    name = spool.path_of(job, item).name
    if job.target is None or _is_there(spool, job.place, job.folder, name):
        return _there(spool, job.place, job.folder, name)
    return _there(spool, job.target, job.folder, (job.target_name or job.name) + item.suffix)


def _there(spool: Spool, place: Place, folder: str, name: str) -> str:
    path = spool.where(place, folder, name)
    return str(path) if _is_there(spool, place, folder, name) else f"{path} (not there)"


def _is_there(spool: Spool, place: Place, folder: str, name: str) -> bool:
    try:
        return spool.look(place, folder, name) is not None
    except SpoolError:
        return False
