"""The queue: what may go on next, of each model, and how much of it there is. Nothing here changes anything.

There may be very many that have not begun, and they are asked for many times a second: the index of the queue
has them in their order, by state and model.
"""

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, func, select

from runway_watch.job import Generation, Job, State
from runway_watch.ledger.queries import Queries, below, joined
from runway_watch.ledger.schema import generations, jobs

PUT_OFF_SECONDS = 20.0
"""Whose paid request is put off for longer than this makes room for others."""


MANY = 1000
"""So many that have not begun are counted for each model: nobody begins more of them at once."""


class Queue(Queries):
    """What waits, and what is at Runway."""

    def queue(
        self, state: State, model: str, *, at: float, limit: int, roots: Collection[str]
    ) -> list[tuple[Job, Generation]]:
        """The next `limit` of a model that may go on from `state` (ready, or uploading and uploaded)."""
        row = generations.c
        # The index of what is due, which has no order of its own, is kept out by coalesce.
        query = joined().where(row.state == state, row.model == model, func.coalesce(row.due_at, 0.0) <= at)
        query = query.where(jobs.c.target.is_(None), below(roots))
        if state is State.UPLOADING:
            query = query.where(row.uploaded_at.is_not(None))
        else:
            query = query.where(jobs.c.duplicate_of.is_(None))
        return self._pairs(query.order_by(row.priority.desc(), row.accepted_at, row.n).limit(limit))

    def before(self, job: Job, call: Generation) -> int:
        """How many generations of other jobs go before one, of its model and not at Runway yet."""
        row = generations.c
        first = (row.priority == job.priority) & (row.accepted_at < job.accepted_at)
        query = (
            select(func.count())
            .select_from(generations.join(jobs))
            .where(
                row.state.in_(["ready", "uploading"]),
                row.model == call.model,
                (row.priority > job.priority) | first,
                row.job != job.id,
                jobs.c.duplicate_of.is_(None),
            )
        )
        with self._reading() as db:
            return db.scalar(query) or 0

    def begun(self, job_ids: Collection[str]) -> set[str]:
        """Those of these jobs one of whose generations is at Runway, or has brought something."""
        row = generations.c
        has_some = (row.state == "retiring") & (func.json_array_length(row.outputs) > 0)
        in_doubt = (row.state == "held") & (jobs.c.state != "held")  # nobody has been told of it yet
        is_begun = row.state.in_(["submitting", "running", "collecting"]) | has_some | in_doubt
        query = select(row.job).join(jobs, jobs.c.id == row.job)
        with self._reading() as db:
            return set(db.scalars(query.where(row.job.in_(sorted(job_ids)), is_begun)))

    def traffic(self, *, at: float, roots: Collection[str]) -> dict[str, dict[State, int]]:
        """How many generations each model has in each live state at a moment; of `ready`, at most `MANY`.

        What is still to be sent counts below these roots only, and not when its paid request is put off for
        long, or it cannot be read for long: it takes nobody's place. What is at Runway counts wherever its
        files are, for it takes one of the account's slots; but a task of another account takes none of this
        one's.
        """
        row = generations.c
        waits_long = row.reason.is_not(None) & (row.due_at > at + PUT_OFF_SECONDS)
        is_put_off = waits_long & (row.uploaded_at.is_not(None) | (row.reason == "share"))
        to_be_sent = below(roots) & ~is_put_off
        at_runway = row.state.in_(["submitting", "running"]) & (
            func.coalesce(row.reason, "") != "other_account"
        )
        query = (
            select(row.model, row.state, func.count())
            .join(jobs, jobs.c.id == row.job)
            .where(((row.state == "uploading") & to_be_sent) | at_runway)
            .group_by(row.model, row.state)
        )
        found: dict[str, dict[State, int]] = {}
        with self._reading() as db:
            for model, state, count in db.execute(query):
                found.setdefault(model, {})[State(state)] = count
            for model in _models(db, State.READY):
                new = joined().where(row.model == model, row.state == "ready", to_be_sent)
                few = new.with_only_columns(jobs.c.id).limit(MANY).subquery()
                if count := db.scalar(select(func.count()).select_from(few)):
                    found.setdefault(model, {})[State.READY] = count
        return found


def _models(db: Connection, state: State) -> Iterator[str]:
    """The models in a state: each is found in the index at once, however many generations it has."""
    first = select(func.min(generations.c.model)).where(generations.c.state == state)
    model = db.scalar(first)
    while model is not None:
        yield model
        model = db.scalar(first.where(generations.c.model > model))
