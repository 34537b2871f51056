"""Brings a ledger that an older version has written up to date, in one transaction: all of it or nothing."""

from sqlalchemy import Connection, func, insert, select, text, update

from runway_watch.ledger import schema
from runway_watch.ledger.rows import to_job
from runway_watch.wish import wish_of

_SINCE_2 = (
    "ALTER TABLE jobs ADD COLUMN wish VARCHAR NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN duplicate_of VARCHAR",
    "ALTER TABLE jobs ADD COLUMN told_at FLOAT",
    "UPDATE jobs SET told_at = finished_at WHERE state IN ('failed', 'cancelled')",
    "ALTER TABLE generations ADD COLUMN charged INTEGER",
    "ALTER TABLE generations ADD COLUMN doubted INTEGER NOT NULL DEFAULT '0'",
    "ALTER TABLE generations ADD COLUMN evidence JSON NOT NULL DEFAULT '{}'",
)

_SINCE_4 = (
    "DROP INDEX IF EXISTS jobs_queue",
    "ALTER TABLE jobs ADD COLUMN prepared JSON NOT NULL DEFAULT '{}'",
    "ALTER TABLE generations ADD COLUMN remarks JSON NOT NULL DEFAULT '[]'",
    "ALTER TABLE generations ADD COLUMN asks JSON NOT NULL DEFAULT '{}'",
    "ALTER TABLE generations ADD COLUMN prepared JSON NOT NULL DEFAULT '{}'",
    "ALTER TABLE generations ADD COLUMN model VARCHAR NOT NULL DEFAULT ''",
    "ALTER TABLE generations ADD COLUMN price INTEGER",
    "ALTER TABLE generations ADD COLUMN priority INTEGER NOT NULL DEFAULT '0'",
    "ALTER TABLE generations ADD COLUMN accepted_at FLOAT NOT NULL DEFAULT '0'",
    """UPDATE generations SET (model, price, priority, accepted_at) =
    (SELECT model, price, priority, accepted_at FROM jobs WHERE jobs.id = generations.job)""",
)


def migrate(db: Connection, found: int) -> None:
    """Bring a ledger of version `found` to `schema.VERSION`."""
    if found < 2:
        for statement in _SINCE_2:
            db.execute(text(statement))
    if found < 4:
        for statement in _SINCE_4:
            db.execute(text(statement))
    schema.metadata.create_all(db)
    for index in schema.jobs.indexes | schema.generations.indexes:  # version 3 has no more than one of these
        index.create(db, checkfirst=True)
    if found < 2:
        _name_wishes(db)
        _write_charges(db)
    db.execute(update(schema.meta).where(schema.meta.c.key == "version").values(value=str(schema.VERSION)))


def _name_wishes(db: Connection) -> None:
    for row in db.execute(select(schema.jobs)).mappings().all():
        job = to_job(dict(row))
        named = {written: reference.sha256 for written, reference in job.references.items()}
        if job.media is not None:
            named[f"file:{job.media.dropped_as}"] = job.media.sha256
        if job.operation:
            wish = wish_of(job.operation, job.params, named)
            db.execute(update(schema.jobs).where(schema.jobs.c.id == job.id).values(wish=wish))


def _write_charges(db: Connection) -> None:
    """One row for what each generation has cost so far, and one for each call that is open or in doubt."""
    query = select(schema.generations)
    sent = schema.generations.c.submitted_at.is_not(None) | (schema.generations.c.state == "submitting")
    began = _began(db)
    for call in db.execute(query.where(sent)).mappings().all():
        at = call["submitted_at"]
        row = {"job": call["job"], "n": call["n"], "at": at, "answered_at": at, "is_doubtful": False}
        row |= {"reserved": call["estimated"] or call["price"] or 0}
        if call["credits"]:
            db.execute(insert(schema.charges), row | {"credits": call["credits"]})
        if at is not None and call["ended_at"] is None:
            db.execute(insert(schema.charges), row | {"is_doubtful": call["state"] != "running"})
        if call["state"] == "submitting":  # nobody has answered it yet; charges are written in their order
            began_at = began.get((call["job"], call["n"]), call["due_at"])
            db.execute(insert(schema.charges), row | {"at": began_at, "answered_at": None})


def _began(db: Connection) -> dict[tuple[str, int], float]:
    """When each generation's last paid request was allowed to leave."""
    told = schema.history.c
    query = select(told.job, told.n, func.max(told.at)).where(told.event == "submit")
    return {(job, n): at for job, n, at in db.execute(query.group_by(told.job, told.n))}
