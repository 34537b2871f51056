"""Holds in the ledger: what is open now, and the moment at which each began and ended."""

from collections.abc import Iterable

from sqlalchemy import Update, func, insert, select, update

from runway_watch.job import Hold
from runway_watch.ledger.database import Database
from runway_watch.ledger.schema import holds


class Holding(Database):
    """Holds that are open, and those that were."""

    def holds(self) -> list[Hold]:
        """Every open hold, the oldest first."""
        query = select(holds).where(holds.c.ended_at.is_(None)).order_by(holds.c.since)
        names = ("reason", "since", "scope", "message", "until", "needs", "job")
        with self._reading() as db:
            return [Hold(**{name: row[name] for name in names}) for row in db.execute(query).mappings()]

    def hold(self, *, begun: Iterable[Hold], ended: Iterable[Hold], at: float) -> None:
        """Write down that holds have ended and others begun; one that is open already takes the new words."""
        with self._writing() as db:
            for hold in ended:
                db.execute(_open(hold).values(ended_at=at))
            for hold in begun:
                told = {name: getattr(hold, name) for name in ("message", "until", "needs", "job")}
                if not db.execute(_open(hold).values(**told)).rowcount:
                    known = {"scope": hold.scope, "reason": hold.reason, "since": hold.since}
                    db.execute(insert(holds), known | told)

    def last_held(self, reason: str) -> float:
        """When the last hold for this reason ended, seconds since 1970; 0 if there was none."""
        with self._reading() as db:
            return db.scalar(select(func.max(holds.c.ended_at)).where(holds.c.reason == reason)) or 0.0


def _open(hold: Hold) -> Update:
    its = (holds.c.scope == hold.scope) & (holds.c.reason == hold.reason)
    return update(holds).where(its, holds.c.ended_at.is_(None))
