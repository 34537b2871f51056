"""A ledger that version 1 wrote is brought up to date: nothing in it is lost, and its money is counted."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from runway_watch.decide import Move, doubt
from runway_watch.errors import LedgerError
from runway_watch.job import Generation, Job, Output, Place, Reference, State
from runway_watch.ledger import Ledger
from runway_watch.ledger.aside import damage
from runway_watch.ledger.rows import from_generation, from_job
from runway_watch.ledger.schema import VERSION
from runway_watch.wish import wish_of
from tests.forked import KILLED, Forked
from tests.killing import die
from tests.samples import NOW, VERDICT, call, job

S = State
CHECK = re.compile(r"CONSTRAINT (\w+) CHECK \(([^()]*(?:\([^()]*\))?[^()]*)\)")
VERSION_1 = """
CREATE TABLE meta ( "key" VARCHAR NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key") );
CREATE TABLE jobs ( id VARCHAR NOT NULL, root TEXT NOT NULL, folder TEXT NOT NULL, name TEXT NOT
    NULL, dropped_as TEXT NOT NULL, place VARCHAR NOT NULL, target VARCHAR, target_name TEXT, state
    VARCHAR NOT NULL, operation VARCHAR NOT NULL, model VARCHAR NOT NULL, params JSON NOT NULL,
    options JSON NOT NULL, inputs JSON NOT NULL, "references" JSON NOT NULL, media_suffix VARCHAR NOT
    NULL, mime VARCHAR, priority INTEGER NOT NULL, price INTEGER, accepted_at FLOAT NOT NULL,
    finished_at FLOAT, sweeps INTEGER NOT NULL, verdict JSON, PRIMARY KEY (id), CONSTRAINT jobs_state
    CHECK (state IN ('ready', 'uploading', 'submitting', 'running', 'collecting', 'retiring', 'done',
    'failed', 'cancelled', 'held')), CONSTRAINT jobs_place CHECK (place IN ('inbox', 'processing',
    'done', 'failed')) );
CREATE UNIQUE INDEX jobs_live_input ON jobs (root, folder, place, name, media_suffix) WHERE state IN
    ('collecting', 'held', 'ready', 'retiring', 'running', 'submitting', 'uploading');
CREATE INDEX jobs_in_transit ON jobs (accepted_at) WHERE target IS NOT NULL;
CREATE INDEX jobs_name ON jobs (root, folder, name);
CREATE INDEX jobs_queue ON jobs (state, model, priority DESC, accepted_at);
CREATE TABLE uploads ( account VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, uri TEXT NOT NULL, at FLOAT
    NOT NULL, PRIMARY KEY (account, sha256) );
CREATE TABLE durations ( kind VARCHAR NOT NULL, seconds JSON NOT NULL, PRIMARY KEY (kind) );
CREATE TABLE orders ( id INTEGER NOT NULL, verb VARCHAR NOT NULL, job VARCHAR NOT NULL, at FLOAT NOT
    NULL, PRIMARY KEY (id) );
CREATE TABLE generations ( job VARCHAR NOT NULL, n INTEGER NOT NULL, state VARCHAR NOT NULL, attempt
    INTEGER NOT NULL, due_at FLOAT NOT NULL, reason VARCHAR, message TEXT, uploaded_at FLOAT, account
    VARCHAR, task_id VARCHAR, status VARCHAR, progress FLOAT, polls INTEGER NOT NULL, polled_at
    FLOAT, estimated INTEGER, credits INTEGER NOT NULL, submitted_at FLOAT, tries INTEGER NOT NULL,
    started_at FLOAT, ended_at FLOAT, outputs JSON NOT NULL, verdict JSON, PRIMARY KEY (job, n),
    CONSTRAINT generations_state CHECK (state IN ('ready', 'uploading', 'submitting', 'running',
    'collecting', 'retiring', 'done', 'failed', 'cancelled', 'held')), CONSTRAINT running_has_a_task
    CHECK (state <> 'running' OR task_id IS NOT NULL), FOREIGN KEY(job) REFERENCES jobs (id) );
CREATE INDEX generations_due ON generations (state, due_at);
CREATE TABLE history ( id INTEGER NOT NULL, job VARCHAR NOT NULL, n INTEGER NOT NULL, at FLOAT NOT
    NULL, event VARCHAR NOT NULL, was VARCHAR NOT NULL, state VARCHAR NOT NULL, note JSON NOT NULL,
    PRIMARY KEY (id), FOREIGN KEY(job) REFERENCES jobs (id) );
CREATE INDEX history_job ON history (job, id);
INSERT INTO meta VALUES ('version', '1');
"""
"""The tables as version 1 made them."""

FILM = Output(".j-1-1.part", ".mp4", "f" * 64, 9000)
SENT = {"submitted_at": NOW + 5, "tries": 1}
ENDED = SENT | {"ended_at": NOW + 50, "credits": 60, "task_id": "t"}
STYLE = Reference("_refs/style.jpg", "5" * 64, 7000, "image/jpeg")

CALLS: dict[str, tuple[State, dict[str, Any]]] = {
    "ready": (S.READY, {}),
    "uploading": (S.UPLOADING, {"uploaded_at": NOW, "reason": "rate_limited"}),
    "submitting": (S.SUBMITTING, {"uploaded_at": NOW}),
    "resubmitting": (S.SUBMITTING, SENT),  # the answer before was lost, and the operator wants that
    "running": (S.RUNNING, SENT | {"task_id": "t", "estimated": 55}),
    "running-again": (S.RUNNING, SENT | {"task_id": "t", "tries": 2, "credits": 5}),
    "collecting": (S.COLLECTING, ENDED),
    "retiring": (S.RETIRING, ENDED | {"outputs": (FILM,)}),
    "done": (S.DONE, ENDED | {"outputs": (FILM,)}),
    "failed": (S.FAILED, ENDED | {"credits": 0, "verdict": VERDICT}),
    "lost": (S.FAILED, SENT | {"verdict": VERDICT, "task_id": "t"}),
    "cancelled": (S.CANCELLED, {"verdict": VERDICT}),
    "held": (S.HELD, SENT | {"verdict": doubt("reset")}),
}
CHARGES: dict[str, list[Any]] = {
    # job: (at, reserved, credits, doubtful) of each call
    "submitting": [(NOW + 3, 60, None, 0)],
    "resubmitting": [(NOW + 5, 60, None, 1), (NOW + 3, 60, None, 0)],
    "running": [(NOW + 5, 55, None, 0)],
    "running-again": [(NOW + 5, 60, 5, 0), (NOW + 5, 60, None, 0)],
    "collecting": [(NOW + 5, 60, 60, 0)],
    "retiring": [(NOW + 5, 60, 60, 0)],
    "done": [(NOW + 5, 60, 60, 0)],
    "lost": [(NOW + 5, 60, None, 1)],
    "held": [(NOW + 5, 60, None, 1)],
}
_PLACES = {S.DONE: Place.DONE, S.FAILED: Place.FAILED, S.CANCELLED: Place.FAILED}


def jobs() -> Iterator[tuple[Job, Generation]]:
    for name, (state, facts) in CALLS.items():
        found = job(
            name, state=state, place=_PLACES.get(state, Place.PROCESSING), verdict=facts.get("verdict")
        )
        params = {**found.params, "prompt_image": f"file:{name}.png", "prompt_text": name}
        items = tuple(replace(i, dropped_as=name + i.suffix) for i in found.inputs)
        yield replace(found, params=params, inputs=items), call(name, state, **facts)
    # One that was refused, and one that refers to another file.
    yield (
        job("refused", state=S.FAILED, place=Place.FAILED, operation="", model="", params={}),
        call("refused", S.FAILED),
    )
    referring = job("referring", references={"file:_refs/style.jpg": STYLE}, inputs=(), media_suffix="")
    yield replace(referring, params={"model": "m", "r": [{"uri": "file:_refs/style.jpg"}]}), call("referring")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A ledger of version 1 with a job in every state."""
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSION_1)
        for found, generation in jobs():
            insert(db, "jobs", from_job(found))
            insert(db, "generations", from_generation(generation))
            line = {"job": found.id, "n": 1, "at": NOW + 3, "event": "submit", "was": "uploading"}
            insert(db, "history", line | {"state": "submitting", "note": {}})
        db.execute("INSERT INTO uploads VALUES ('account', 'sha', 'runway://x', 1.5)")
        db.execute("INSERT INTO durations VALUES ('kind', '[1.5, 2]')")
        db.execute("INSERT INTO orders VALUES (7, 'retry', 'failed', 1.5)")
        db.commit()
    return path


def insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Write what version 1 had columns for."""
    columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})") if name in row]
    values = [json.dumps(row[c]) if isinstance(row[c], dict | list) else row[c] for c in columns]
    names = ", ".join(f'"{name}"' for name in columns)
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", values)


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def contents(path: Path) -> dict[str, list[Any]]:
    """Everything that version 1 knew, in its own columns."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(VERSION_1)
        tables = {
            table: ", ".join(f'"{name}"' for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    known = {
        name: rows(path, f"SELECT {columns} FROM {name} ORDER BY 1, 2") for name, columns in tables.items()
    }
    return {name: found for name, found in known.items() if name != "meta"}


def migrated(path: Path) -> Ledger:
    assert damage(path) is None
    return Ledger(f"sqlite:///{path}")


def test_nothing_that_was_known_is_lost(old: Path) -> None:
    before = contents(old)
    migrated(old).close()
    assert contents(old) == before
    assert rows(old, "SELECT value FROM meta WHERE key = 'version'") == [(str(VERSION),)]
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old, "PRAGMA foreign_key_check") == []
    with migrated(old) as ledger:
        assert len(ledger.latest()) == len(CALLS) + 2
        assert ledger.upload("account", "sha", since=0.0) == "runway://x"
        assert ledger.orders() == [(7, "retry", "failed")]


def test_wishes_are_named_as_a_new_drop_would_name_them(old: Path) -> None:
    with migrated(old) as ledger:
        for found, _ in jobs():
            pair = ledger.job(found.id)
            assert pair is not None
            media = {f"file:{found.id}.png": "a" * 64} | {"file:_refs/style.jpg": "5" * 64}
            expected = wish_of(found.operation, found.params, media) if found.operation else ""
            assert pair[0].wish == expected, found.id


def test_charges_are_what_was_paid_and_what_may_still_have_to_be(old: Path) -> None:
    migrated(old).close()
    found: dict[str, list[Any]] = {}
    for name, *values in rows(old, "SELECT job, at, reserved, credits, is_doubtful FROM charges ORDER BY id"):
        found.setdefault(name, []).append(tuple(values))
    assert found == CHARGES


@pytest.mark.parametrize("name", ["submitting", "resubmitting"])
def test_a_call_that_was_on_its_way_is_counted_however_it_ends(name: str, old: Path) -> None:
    earlier: list[Any] = CHARGES[name][:-1]
    with migrated(old) as ledger:
        [sent] = ledger.calls(name)
        [held] = ledger.move([(sent, Move("doubt", {"verdict": doubt("reset")}))], at=NOW + 9)
        assert held.state is S.HELD
    charged = rows(old, f"SELECT at, reserved, credits, is_doubtful FROM charges WHERE job = '{name}'")
    assert charged == [*earlier, (NOW + 3, 60, None, 1)]


def test_tables_indexes_and_constraints_are_those_of_a_new_one(old: Path, tmp_path: Path) -> None:
    migrated(old).close()
    new = tmp_path / "new.sqlite3"
    Ledger(f"sqlite:///{new}").close()
    assert shape(old) == shape(new)
    assert len(shape(new)["jobs"][1]) == len(shape(new)["generations"][1]) == 2


def shape(path: Path) -> dict[str, Any]:
    """What a database forbids and how it finds things, without the order of its columns."""
    indexes = rows(path, "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    found: dict[str, Any] = {"indexes": sorted(" ".join(sql.split()) for (sql,) in indexes)}
    for name, sql in rows(path, "SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        columns = sorted(row[1:] for row in rows(path, f"PRAGMA table_info({name})"))
        keys = [row[2:] for row in rows(path, f"PRAGMA foreign_key_list({name})")]
        found[name] = columns, sorted(CHECK.findall(" ".join(sql.split()))), keys
    return found


def test_what_was_forbidden_still_is(old: Path) -> None:
    migrated(old).close()
    for wrong in (
        "UPDATE jobs SET state = 'somewhere'",
        "UPDATE generations SET state = 'running', task_id = NULL",
        "UPDATE jobs SET wish = NULL",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            rows(old, wrong)


def test_a_reader_changes_nothing_and_says_who_does(old: Path) -> None:
    before = rows(old, "SELECT sql FROM sqlite_master")
    with pytest.raises(LedgerError, match="older version: the daemon"):
        Ledger(f"sqlite:///{old}", readonly=True)
    assert rows(old, "SELECT sql FROM sqlite_master") == before


def migrate_and_die(path: str, nth: int) -> None:
    """Migrate in this process, and die before the nth statement."""
    left = [nth]

    def before(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

    event.listen(Engine, "before_cursor_execute", before)
    Ledger(f"sqlite:///{path}").close()
    os._exit(0)


def test_a_crash_at_any_statement_leaves_the_old_version_whole(old: Path) -> None:
    """At every fifth, for all of them are one transaction."""
    tables, before = rows(old, "SELECT sql FROM sqlite_master"), contents(old)
    for nth in range(1, 1000, 5):
        ended = Forked(migrate_and_die, str(old), nth).wait(30)
        if ended != KILLED:
            break
        assert rows(old, "SELECT sql FROM sqlite_master") == tables, nth
        assert rows(old, "SELECT value FROM meta") == [("1",)]
        assert contents(old) == before
    assert (ended, nth > 30) == (0, True)
    assert rows(old, "SELECT value FROM meta") == [(str(VERSION),)]
    assert contents(old) == before


SINCE = {
    3: ["DROP INDEX jobs_followers"],
    4: [
        "DROP INDEX generations_queue",
        *(
            f"ALTER TABLE generations DROP COLUMN {column}"
            for column in ("remarks", "asks", "prepared", "model", "price", "priority", "accepted_at")
        ),
        "ALTER TABLE jobs DROP COLUMN prepared",
        "CREATE INDEX jobs_queue ON jobs (state, model, priority DESC, accepted_at)",
    ],
}
"""What takes away what a version has more than the one before."""


@pytest.mark.parametrize("version", [2, 3])
def test_a_ledger_of_a_later_version_gets_what_it_lacks(tmp_path: Path, version: int) -> None:
    file = tmp_path / "ledger.sqlite3"
    with Ledger(f"sqlite:///{file}") as ledger:
        new = job("j1", model="veo3", price=77, priority=5, accepted_at=NOW + 3)
        ledger.admit([(new, [call("j1", model="veo3", price=77)])])
    whole = shape(file)
    with closing(sqlite3.connect(file)) as db:
        for statement in (each for since, all_of in SINCE.items() if since > version for each in all_of):
            db.execute(statement)
        db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(version),))
        db.commit()
    assert shape(file) != whole
    Ledger(f"sqlite:///{file}").close()
    assert shape(file) == whole
    assert rows(file, "SELECT value FROM meta WHERE key = 'version'") == [(str(VERSION),)]
    found = rows(file, "SELECT asks, model, price, priority, accepted_at FROM generations")
    assert found == [("{}", "veo3", 77, 5, NOW + 3)]
