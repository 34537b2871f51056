"""A broken ledger is recognised before anything is written to it, and set aside whole: nothing is deleted.

What is only locked, unreadable, on a full disk or in trouble of its own is not broken: nothing is concluded
from that, and nothing is moved. SQLite itself would throw a log away that lies beside an empty file, so the
look is one of a reader, and comes before the ledger is opened.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from runway_watch.clock import as_utc
from runway_watch.errors import LedgerError
from runway_watch.ledger import schema

BUSY_SECONDS = 10
EMPTY = "its file is empty"
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps in one database, by the end of the file's name."""

_ROWS = ("jobs", "generations")
_CHILDREN = {"generations", "charges"}
"""Rows that money hangs on, and have to belong to a job."""

_NOT_ONE = "there is a database, but it is no ledger: set `state.url` to a file of its own"


class Damaged(LedgerError):
    """The ledger's file is broken: what it says cannot be relied upon."""

    def __init__(self, why: object) -> None:
        self.why = str(why)
        super().__init__(
            f"the ledger cannot be used, being broken ({why}): the daemon sets it aside at its next start "
            "and builds a new one from the folders"
        )


def is_damage(error: BaseException | None) -> bool:
    """Whether it is the database's contents that SQLite complains of, and not the way to them."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage(file: Path) -> str | None:
    """What is broken about a ledger, by a look at every page; None where nothing is, or none is there.

    A look at 100,000 jobs (270 MB, 700,000 lines of history) took 0.7 s. A ledger of a newer version is
    not ours to judge.

    Raises:
        LedgerError: nobody can tell.
    """
    with _sentences():
        if why := missing(file):
            return why
        if not file.exists():
            return None
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as db:
            db.text_factory = lambda raw: raw.decode(errors="replace")
            try:
                return _look(db)
            except sqlite3.Error as error:
                if is_damage(error):
                    return str(error)
                raise


def version_of(written: object) -> int | None:
    """The version that a ledger names; None when that is none."""
    return int(written) if isinstance(written, str) and written.isascii() and written.isdigit() else None


def missing(file: Path) -> str | None:
    """Whether the file is empty, or gone without its log; this look costs nothing."""
    try:
        return EMPTY if file.stat().st_size == 0 else None
    except FileNotFoundError:
        left = _has_content(_beside(file, "-wal"))
        return "its file is gone, and has left its log behind" if left else None


def set_aside(file: Path, *, at: float) -> Path:
    """Give a ledger, and what belongs to it, a name that nobody uses.

    Returns:
        Where it is now. Should this be broken off midway, the rest follows at the next start.

    Raises:
        LedgerError: it cannot be renamed.
    """
    with _sentences():
        wanted = f"{file.name}.broken-{as_utc(at):%Y%m%dT%H%M%SZ}"
        names = (file.with_name(wanted if n == 1 else f"{wanted}-{n}") for n in count(1))
        there = next(name for name in names if not any(os.path.lexists(_beside(name, b)) for b in _BESIDE))
        for ending in _BESIDE:
            if os.path.lexists(_beside(file, ending)):
                _beside(file, ending).rename(_beside(there, ending))
        _sync(file.parent)
    return there


def _look(db: sqlite3.Connection) -> str | None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None  # begun, and nothing written down yet
    if not tables & set(schema.metadata.tables):
        raise LedgerError(_NOT_ONE)
    version = _version(db) if "meta" in tables else None
    if version is not None and version > schema.VERSION:
        return None
    for (said,) in db.execute("PRAGMA quick_check(1)"):
        if said != "ok":
            return str(said).splitlines()[-1]
    if version is None:
        return "its version cannot be read"
    for table in sorted(tables & _CHILDREN):
        if db.execute(f"PRAGMA foreign_key_check({table})").fetchone():
            return f"a row of {table} belongs to no job"
    return next((f"a row of {name} cannot be read" for name in _ROWS if not _is_readable(db, name)), None)


def _is_readable(db: sqlite3.Connection, table: str) -> bool:
    """Whether rows still mean something: SQLite looks at pages, and not at what was overwritten within one.

    All JSON has to be some, and what may still be worked at has to be text.
    """
    columns = [name for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})") if kind == "JSON"]
    valid = " AND ".join(f'("{name}" IS NULL OR json_valid("{name}"))' for name in columns) or "1"
    if db.execute(f"SELECT 1 FROM {table} WHERE NOT ({valid}) LIMIT 1").fetchone():  # noqa: S608 - our names
        return False
    with closing(db.cursor()) as raw:
        given, db.text_factory = db.text_factory, bytes
        rows = raw.execute(f"SELECT * FROM {table} WHERE state <> 'done'")  # noqa: S608
        readable = all(_is_text(value) for row in rows for value in row if isinstance(value, bytes))
        db.text_factory = given
    return readable


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _version(db: sqlite3.Connection) -> int | None:
    row = db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    return version_of(row[0]) if row else None


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger cannot be used: {error}") from error
