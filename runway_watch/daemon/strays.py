"""Files in processing/ that the ledger knows nothing of: it was lost, and with it what became of them.

They were accepted once, and nobody knows how far they came: each drop among them is held until a person
decides, and counts as if it had been paid for. Nothing is sent again by itself. What makes up no drop stays
where it is, and is told of.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from runway_watch import clock, drops, sidecar
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.naming import new_id
from runway_watch.daemon.rebuilding import TAKES_LONG
from runway_watch.daemon.salvage import salvage
from runway_watch.decide import UNCERTAIN, doubt
from runway_watch.drops import join
from runway_watch.errors import Refusal, SpoolError
from runway_watch.job import Generation, Job, Place, State
from runway_watch.ledger import Ledger
from runway_watch.ledger.restoring import Restored, Whereabouts, restore, roots_of, whereabouts
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.records import MOST_BYTES, Record, read
from runway_watch.spool import HELD, Listing, Spool, inventory, reunite
from runway_watch.stages.admit import Judged, judge
from runway_watch.stages.desk import Candidate, Desk, Waits
from runway_watch.stages.presets import defaults

LOST = "the ledger was lost, and with it whether this had been sent"
_AT_A_TIME = 64
"""Drops that are written down together: whoever stops a start that takes long loses no more than these."""


@dataclass(frozen=True, slots=True)
class _Stray:
    """A drop that no row knows, with the record of its being held, if it was."""

    candidate: Candidate
    record: Record | None


async def hold_strays(bench: Bench, root: str) -> None:
    """Hold what lies in processing/ and belongs to no job; clear away halves of files that do not either.

    Raises:
        SpoolError: the root cannot be read; nothing is concluded from that.
        LedgerError: the ledger cannot be written to.
    """
    spool = bench.spools[root]
    alive, known = await bench.clerk(_known, bench.ledger, root)
    kept = await salvage(bench, spool, alive)
    found = await spool.hands(_strays, bench, spool, known)
    taken = set(await bench.clerk(roots_of, bench.ledger)) if found else set()
    rest = iter(found)
    while some := list(islice(rest, _AT_A_TIME)):
        notify(TAKES_LONG)
        held = await spool.hands(_judge_all, bench, spool, some, taken, kept)
        await bench.clerk(restore, bench.ledger, held, at=clock.now())
        for one in held:
            _tell(one)


def _known(ledger: Ledger, root: str) -> tuple[set[str], set[str]]:
    """The jobs of a root that are not over, and where in processing/ their files lie, or may lie."""
    alive: set[str] = set()
    files: set[str] = set()
    for job in whereabouts(ledger, root):
        alive.add(job.id)
        files.update(_files(job))
    return alive, files


def _files(job: Whereabouts) -> Iterator[str]:
    places = {job.place: job.name} | ({job.target: job.target_name or ""} if job.target else {})
    if (name := places.get(Place.PROCESSING)) is not None:
        yield from (join(job.folder, name + suffix) for suffix in (*job.suffixes, HELD))


def _strays(bench: Bench, spool: Spool, known: Collection[str]) -> list[_Stray]:
    listings = list(inventory(spool.where(Place.PROCESSING, "")))
    if sum(_reunite(spool, listing, known) for listing in listings):
        listings = list(inventory(spool.where(Place.PROCESSING, "")))
    return [stray for listing in listings for stray in _sort(bench, spool, listing, known)]


def _inputs(listing: Listing, known: Collection[str]) -> list[str]:
    """A folder's files that belong to no job, without records."""
    return [n for n in listing.files if join(listing.path, n) not in known and not drops.is_record(n)]


def _reunite(spool: Spool, listing: Listing, known: Collection[str]) -> int:
    """Look for other halves where a move was broken off. Returns how many were brought."""
    alone = [g.files[0] for g in drops.pair(_inputs(listing, known)) if len(g.files) == 1]
    found = [there for name in alone if (there := reunite(spool.root, listing.path, name)) is not None]
    for there in found:
        say("file.reunited", level="warning", path=str(there), message="its other half was in processing/")
    return len(found)


def _sort(bench: Bench, spool: Spool, listing: Listing, known: Collection[str]) -> Iterator[_Stray]:
    """The drops among one folder's files."""
    folder, inputs = listing.path, _inputs(listing, known)
    _withdraw(spool, listing, known)
    if not inputs:
        return
    try:
        layers = defaults(spool, bench.watch_of(str(spool.root)), folder)
    except (Refusal, SpoolError) as error:
        _unknown(spool, folder, inputs, str(error))
        return
    for name, why in drops.unsupported(inputs).items():
        _unknown(spool, folder, (name,), why)
    for group in drops.pair(inputs, optional=sidecar.is_optional(layers)):
        if group.why:
            _unknown(spool, folder, group.files, group.why)
        else:
            candidate = Candidate(folder, group, listing.files, layers)
            yield _Stray(candidate, _record(spool, listing, group.name))


def _record(spool: Spool, listing: Listing, name: str) -> Record | None:
    """What was written beside it when it was held before, if it was."""
    if name + HELD not in listing.files:
        return None
    try:
        with spool.in_place(Place.PROCESSING, join(listing.path, name + HELD)) as file:
            return read(file.read(MOST_BYTES + 1))
    except (Refusal, ValueError):
        return None
    except SpoolError as error:
        if isinstance(error.__cause__, PermissionError):
            return None  # what is closed to us was not written by us
        raise


def _withdraw(spool: Spool, listing: Listing, known: Collection[str]) -> None:
    """Remove records of what is held no more: its files have gone, and it has gone on elsewhere."""
    records = [n for n in listing.files if n.endswith(HELD) and join(listing.path, n) not in known]
    for name in (record.removesuffix(HELD) for record in records):
        others = (other for other in listing.files if not drops.is_record(other))
        if any(other.startswith(f"{name}.") for other in others):
            continue
        if (record := _record(spool, listing, name)) is not None:
            with suppress(SpoolError):
                spool.take_down(Place.PROCESSING, listing.path, name + HELD, job=record.job)


def _judge_all(
    bench: Bench, spool: Spool, strays: list[_Stray], taken: set[str], kept: Mapping[str, list[str]]
) -> list[Restored]:
    found = ((stray, _judge(bench, spool, stray, taken)) for stray in strays)
    return [
        _held(*judged, stray.record, kept.get(stray.candidate.folder, ()))
        for stray, judged in found
        if judged is not None
    ]


def _judge(bench: Bench, spool: Spool, stray: _Stray, taken: set[str]) -> Judged | None:
    """A job from a look at its files; None for what is no drop, or cannot be read."""
    now, record, candidate = clock.now(), stray.record, stray.candidate
    own = record.job if record is not None and record.job not in taken else new_id(now)
    desk = replace(Desk.at(Place.PROCESSING, spool, bench.settings, now=now), credits_per_job=0)
    found = judge(candidate, desk=desk, job_id=own)
    if isinstance(found, Waits):
        _unknown(spool, candidate.folder, candidate.group.files, found.why)
        return None
    taken.add(own)
    job, calls = found
    since = _seconds(record.since if record else None) or now
    return job, [replace(c, submitted_at=since, tries=1, due_at=now, doubted=c.price or 0) for c in calls]


def _held(job: Job, calls: Sequence[Generation], record: Record | None, kept: Sequence[str]) -> Restored:
    """It may have been paid for. What cannot be sent again as it is now is filed in failed/, with both.

    Args:
        kept: outputs of jobs that nobody knows, which may be its own.
    """
    lost = f"{LOST}; what may be its outputs is in done/: {', '.join(kept)}" if kept else LOST
    if job.verdict is not None:
        message = f"{job.verdict.message} And nobody knows whether it was paid for: {lost}."
        verdict = replace(job.verdict, message=message, retryable=False)
        failed = [replace(call, verdict=verdict) for call in calls]
        return Restored(replace(job, verdict=verdict), failed, doubtful=True)
    verdict, evidence = doubt(lost), {}
    if record is not None and record.verdict is not None and record.code == UNCERTAIN:
        verdict, evidence = record.verdict, record.evidence
    job = replace(job, state=State.HELD)
    held = [replace(call, state=State.HELD, verdict=verdict, evidence=evidence) for call in calls]
    return Restored(job, held, doubtful=True)


def _tell(one: Restored) -> None:
    verdict = one.calls[0].verdict
    say(
        "job.held" if one.job.state is State.HELD else "job.refused",
        level="warning",
        path=one.job.path,
        job=one.job.id,
        state=one.job.state.value,
        code=verdict.code if verdict else None,
        message=verdict.message if verdict else None,
    )


def _unknown(spool: Spool, folder: str, names: Collection[str], why: str) -> None:
    for name in names:
        path = str(spool.where(Place.PROCESSING, folder, name))
        say("file.unknown", level="warning", path=path, message=f"it belongs to no job, and stays: {why}")


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
