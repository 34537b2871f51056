"""Questions to the ledger. Nothing here changes anything."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from runway_watch.decide import BLOCKED
from runway_watch.job import LIVE_STATES, Generation, Job, Place, State
from runway_watch.ledger.database import Database
from runway_watch.ledger.rows import to_generation, to_job
from runway_watch.ledger.schema import generations, history, jobs


class Queries(Database):
    """What stands in the ledger now."""

    def job(self, job_id: str) -> tuple[Job, list[Generation]] | None:
        """One job with its generations, or None."""
        found = self._jobs(select(jobs).where(jobs.c.id == job_id))
        return (found[0], self.calls(job_id)) if found else None

    def calls(self, job_id: str) -> list[Generation]:
        """A job's generations in their order."""
        query = select(generations).where(generations.c.job == job_id).order_by(generations.c.n)
        with self._reading() as db:
            return [to_generation(dict(row)) for row in db.execute(query).mappings()]

    def live(self) -> list[Job]:
        """Every job that is not over, the first accepted first."""
        return self._jobs(
            select(jobs).where(jobs.c.state.in_(sorted(LIVE_STATES))).order_by(jobs.c.accepted_at)
        )

    def in_transit(self) -> list[Job]:
        """Jobs whose files a committed move is taking somewhere."""
        return self._jobs(select(jobs).where(jobs.c.target.is_not(None)).order_by(jobs.c.accepted_at))

    def failed(self) -> list[Job]:
        """Every job whose files lie in failed/, the oldest first."""
        query = select(jobs).where(jobs.c.state.in_(["failed", "cancelled"]), jobs.c.place == Place.FAILED)
        return self._jobs(query.order_by(jobs.c.finished_at))

    def latest(self, limit: int = 100) -> list[Job]:
        """Live jobs and the ones that ended last, at most `limit` of the latter."""
        over = select(jobs).where(jobs.c.state.not_in(sorted(LIVE_STATES)))
        return self.live() + self._jobs(over.order_by(jobs.c.finished_at.desc()).limit(limit))

    def called(self, *, root: str, folder: str, name: str) -> list[Job]:
        """Jobs whose files lie, or were last seen, under this name, the latest first."""
        same = (jobs.c.root == root) & (jobs.c.folder == folder) & (jobs.c.name == name)
        return self._jobs(select(jobs).where(same).order_by(jobs.c.accepted_at.desc()))

    def troubles(self, *, since: float) -> int:
        """How many jobs failed since a moment, are held, or wait for what only a person can mend."""
        failed = (jobs.c.state == "failed") & (jobs.c.finished_at >= since)
        stuck = (jobs.c.state == "held") | (jobs.c.state.in_(sorted(LIVE_STATES)) & _blocked())
        query = select(func.count(func.distinct(jobs.c.id))).join(generations, jobs.c.id == generations.c.job)
        with self._reading() as db:
            return db.scalar(query.where(failed | stuck)) or 0

    def spent(self, since: float) -> int:
        """Credits charged for what has ended since a moment."""
        query = select(func.sum(generations.c.credits)).where(generations.c.ended_at >= since)
        with self._reading() as db:
            return db.scalar(query) or 0

    def reserved(self) -> int:
        """The most that what is at Runway now may still cost, in credits."""
        price = func.coalesce(generations.c.estimated, jobs.c.price, 0)
        query = select(func.sum(price)).join(jobs, jobs.c.id == generations.c.job)
        with self._reading() as db:
            return db.scalar(query.where(generations.c.state.in_(["submitting", "running"]))) or 0

    def at_place(self, *, root: str, place: Place, folder: str) -> list[Job]:
        """Jobs whose files lie in a folder."""
        there = (jobs.c.root == root) & (jobs.c.place == place) & (jobs.c.folder == folder)
        return self._jobs(select(jobs).where(there).order_by(jobs.c.accepted_at.desc()))

    def held_and_failed(self) -> list[Job]:
        """Jobs that a person may put back to work, the oldest first."""
        states = jobs.c.state.in_(["held", "failed", "cancelled"])
        return self._jobs(select(jobs).where(states).order_by(jobs.c.accepted_at))

    def active(self, *, at: float) -> int:
        """How many generations can go on by themselves, now or after a pause."""
        later = generations.c.due_at > at
        appointed = (generations.c.state == "ready") & generations.c.reason.is_(None) & later
        waits = (_blocked() & (later | (generations.c.state == "ready"))) | appointed
        live = generations.c.state.in_(sorted(LIVE_STATES - {State.HELD}))
        query = select(func.count()).join(jobs, jobs.c.id == generations.c.job).where(live & ~waits)
        with self._reading() as db:
            return db.scalar(query) or 0

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        with self._reading() as db:
            rows = db.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def due(self, *, at: float) -> list[tuple[Job, Generation]]:
        """What has to be uploaded, polled, collected or filed now: what is begun comes before what is new."""
        begun = generations.c.state.in_(["running", "collecting"]) | (
            (generations.c.state == "uploading") & generations.c.uploaded_at.is_(None)
        )
        filed = (generations.c.state == "retiring") & (jobs.c.state == "retiring") & (generations.c.n == 1)
        query = _joined().where(generations.c.due_at <= at, begun | filed).order_by(generations.c.due_at)
        return self._pairs(query)

    def next_due(self, *, after: float) -> float | None:
        """When the next row that waits for a moment becomes due; None when no row waits for one."""
        states = ["ready", "uploading", "running", "collecting", "retiring"]
        waits = generations.c.state.in_(states) & (generations.c.due_at > after)
        with self._reading() as db:
            due: float | None = db.scalar(select(func.min(generations.c.due_at)).where(waits))
        return due

    def queue(self, state: State, model: str, *, at: float, limit: int) -> list[tuple[Job, Generation]]:
        """The next `limit` of a model that may go on from `state` (ready, or uploading and uploaded)."""
        query = _joined().where(
            generations.c.state == state,
            generations.c.due_at <= at,
            jobs.c.model == model,
            jobs.c.target.is_(None),
        )
        if state is State.UPLOADING:
            query = query.where(generations.c.uploaded_at.is_not(None))
        order = (jobs.c.priority.desc(), jobs.c.accepted_at, generations.c.n)
        return self._pairs(query.order_by(*order).limit(limit))

    def traffic(self) -> dict[str, dict[State, int]]:
        """How many generations each model has in each live state."""
        query = (
            select(jobs.c.model, generations.c.state, func.count())
            .join(jobs, jobs.c.id == generations.c.job)
            .where(generations.c.state.in_(["ready", "uploading", "submitting", "running"]))
            .group_by(jobs.c.model, generations.c.state)
        )
        found: dict[str, dict[State, int]] = {}
        with self._reading() as db:
            for model, state, count in db.execute(query):
                found.setdefault(model, {})[State(state)] = count
        return found

    def foreseen_ends(self, model: str) -> list[float | None]:
        """When the tasks of a model that are at Runway now will probably end; None where nobody knows."""
        ends = select(generations.c.foreseen_at).join(jobs, jobs.c.id == generations.c.job)
        there = generations.c.state.in_(["submitting", "running"]) & (jobs.c.model == model)
        with self._reading() as db:
            return list(db.scalars(ends.where(there)))

    def in_state(self, state: State) -> list[tuple[Job, Generation]]:
        """Every generation in a state, with its job."""
        return self._pairs(_joined().where(generations.c.state == state))

    def story(self, job_id: str) -> list[Mapping[str, Any]]:
        """Everything that happened to a job, in order."""
        query = select(history).where(history.c.job == job_id).order_by(history.c.id)
        with self._reading() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def _jobs(self, query: Select[Any]) -> list[Job]:
        with self._reading() as db:
            return [to_job(dict(row)) for row in db.execute(query).mappings()]

    def _pairs(self, query: Select[Any]) -> list[tuple[Job, Generation]]:
        with self._reading() as db:
            rows = db.execute(query).all()
        wide = len(jobs.c)
        job_names, call_names = jobs.c.keys(), generations.c.keys()
        return [
            (
                to_job(dict(zip(job_names, row[:wide], strict=True))),
                to_generation(dict(zip(call_names, row[wide:], strict=True))),
            )
            for row in rows
        ]


def _blocked() -> ColumnElement[bool]:
    """What goes on only when a person has done something: about the key, the money, or the folders."""
    reason = func.coalesce(generations.c.reason, "").in_(sorted(BLOCKED))
    on_its_way = func.coalesce(jobs.c.target, "") == Place.PROCESSING
    return reason | (on_its_way & (generations.c.state == "ready"))


def _joined() -> Select[Any]:
    return select(jobs, generations).join(generations, jobs.c.id == generations.c.job)
