"""A record that was read back, as rows for the ledger: all that its job was, as far as it tells."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath

from runway_watch import catalogue, clock, drops
from runway_watch.decide import ended
from runway_watch.job import DROPPABLE, Generation, Input, Job, Output, Place, Reference, State, Verdict
from runway_watch.ledger.restoring import Restored
from runway_watch.records import Record
from runway_watch.records.reading import Call
from runway_watch.spool import ERROR, RESULT, Listing
from runway_watch.wish import wish_of

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")


def restored(record: Record, root: Path, place: Place, listing: Listing, name: str) -> Restored:
    """A job that is over, with its generations.

    Args:
        record: what lies beside its files.
        root, place: where that is.
        listing: the folder, with all that lies in it.
        name: what its files are called there.
    """
    ending = RESULT if place is Place.DONE else ERROR
    finished = _seconds(record.finished_at)
    if finished is None:
        finished = listing.files[name + ending].mtime_ns / 1e9
    inputs = _inputs(record, listing, name)
    verdict, kept = record.verdict, record.ledger
    job = Job(
        id=record.job,
        root=str(root),
        folder=listing.path,
        name=name,
        dropped_as=kept.dropped_as or name,
        place=place,
        target=None,
        target_name=None,
        state=ended(verdict),
        operation=record.operation,
        model=", ".join(dict.fromkeys(_model(record, told) for told in record.generation or [Call()])),
        params=record.request,
        options={},
        inputs=inputs,
        references={r.written: Reference(r.path, r.sha256, r.size, r.mime) for r in kept.reference},
        media_suffix=next((i.suffix for i in inputs if _is_media(i)), ""),
        mime=None,
        priority=0,
        price=kept.price,
        accepted_at=_seconds(record.accepted_at) or finished,
        finished_at=finished,
        sweeps=kept.sweeps,
        verdict=verdict,
        wish=kept.wish or _wish(record),
        duplicate_of=record.duplicate_of,
        told_at=finished,
        prepared={prepared.written: prepared.preparation for prepared in kept.prepared},
    )
    calls = [_call(job, n, told, record, listing) for n, told in enumerate(_calls(record, finished), 1)]
    return Restored(job, calls, doubtful=record.charged == "unknown")


def _calls(record: Record, finished: float) -> list[Call]:
    """Its generations; an error record of an older version tells of one, by and large."""
    if record.generation:
        return record.generation
    was_sent = record.charged in ("yes", "unknown")
    submitted = record.submitted_at or (clock.exact_utc(finished) if was_sent else None)
    seconds = None if record.charged == "unknown" else 0.0
    told = Call(task_id=record.task_id, credits=record.credits, tries=record.attempts, seconds=seconds)
    return [told.model_copy(update={"submitted_at": submitted})]


def _call(job: Job, n: int, told: Call, record: Record, listing: Listing) -> Generation:
    submitted = _seconds(told.submitted_at or record.submitted_at)
    outputs = tuple(_outputs(job, n, told, listing))
    state, verdict = job.state, told.verdict or job.verdict
    if state is State.DONE and not outputs and (told.code or told.failure_code):  # another one worked
        failed = Verdict("poll", "task.internal", "It failed.", failure_code=told.failure_code)
        verdict = told.verdict or failed
        state = ended(verdict)
    # What has outputs has come to an end, even if nobody knows when.
    seconds = 0.0 if told.seconds is None and outputs else told.seconds
    return Generation(
        job=job.id,
        n=n,
        state=state,
        asks=told.request,
        prepared={prepared.written: prepared.preparation for prepared in told.prepared},
        model=_model(record, told),
        price=job.price if len(record.generation) < 2 else None,
        task_id=told.task_id,
        status=told.status,
        credits=told.credits,
        charged=None if seconds is None and told.task_id else told.credits,  # it had not ended yet
        doubted=told.doubted,
        submitted_at=submitted,
        tries=told.tries or int(submitted is not None),
        ended_at=None if submitted is None or seconds is None else submitted + seconds,
        outputs=outputs,
        verdict=verdict,
    )


def _model(record: Record, told: Call) -> str:
    return str(told.request.get("model", record.request.get("model", "")))


def _outputs(job: Job, n: int, told: Call, listing: Listing) -> Iterator[Output]:
    for k, (name, sha256) in enumerate(zip(told.outputs, told.output_sha256, strict=False), 1):
        extension = PurePosixPath(name).suffix
        if _EXTENSION.fullmatch(extension):
            size = listing.files[name].size if name in listing.files else 0
            yield Output(f".{job.id}-{n}-{k}.part", extension, sha256, size)


def _inputs(record: Record, listing: Listing, name: str) -> tuple[Input, ...]:
    """Its files; those of an older record are the ones that lie beside it."""
    if record.ledger.file:
        return tuple(Input(**file.model_dump(), ino=0) for file in record.ledger.file)
    group = next((g for g in drops.pair(listing.files, optional=True) if g.name == name), None)
    if group is None:
        return ()
    found = []
    for file in group.files:
        sight = listing.files[file]
        sha256 = record.input_sha256 if file == (group.media or file) else ""
        found.append(Input(drops.suffix_of(file, group), file, sha256, sight.size, sight.mtime_ns, sight.ino))
    return tuple(found)


def _is_media(item: Input) -> bool:
    return PurePosixPath(f"x{item.suffix}").suffix.casefold() in DROPPABLE


def _wish(record: Record) -> str:
    """What an older record's job asked for, where its picture is all that it referred to."""
    named = catalogue.references(record.request)
    if len(named) > 1 or (named and not record.input_sha256) or not record.operation:
        return ""
    return wish_of(record.operation, record.request, dict.fromkeys(named, record.input_sha256))


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
