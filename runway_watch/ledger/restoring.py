"""What is put into a ledger that has lost it: jobs as their records and files tell of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from runway_watch.decide import is_open
from runway_watch.job import LIVE_STATES, Generation, Job, State
from runway_watch.ledger.database import Database
from runway_watch.ledger.rows import from_job, plain, row_of
from runway_watch.ledger.schema import charges, generations, history, jobs

_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Restored:
    """A job as it is told of.

    Args:
        job, calls: as they go into the ledger.
        doubtful: whether a paid call of it may have been carried out, of which nobody knows the price.
    """

    job: Job
    calls: Sequence[Generation]
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a job's files are: as in `Job`, whose place or target they are in, under what name."""

    id: str
    folder: str
    place: str
    name: str
    target: str | None
    target_name: str | None
    suffixes: Sequence[str]  # of its inputs


def whereabouts(ledger: Database, root: str) -> Iterator[Whereabouts]:
    """Of each job below a root that is not over; nothing else of it is read, for there may be very many."""
    j = jobs.c
    query = select(j.id, j.folder, j.place, j.name, j.target, j.target_name, j.inputs)
    alive = j.state.in_(sorted(LIVE_STATES)) | j.target.is_not(None)
    with ledger._reading() as db:  # noqa: SLF001 - a part of it
        for row in db.execute(query.where(j.root == root, alive)):
            yield Whereabouts(*row[:-1], suffixes=[item["suffix"] for item in row[-1]])


def is_known(ledger: Database, root: str) -> bool:
    """Whether the ledger has any job below a root."""
    with ledger._reading() as db:  # noqa: SLF001 - a part of it
        return db.scalar(select(jobs.c.id).where(jobs.c.root == root).limit(1)) is not None


def roots_of(ledger: Database) -> dict[str, str]:
    """Every job's root, by its id."""
    with ledger._reading() as db:  # noqa: SLF001 - a part of it
        return {row[0]: row[1] for row in db.execute(select(jobs.c.id, jobs.c.root))}


def rehome(ledger: Database, was: str, root: str) -> None:
    """Let all jobs of a root be those of another, which has none: it is the same folder under a new path."""
    with ledger._writing() as db:  # noqa: SLF001 - a part of it
        db.execute(update(jobs).where(jobs.c.root == was).values(root=root))


def restore(ledger: Database, found: Sequence[Restored], *, at: float) -> None:
    """Write down jobs with what they cost, all or none. Raises LostUpdate when one is known already.

    What was charged counts on the day of its submission. A call in doubt counts with the most that it could
    have cost: what was spent is never taken for less than it is.
    """
    with ledger._writing() as db:  # noqa: SLF001
        for start in range(0, len(found), _AT_A_TIME):
            some = found[start : start + _AT_A_TIME]
            db.execute(insert(jobs), [from_job(one.job) for one in some])
            db.execute(insert(generations), [row_of(one.job, c) for one in some for c in one.calls])
            db.execute(insert(history), [plain(_line(one, at)) for one in some])
            if paid := [row for one in some for row in _charges(one, at)]:
                db.execute(insert(charges), paid)


def _line(one: Restored, at: float) -> dict[str, Any]:
    """Its history begins anew; a call in doubt stands in it like any other."""
    doubtful = one.doubtful and one.job.state in (State.HELD, State.DONE)
    event, was = ("doubt", State.SUBMITTING) if doubtful else ("restored", one.job.state)
    note = {"path": one.job.path, "message": "the ledger was lost"}
    return {
        "job": one.job.id,
        "n": 0,
        "at": at,
        "event": event,
        "was": was,
        "state": one.job.state,
        "note": note,
    }


def _charges(one: Restored, at: float) -> Iterable[dict[str, Any]]:
    for call in one.calls:
        if call.credits:
            began = call.submitted_at or one.job.finished_at or at
            yield _charge(call, at=began, most=call.credits, price=call.credits)
        if call.doubted:
            yield _charge(call, at=call.submitted_at or at, most=call.doubted, price=None)
    if one.doubtful:
        is_told = any(call.doubted for call in one.calls)
        last = next((c for c in one.calls if is_open(c)), None if is_told else one.calls[0])
        if last is not None:
            yield _charge(last, at=last.submitted_at or at, most=one.job.price or 0, price=None)


def _charge(call: Generation, *, at: float, most: int, price: int | None) -> dict[str, Any]:
    row = {"job": call.job, "n": call.n, "at": at, "answered_at": at, "reserved": most}
    return row | {"credits": price, "is_doubtful": price is None}
