"""The same drop twice: which job another one's result is for.

A job that shares a result names its leader in the transaction that writes the job down. A leader follows
nobody at that moment, so nobody ever waits for himself.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, exists, select, update

from runway_watch.job import Generation, Job, State
from runway_watch.ledger.queries import Queries, begins_at, below, joined
from runway_watch.ledger.rows import to_job
from runway_watch.ledger.schema import generations, jobs


class Sharing(Queries):
    """Who follows whom."""

    def like(
        self, wish: str, *, but: str, at: float | None = None, roots: Collection[str] | None = None
    ) -> Job | None:
        """The job to share a result with: one that asked for the same, and that did not fail for good.

        What is done comes first, then what failed when its result, paid for, was fetched, then what is under
        way, and at last what is held.

        Args:
            wish: what is asked for.
            but: the id of the one who asks.
            at: when that one wants to begin (seconds since 1970): it waits for no later appointment.
            roots: those that somebody looks after; None for all.
        """
        with self._reading() as db:
            return self._like(db, wish, but=but, at=at, roots=roots)

    def _like(
        self,
        db: Connection,
        wish: str,
        *,
        but: str,
        at: float | None = None,
        roots: Collection[str] | None = None,
        ended_before: float | None = None,
    ) -> Job | None:
        """The same within a transaction; of what is over, only what had ended before a moment."""
        over = jobs.c.state.in_(["failed", "cancelled", "retiring"]) & jobs.c.verdict.is_not(None)
        is_one = (jobs.c.wish == wish) & (jobs.c.id != but) & jobs.c.duplicate_of.is_(None)
        is_one &= ~over | ((jobs.c.state == "failed") & _has_something())
        if at is not None:
            is_one &= ~_appointed(after=at)
        if roots is not None:
            is_one &= below(roots)
        if ended_before is not None:
            is_one &= jobs.c.state.not_in(["done", "failed"]) | (jobs.c.finished_at < ended_before)
        order = (jobs.c.state != "done", jobs.c.state == "held", jobs.c.finished_at.desc())
        query = select(jobs).where(is_one).order_by(*order, jobs.c.accepted_at.desc()).limit(1)
        row = db.execute(query).mappings().first() if wish else None
        return to_job(dict(row)) if row is not None else None

    def followers(self, *, roots: Collection[str]) -> list[tuple[Job, Generation, Job]]:
        """What has waited for another job's result for long enough, with that job, the first accepted first.

        That job has ended, or it asks for something else now, or it lies below none of these roots, which
        are those that somebody looks after.
        """
        leaders = jobs.alias("leaders")
        over = leaders.c.state.in_(["done", "failed", "cancelled"])
        lost = (leaders.c.wish != jobs.c.wish) | leaders.c.root.not_in(sorted(roots))
        query = joined().join(leaders, jobs.c.duplicate_of == leaders.c.id)
        wait = query.where(jobs.c.duplicate_of.is_not(None), begins_at(State.READY), jobs.c.target.is_(None))
        pairs = self._pairs(wait.where(below(roots), over | lost).order_by(jobs.c.accepted_at))
        named = {job.duplicate_of: self.job(job.duplicate_of or "") for job, _ in pairs}
        return [(job, call, found[0]) for job, call in pairs if (found := named[job.duplicate_of])]

    def go_alone(self, job: Job, *, at: float, roots: Collection[str]) -> None:
        """Let a job that waits in vain for another one's result run for itself, unless it has changed since.

        Of several that do, the first runs, and the others wait for that one.

        Args:
            job: who waits; its leader failed, asks for something else, or has nothing to share.
            at: when it wants to begin.
            roots: those that somebody looks after.
        """
        leader = self.job(job.duplicate_of or "")
        # Each that is over is asked once, the latest first: nobody goes round between two empty folders.
        was_over = leader is not None and leader[0].state in (State.DONE, State.FAILED)
        tried = leader[0].finished_at if leader is not None and was_over else None
        same = (jobs.c.id == job.id) & (jobs.c.wish == job.wish) & (jobs.c.duplicate_of == job.duplicate_of)
        with self._writing() as db:
            like = self._like(db, job.wish, but=job.id, at=at, roots=roots, ended_before=tried)
            db.execute(update(jobs).where(same).values(duplicate_of=like.id if like else None))

    def _wished(self, db: Connection, wishes: Sequence[str]) -> set[str]:
        """Which of the wishes of new jobs are somebody else's too, one of the new ones' included."""
        asked = Counter(wish for wish in wishes if wish)
        query = select(jobs.c.wish).where(jobs.c.wish.in_(sorted(asked))).distinct()
        return {*db.scalars(query), *(wish for wish, count in asked.items() if count > 1)}

    def _joining(self, db: Connection, job: Job, *, at: float, roots: Collection[str] | None) -> Job:
        """A job with the one whose result it is to share, if there is one, it is not forced, and names none.

        It is found in the transaction that writes the job down: two that ask for the same, in two folders
        at once, cannot miss each other. Who begins before another one's appointment is followed by that one.
        """
        is_new = job.state is State.READY and job.verdict is None and job.duplicate_of is None
        if not is_new or not job.wish or job.options.get("force"):
            return job
        like = self._like(db, job.wish, but=job.id, at=at, roots=roots)
        if like is not None:
            return replace(job, duplicate_of=like.id)
        alike = (jobs.c.wish == job.wish) & (jobs.c.id != job.id) & jobs.c.duplicate_of.is_(None)
        unforced = jobs.c.options["force"].as_boolean().is_not(True)
        later = update(jobs).where(alike, unforced, _appointed(after=at))
        db.execute(later.values(duplicate_of=job.id))
        return job


def _has_something() -> ColumnElement[bool]:
    """Whether a failed job has a result at Runway, paid for, that could not be fetched."""
    row = generations.c
    stage = row.verdict["stage"].as_string()
    unfetched = (row.job == jobs.c.id) & row.task_id.is_not(None) & (stage == "collect")
    return exists().where(unfetched)


def _appointed(*, after: float) -> ColumnElement[bool]:
    """Whether a job is to begin later than a moment because its sidecar says so."""
    row = generations.c
    later = (row.job == jobs.c.id) & (row.state == "ready") & row.reason.is_(None) & (row.due_at > after)
    return (jobs.c.state == "ready") & exists().where(later)
