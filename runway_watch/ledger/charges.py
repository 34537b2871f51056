"""Money, call by call: what each paid call may cost from the moment it is allowed, and what it did cost.

A row is written in the transaction that allows the call, and taken away only when it surely was not carried
out. A call of which nobody knows the end counts with the most that it could have cost: whatever is killed
at whatever moment, what was spent is never taken for less than it is.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from runway_watch.catalogue import is_by_length, price_kind
from runway_watch.decide import Move
from runway_watch.job import Generation, Job, Purse, State
from runway_watch.ledger.database import Database
from runway_watch.ledger.schema import charges, estimates, history

_COUNTS = func.coalesce(charges.c.credits, charges.c.reserved)


class Charges(Database):
    """What was and may have to be paid."""

    def purse(self, *, day: float, looked_at: float) -> Purse:
        """Money as it stands.

        Args:
            day: when the budget day began, seconds since 1970.
            looked_at: when the balance was asked for.
        """
        c = charges.c
        is_open = c.credits.is_(None) & (~c.is_doubtful | (c.at >= day))
        later = (c.at >= looked_at) | c.answered_at.is_(None) | (c.answered_at >= looked_at)
        sums = (
            select(func.sum(c.credits)).where(c.at >= day),
            select(func.sum(c.reserved)).where(is_open),
            select(func.sum(_COUNTS)).where(c.at >= day),
            select(func.sum(_COUNTS)).where(later),
        )
        with self._reading() as db:
            found = db.execute(select(*(each.scalar_subquery() for each in sums))).one()
        return Purse(*(each or 0 for each in found))

    def spent(self, job_id: str) -> Mapping[int, int]:
        """What each generation of a job has cost or may have cost, since a person last had a say in it.

        Who puts a job back to work, or lets a call in doubt go on, has been told what that may cost.
        """
        told = (history.c.job == job_id) & ((history.c.n == 0) | (history.c.event == "release"))
        since = select(func.max(history.c.at)).where(told).scalar_subquery()
        its = (charges.c.job == job_id) & (charges.c.at >= since)
        query = select(charges.c.n, func.sum(_COUNTS)).where(its).group_by(charges.c.n)
        with self._reading() as db:
            return {n: cost for n, cost in db.execute(query)}  # noqa: C416 - rows are no pairs to mypy

    def begun_between(self, since: float, until: float, *, but: Generation) -> dict[str, int]:
        """Other paid calls that may have changed the account between two looks at it."""
        c = charges.c
        others = ((c.job != but.job) | (c.n != but.n)) & (c.at <= until)
        others &= func.coalesce(c.answered_at, until) >= since
        query = select(func.count(), func.sum(_COUNTS)).where(others)
        with self._reading() as db:
            count, most = db.execute(query).one()
        return {"other_calls": count, "other_credits": most or 0}

    def most(self, job: Job) -> int | None:
        """The most that a generation may cost: Runway's word for its like, else the price list's.

        Args:
            job: as the generation wants it, see `job.asked`.
        """
        estimate = self.estimate(job)
        return job.price if estimate is None else estimate

    def estimate(self, job: Job) -> int | None:
        """What Runway said last time that a request like this may cost at the most.

        Of two that are like each other one may still take a longer film: where that is what costs, Runway's
        word for the other counts only if it is higher than the price list.
        """
        kind = price_kind(job.operation, job.params, job.price)
        with self._reading() as db:
            said = db.scalar(select(estimates.c.credits).where(estimates.c.kind == kind))
        if said is None or not is_by_length(job.operation, job.params):
            return said
        return None if job.price is None else max(said, job.price)

    def estimated(self, job: Job, most: int) -> None:
        """Remember it."""
        kind = price_kind(job.operation, job.params, job.price)
        with self._writing() as db:
            db.execute(estimates.delete().where(estimates.c.kind == kind))
            db.execute(insert(estimates), {"kind": kind, "credits": most})


def follow(db: Connection, call: Generation, move: Move, *, at: float) -> None:
    """Let the money follow a move of a generation, in the same transaction."""
    changes = move.changes
    match call.state, move.event:
        case State.UPLOADING, "submit":
            row = {"job": call.job, "n": call.n, "at": at, "reserved": changes.get("estimated") or 0}
            db.execute(insert(charges), row | {"is_doubtful": False})
        case State.SUBMITTING, "submitted":
            _set(db, call, {"answered_at": at, **_reserved(changes)})
        case State.SUBMITTING, "later" | "fail":  # it surely was not carried out
            db.execute(charges.delete().where(charges.c.id == _latest(call)))
        case State.SUBMITTING, "doubt" | "again":
            _set(db, call, {"answered_at": at, "is_doubtful": True})
        case State.RUNNING, "succeeded" | "fail" | "again":
            _settle(db, call, changes)
        case State.COLLECTING, _ if changes.get("charged") is not None:
            _settle(db, call, changes)


def _reserved(changes: Mapping[str, Any]) -> dict[str, int]:
    estimated = changes.get("estimated")
    return {} if estimated is None else {"reserved": estimated}


def _settle(db: Connection, call: Generation, changes: Mapping[str, Any]) -> None:
    charged = changes.get("charged")
    _set(db, call, {"credits": charged, "is_doubtful": charged is None})


def _set(db: Connection, call: Generation, values: Mapping[str, Any]) -> None:
    db.execute(update(charges).where(charges.c.id == _latest(call)).values(**values))


def _latest(call: Generation) -> Any:
    """The row of a generation's last paid call."""
    its = (charges.c.job == call.job) & (charges.c.n == call.n)
    return select(func.max(charges.c.id)).where(its).scalar_subquery()
