"""Questions to the ledger. Nothing here changes anything."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, false, func, select

from runway_watch.decide import BLOCKED
from runway_watch.job import LIVE_STATES, Generation, Job, Place, State, asked
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

    def known(self, job_ids: Collection[str]) -> set[str]:
        """Those of these ids that jobs have."""
        with self._reading() as db:
            return set(db.scalars(select(jobs.c.id).where(jobs.c.id.in_(sorted(job_ids)))))

    def live(self) -> list[Job]:
        """Every job that is not over, the first accepted first."""
        return self._jobs(
            select(jobs).where(jobs.c.state.in_(sorted(LIVE_STATES))).order_by(jobs.c.accepted_at)
        )

    def some_at_work(self, root: str, *, limit: int) -> list[Job]:
        """At most so many jobs, picked at random, that cannot go on without their files below a root.

        What was cancelled can: a person wants no more of it.
        """
        row = generations.c
        is_cancelled = exists().where(row.job == jobs.c.id, row.verdict["code"].as_string() == "cancelled")
        live = jobs.c.state.in_(sorted(LIVE_STATES)) & ~is_cancelled
        query = select(jobs).where(jobs.c.root == root, live)
        return self._jobs(query.order_by(func.random()).limit(limit))

    def some_over(self, root: str, *, limit: int) -> list[Job]:
        """At most so many jobs, picked at random, whose files were filed below a root."""
        query = select(jobs).where(jobs.c.root == root, jobs.c.state.not_in(sorted(LIVE_STATES)))
        return self._jobs(query.order_by(func.random()).limit(limit))

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

    def called_any(self, *, root: str, names: Collection[tuple[str, str]]) -> list[Job]:
        """The same of many, each given as (folder, name)."""
        folders, wanted = ({name[part] for name in names} for part in (0, 1))
        # SQLite looks both lists up in the index, but would search a list of pairs for every job of the root.
        near = (jobs.c.root == root) & jobs.c.folder.in_(sorted(folders)) & jobs.c.name.in_(sorted(wanted))
        with self._reading() as db:
            found = db.execute(select(jobs).where(near).order_by(jobs.c.accepted_at.desc())).mappings()
            return [to_job(dict(row)) for row in found if (row["folder"], row["name"]) in names]

    def named(self, *, root: str, folder: str, names: Collection[str], dropped: bool = False) -> list[Job]:
        """Jobs whose files lie, or were last seen, under one of these names; `dropped`: came under one."""
        name = jobs.c.dropped_as if dropped else jobs.c.name
        return self._jobs(
            select(jobs).where(jobs.c.root == root, jobs.c.folder == folder, name.in_(sorted(names)))
        )

    def troubles(self, *, since: float) -> int:
        """How many jobs failed since a moment, are held, or wait for what only a person can mend."""
        failed = (jobs.c.state == "failed") & (jobs.c.finished_at >= since)
        stuck = (jobs.c.state == "held") | (jobs.c.state.in_(sorted(LIVE_STATES)) & _blocked())
        query = select(func.count(func.distinct(jobs.c.id))).join(generations, jobs.c.id == generations.c.job)
        with self._reading() as db:
            return db.scalar(query.where(failed | stuck)) or 0

    def probes(self, *, roots: Collection[str]) -> int:
        """How many generations will ask Runway for something that is free."""
        row = generations.c
        loads = (row.state == "uploading") & row.uploaded_at.is_(None)
        asks = (row.state == "running") | (below(roots) & (loads | (row.state == "collecting")))
        query = select(func.count()).select_from(generations.join(jobs)).where(asks)
        with self._reading() as db:
            return db.scalar(query) or 0

    def under_way(self) -> dict[str, int]:
        """How many generations below each root may still bring an output."""
        query = select(jobs.c.root, func.count()).join(generations, jobs.c.id == generations.c.job)
        begun = generations.c.state.in_(["submitting", "running", "collecting"])
        with self._reading() as db:
            rows = db.execute(query.where(begun).group_by(jobs.c.root)).all()
        return {row[0]: row[1] for row in rows}

    def held_and_failed(self) -> list[Job]:
        """Jobs that a person may put back to work, the oldest first."""
        states = jobs.c.state.in_(["held", "failed", "cancelled"])
        return self._jobs(select(jobs).where(states).order_by(jobs.c.accepted_at))

    def active(
        self,
        *,
        at: float,
        roots: Collection[str],
        new: Collection[str],
        barred: Collection[str] = (),
        asks: bool = True,
    ) -> int:
        """How many generations can go on by themselves, now or after a pause.

        Args:
            at: the moment.
            roots: the roots that somebody looks after.
            new: those below which something new may begin.
            barred: models and jobs of which nothing may.
            asks: whether Runway can be asked about what it is at work on.

        What waits for another job's result goes on with that job, and is not counted.
        """
        row = generations.c
        later, is_new = row.due_at > at, row.state == "ready"
        live = row.state.in_(sorted(LIVE_STATES - {State.HELD})) & below(roots)
        # What is new begins when what is begun makes room, and what is blocked makes none.
        stuck = exists().select_from(generations.join(jobs)).where(live, _blocked(), later, ~is_new)
        appointed = row.reason.is_(None) & later
        blocked = _blocked() & (later | is_new | _comes_in())
        waits = blocked | (is_new & (appointed | stuck.correlate(None)))
        held = row.state.in_(["ready", "uploading"]) & ~(
            below(new) & row.model.not_in(sorted(barred)) & jobs.c.id.not_in(sorted(barred))
        )
        unasked = row.state.in_(["running", "collecting"]) if not asks else false()
        follows = is_new & jobs.c.duplicate_of.is_not(None)
        has_ended = (row.state == "retiring") & (jobs.c.state != "retiring")  # it waits for the others
        goes_on = live & ~waits & ~held & ~unasked & ~follows & ~has_ended
        query = select(func.count()).select_from(generations.join(jobs)).where(goes_on)
        with self._reading() as db:
            return db.scalar(query) or 0

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        with self._reading() as db:
            rows = db.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def due(self, *, at: float, roots: Collection[str]) -> list[tuple[Job, Generation]]:
        """What has to be uploaded, polled, collected or filed now: what is begun comes before what is new.

        Below these roots, but for what runs: it is asked about wherever its files are, for it takes a slot
        at Runway, and what it cost is to be written down.
        """
        begun = (generations.c.state == "collecting") | (
            (generations.c.state == "uploading") & generations.c.uploaded_at.is_(None)
        )
        filed = (generations.c.state == "retiring") & (jobs.c.state == "retiring") & (generations.c.n == 1)
        filed &= ~_comes_in()
        wanted = (generations.c.state == "running") | (below(roots) & (begun | filed))
        few = generations.c.state.in_(["uploading", "running", "collecting", "retiring"])
        query = joined().where(few, generations.c.due_at <= at, wanted)
        return self._pairs(query.order_by(generations.c.due_at))

    def next_due(self, *, after: float, roots: Collection[str]) -> float | None:
        """When the next row that waits for a moment becomes due; None when no row waits for one."""
        row, first = generations.c, []
        for state in ("ready", "uploading", "running", "collecting", "retiring"):
            waits = select(row.due_at).where(row.state == state, row.due_at > after)
            if state != "running":
                waits = waits.join(jobs).where(below(roots))
            first.append(waits.order_by(row.due_at).limit(1).scalar_subquery())
        with self._reading() as db:
            found = db.execute(select(*first)).one()
        return min((due for due in found if due is not None), default=None)

    def in_state(self, state: State) -> list[tuple[Job, Generation]]:
        """Every generation in a state, with its job."""
        return self._pairs(joined().where(generations.c.state == state))

    def latest_endings(self, *, limit: int, since: float) -> list[str | None]:
        """How the last tasks ended since a moment, the latest first: a failure's code, None for success."""
        ended = (history.c.was == "running") & history.c.event.in_(["succeeded", "fail"])
        query = select(history.c.note).where(ended, history.c.at > since)
        with self._reading() as db:
            notes = db.scalars(query.order_by(history.c.id.desc()).limit(limit))
            return [note.get("code") for note in notes]

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
        found = [
            (
                to_job(dict(zip(job_names, row[:wide], strict=True))),
                to_generation(dict(zip(call_names, row[wide:], strict=True))),
            )
            for row in rows
        ]
        return [(asked(job, call), call) for job, call in found]


def below(roots: Collection[str]) -> ColumnElement[bool]:
    """Whether a job's files lie where somebody looks after them."""
    return jobs.c.root.in_(sorted(roots))


def _blocked() -> ColumnElement[bool]:
    """What goes on only when a person has done something: about the key, the money, or the folders."""
    reason = func.coalesce(generations.c.reason, "").in_(sorted(BLOCKED))
    return reason | (_comes_in() & generations.c.state.in_(["ready", "retiring"]))


def _comes_in() -> ColumnElement[bool]:
    """Whether a job's files are still being taken to processing/: a look at the inbox does that."""
    return func.coalesce(jobs.c.target, "") == Place.PROCESSING


def begins_at(state: State) -> ColumnElement[bool]:
    """The same as where a generation stands, of a state in which there may be very many.

    A job stands where its least advanced generation stands: what few jobs are wanted is found by an index of
    jobs; those of generations are kept out by coalesce.
    """
    return (jobs.c.state == state) & (func.coalesce(generations.c.state, "") == state)


def joined() -> Select[Any]:
    """Each generation with its job; `Queries._pairs` gives the job as that generation wants it."""
    return select(jobs, generations).join(generations, jobs.c.id == generations.c.job)
