"""What the ledger remembers besides jobs: contents that lie at Runway, usual durations, orders of people."""

import json
from typing import Any

from sqlalchemy import insert, select

from runway_watch.ledger import schema
from runway_watch.ledger.database import Database
from runway_watch.polling import REMEMBERED


class Memory(Database):
    """Facts that make work cheaper, and the orders that `retry` and its like leave for the daemon."""

    def upload(self, account: str, sha256: str, *, since: float) -> str | None:
        """Where this content lies at Runway, if it was put there after `since`."""
        table = schema.uploads
        query = select(table.c.uri).where(
            table.c.account == account, table.c.sha256 == sha256, table.c.at > since
        )
        with self._reading() as db:
            return db.scalar(query)

    def uploaded(self, account: str, sha256: str, *, uri: str, at: float) -> None:
        """Remember where a content lies since `at`."""
        table = schema.uploads
        with self._writing() as db:
            db.execute(table.delete().where(table.c.account == account, table.c.sha256 == sha256))
            db.execute(insert(table), {"account": account, "sha256": sha256, "uri": uri, "at": at})

    def forget_upload(self, account: str, sha256: str) -> None:
        """Rely no longer on a content lying at Runway."""
        table = schema.uploads
        with self._writing() as db:
            db.execute(table.delete().where(table.c.account == account, table.c.sha256 == sha256))

    def durations(self, kind: str) -> list[float]:
        """How long the last generations of a kind took, in seconds."""
        query = select(schema.durations.c.seconds).where(schema.durations.c.kind == kind)
        with self._reading() as db:
            return list(db.scalar(query) or [])

    def took(self, kind: str, seconds: float) -> None:
        """Remember one more duration of a kind."""
        table = schema.durations
        with self._writing() as db:
            known = db.scalar(select(table.c.seconds).where(table.c.kind == kind)) or []
            db.execute(table.delete().where(table.c.kind == kind))
            db.execute(insert(table), {"kind": kind, "seconds": [*known, seconds][-REMEMBERED:]})

    def remember(self, key: str, value: Any) -> None:
        """Keep a plain value under a name, in place of the one before."""
        table = schema.meta
        with self._writing() as db:
            db.execute(table.delete().where(table.c.key == key))
            db.execute(insert(table), {"key": key, "value": json.dumps(value)})

    def recall(self, key: str) -> Any:
        """The value that is kept under a name; None when there is none."""
        with self._reading() as db:
            found = db.scalar(select(schema.meta.c.value).where(schema.meta.c.key == key))
        return None if found is None else json.loads(found)

    def order(self, verb: str, job: str = "", *, at: float) -> int:
        """Leave an order of a person for whoever holds the lock, about a job or everything. Its number."""
        with self._writing() as db:
            made = db.execute(insert(schema.orders), {"verb": verb, "job": job, "at": at})
            return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0

    def orders(self) -> list[tuple[int, str, str]]:
        """Open orders as (id, verb, job), the oldest first."""
        table = schema.orders
        with self._reading() as db:
            rows = db.execute(select(table.c.id, table.c.verb, table.c.job).order_by(table.c.id)).all()
        return [(number, verb, job) for number, verb, job in rows]

    def carried_out(self, number: int) -> None:
        """Strike an order off the list."""
        with self._writing() as db:
            db.execute(schema.orders.delete().where(schema.orders.c.id == number))

    def prune(self, *, before: float) -> None:
        """Forget uploads from before this moment: Runway has forgotten them too."""
        with self._writing() as db:
            db.execute(schema.uploads.delete().where(schema.uploads.c.at < before))
