"""The ledger's tables. What must never be true is forbidden here, whatever the code above believes."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from runway_watch.job import LIVE_STATES, Place, State

VERSION = 4
"""Raised with every change below; a ledger of a newer version is refused, an older one is migrated."""

metadata = MetaData()


def _one_of(column: str, values: type[State] | type[Place], name: str) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=name)


_live = text("state IN ({})".format(", ".join(f"'{state}'" for state in sorted(LIVE_STATES))))

_travels = text("target IS NOT NULL")

_follows = text("duplicate_of IS NOT NULL")

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("root", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dropped_as", Text, nullable=False),
    Column("place", String, nullable=False),
    Column("target", String),
    Column("target_name", Text),
    Column("state", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("model", String, nullable=False),
    Column("params", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("references", JSON, nullable=False),
    Column("media_suffix", String, nullable=False),
    Column("mime", String),
    Column("priority", Integer, nullable=False),
    Column("price", Integer),
    Column("accepted_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("sweeps", Integer, nullable=False),
    Column("verdict", JSON),
    Column("wish", String, nullable=False, server_default=""),
    Column("duplicate_of", String),
    Column("told_at", Float),
    Column("prepared", JSON, nullable=False, server_default="{}"),
    _one_of("state", State, "jobs_state"),
    _one_of("place", Place, "jobs_place"),
    # One live job per input: the same files are never accepted twice.
    Index(
        "jobs_live_input",
        "root",
        "folder",
        "place",
        "name",
        "media_suffix",
        unique=True,
        sqlite_where=_live,
        postgresql_where=_live,
    ),
    Index("jobs_name", "root", "folder", "name"),
    Index("jobs_state", "state"),
    Index("jobs_wish", "wish"),
    # Those whose files are on their way are few, and asked for at every look.
    Index("jobs_in_transit", "accepted_at", sqlite_where=_travels, postgresql_where=_travels),
    # So are those that wait for another job's result; asked for at every turn.
    Index("jobs_followers", "root", "state", sqlite_where=_follows, postgresql_where=_follows),
)

generations = Table(
    "generations",
    metadata,
    Column("job", String, ForeignKey("jobs.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("state", String, nullable=False),
    Column("asks", JSON, nullable=False, server_default="{}"),
    Column("prepared", JSON, nullable=False, server_default="{}"),
    Column("model", String, nullable=False, server_default=""),
    Column("price", Integer),
    # Its job's, for the index of the queue.
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("accepted_at", Float, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("reason", String),
    Column("message", Text),
    Column("uploaded_at", Float),
    Column("account", String),
    Column("task_id", String),
    Column("status", String),
    Column("progress", Float),
    Column("polls", Integer, nullable=False),
    Column("polled_at", Float),
    Column("estimated", Integer),
    Column("credits", Integer, nullable=False),
    Column("submitted_at", Float),
    Column("tries", Integer, nullable=False),
    Column("charged", Integer),
    Column("doubted", Integer, nullable=False, server_default="0"),
    Column("evidence", JSON, nullable=False, server_default="{}"),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("outputs", JSON, nullable=False),
    Column("verdict", JSON),
    Column("remarks", JSON, nullable=False, server_default="[]"),
    _one_of("state", State, "generations_state"),
    CheckConstraint("state <> 'running' OR task_id IS NOT NULL", name="running_has_a_task"),
    Index("generations_due", "state", "due_at"),
    Index("generations_queue", "state", "model", text("priority DESC"), "accepted_at", "n"),
)

_unsettled = text("credits IS NULL")

charges = Table(
    "charges",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String, ForeignKey("jobs.id"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", Float, nullable=False),  # when `submitting` was committed
    Column("answered_at", Float),
    Column("reserved", Integer, nullable=False),
    Column("credits", Integer),  # what it was charged in the end
    Column("is_doubtful", Boolean, nullable=False),  # nobody knows if it was carried out, or what it cost
    Index("charges_call", "job", "n"),
    Index("charges_at", "at"),
    Index("charges_unsettled", "at", sqlite_where=_unsettled, postgresql_where=_unsettled),
)
"""One row for each paid call that was, or may have been, carried out."""

_open = text("ended_at IS NULL")

holds = Table(
    "holds",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float),
    Column("message", Text, nullable=False),
    Column("needs", Integer),
    Column("job", String),
    Column("ended_at", Float),
    Index("holds_open", "scope", "reason", unique=True, sqlite_where=_open, postgresql_where=_open),
)

estimates = Table(
    "estimates",
    metadata,
    Column("kind", String, primary_key=True),
    Column("credits", Integer, nullable=False),
)

history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String, ForeignKey("jobs.id"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("event", String, nullable=False),
    Column("was", String, nullable=False),
    Column("state", String, nullable=False),
    Column("note", JSON, nullable=False),
    Index("history_job", "job", "id"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("account", String, primary_key=True),
    Column("sha256", String, primary_key=True),
    Column("uri", Text, nullable=False),
    Column("at", Float, nullable=False),
)

durations = Table(
    "durations",
    metadata,
    Column("kind", String, primary_key=True),
    Column("seconds", JSON, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("verb", String, nullable=False),
    Column("job", String, nullable=False),
    Column("at", Float, nullable=False),
)
