"""What becomes of the ledger's moments when somebody has set the clock.

While a daemon runs, the jump is noticed, and what is waited for or counted moves along with it. A daemon that
starts cannot know of one; but what lies ahead of its clock, and could not, gives away that it was set back.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, bindparam, case, delete, select, update

from runway_watch.job import LIVE_STATES, Generation, Job, State
from runway_watch.ledger.queries import Queries
from runway_watch.ledger.schema import charges, generations, holds, jobs, uploads

_NOTICED_SECONDS = 60.0
"""So long after a jump, at the most, it is known: till then moments are written down by the new clock."""

_MONEY = (charges.c.at, charges.c.answered_at)
_HELD = (holds.c.since, holds.c.until)
_IS_OPEN = holds.c.ended_at.is_(None)


class Moments(Queries):
    """The ledger's moments, and the clock."""

    def shift(self, seconds: float, *, at: float) -> int:
        """Take everything along with a clock that was set: what was due in 5 s still is.

        Args:
            seconds: how far the clock was set forward, or back (below 0).
            at: the moment, by the clock as it is now.

        Returns:
            How many generations were touched.

        The appointment of a job that has not begun is one by the clock, and stays. After a jump forward, so
        does what is nearer to the new time than to the old: it was written down after the jump, and one
        more would put it off by as much. After a jump back that is due at once, which does no harm; but a
        call that was just paid for stays one of today.
        """

        def moved(column: ColumnElement[float]) -> ColumnElement[float]:
            if seconds < 0:
                return column + seconds
            return case((column < at - seconds / 2, column + seconds), else_=column)

        def counted(column: ColumnElement[float]) -> ColumnElement[float]:
            if seconds > 0:
                return moved(column)
            return case((column.between(at - _NOTICED_SECONDS, at), column), else_=column + seconds)

        row = generations.c
        appointed = (row.state == State.READY) & row.reason.is_(None) & (row.due_at > at - seconds)
        live = row.state.in_(sorted(LIVE_STATES)) & ~appointed
        times = {name: moved(row[name]) for name in ("due_at", "started_at", "polled_at")}
        with self._writing() as db:
            db.execute(update(uploads).values(at=moved(uploads.c.at)))  # they are relied upon for a day
            db.execute(update(charges).values({column: counted(column) for column in _MONEY}))
            db.execute(update(holds).where(_IS_OPEN).values({column: counted(column) for column in _HELD}))
            return db.execute(update(generations).where(live).values(times)).rowcount

    def ahead(self, *, at: float) -> list[tuple[Job, Generation]]:
        """What is live and due later than at a moment, with its job."""
        row = generations.c
        both = select(jobs, generations).join_from(jobs, generations, jobs.c.id == row.job)
        return self._pairs(both.where(row.state.in_(sorted(LIVE_STATES)), row.due_at > at))

    def bring_forward(self, due: Iterable[tuple[Generation, float]]) -> None:
        """Let generations be due at these moments."""
        row, rows = generations.c, [{"j": call.job, "i": call.n, "due": moment} for call, moment in due]
        its = (row.job == bindparam("j")) & (row.n == bindparam("i"))
        if rows:
            with self._writing() as db:
                db.execute(update(generations).where(its).values(due_at=bindparam("due")), rows)

    def doubt_future(self, *, at: float) -> None:
        """Believe nothing that is said to have happened after this moment to have happened then.

        It has happened: calls count as of now, holds stand since now. Whether an upload still lies at Runway
        nobody can tell, so it is forgotten.
        """
        with self._writing() as db:
            db.execute(delete(uploads).where(uploads.c.at > at))
            for column in (*_MONEY, holds.c.since):
                db.execute(update(column.table).where(column > at).values({column: at}))
