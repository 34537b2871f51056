"""The database under the ledger: how it is opened, what a transaction is, and whose errors come out.

SQLite runs in WAL mode with `synchronous=FULL`: what is committed survives a power cut.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from runway_watch.errors import LedgerError, LostUpdate, NoLedger
from runway_watch.ledger import schema
from runway_watch.ledger.aside import BUSY_SECONDS, Damaged, is_damage, missing, version_of
from runway_watch.ledger.migrations import migrate

_PATIENCE = f"busy_timeout={BUSY_SECONDS * 1000}"
_MAKE_WRITABLE = (
    "let it, what lies beside it and its folder belong to the user who runs the daemon, on a disk that is "
    "not write-protected"
)


class Database:
    """An open database with the ledger's tables in it.

    Args:
        url: SQLAlchemy's address of it; a SQLite file and its folder are made if they are not there.
        readonly: for `status` and the like: nothing is made, nothing can be written.

    Raises:
        Damaged: its file is broken; nothing was changed.
        LedgerError: it cannot be opened, or not for writing, or was written by a newer version.
    """

    def __init__(self, url: str, *, readonly: bool = False) -> None:
        self._engine = _engine(url, readonly=readonly)
        self._shared: Connection | None = None
        try:
            self._open(readonly=readonly)
        except LedgerError:
            self.close()
            raise

    def _open(self, *, readonly: bool) -> None:
        with self._reading() as db:
            found = _version(db)
        if found is None and readonly:
            raise NoLedger("the ledger is empty: the daemon has not run yet")
        if found is None:
            self._make()
        elif found > schema.VERSION:
            raise LedgerError(f"the ledger is of version {found}, newer than this program's {schema.VERSION}")
        elif found < schema.VERSION and readonly:
            raise LedgerError(
                "the ledger is of an older version: the daemon brings it up to date when it starts"
            )
        elif found < schema.VERSION:
            self._migrate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _make(self) -> None:
        with self._altering() as db:
            if _version(db) is None:  # nobody was faster
                schema.metadata.create_all(db)
                db.execute(insert(schema.meta), {"key": "version", "value": str(schema.VERSION)})

    def _migrate(self) -> None:
        with self._altering() as db:
            found = _version(db)
            if found is not None and found < schema.VERSION:
                migrate(db, found)

    @contextmanager
    def _altering(self) -> Iterator[Connection]:
        """A transaction that holds for tables too: Python's SQLite would commit their changes one by one."""
        with self._writing() as db:
            if db.dialect.name == "sqlite":
                db.exec_driver_sql("BEGIN IMMEDIATE")
            yield db

    @contextmanager
    def one_transaction(self) -> Iterator[None]:
        """Make everything that this thread asks for inside the block one transaction, all or none of it."""
        with _foreign_errors(), self._engine.begin() as db:
            self._shared = db
            try:
                yield
            finally:
                self._shared = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._shared is not None:
            yield self._shared
            return
        with _foreign_errors(), self._engine.connect() as db:
            yield db

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._shared is not None:
            yield self._shared
            return
        with _foreign_errors(), self._engine.begin() as db:
            yield db


def file_of(url: str) -> Path | None:
    """The file that a ledger's address points at, if it is SQLite. Raises LedgerError for no address."""
    with _foreign_errors():
        parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if is_file else None


def _engine(url: str, *, readonly: bool) -> Engine:
    path = file_of(url)
    if path is not None and readonly and not path.exists():
        raise NoLedger(f"{path}: no ledger is there; the daemon has not run yet")
    with _foreign_errors():
        if path is not None and (why := missing(path)):
            raise Damaged(why)
        if path is not None and not readonly:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        if path is not None:
            event.listen(engine, "connect", _to_read if readonly else partial(_to_write, path))
        return engine


def _to_write(path: Path, connection: sqlite3.Connection, _: object) -> None:
    """Make a new connection one that surely can write, or none at all.

    A file that it may not write, or that there is no descriptor for, SQLite opens for reading, and says
    nothing; the connection would stay in the pool for as long as the daemon lives.
    """
    try:
        for pragma in (_PATIENCE, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA user_version=0")  # to begin is not refused, and this is never written
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        connection.close()
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise LedgerError(f"{path} cannot be opened for writing ({error}): {_MAKE_WRITABLE}") from error
        raise


def _to_read(connection: sqlite3.Connection, _: object) -> None:
    for pragma in (_PATIENCE, "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _version(db: Connection) -> int | None:
    """The version of the tables; None when there are none. Raises Damaged when it cannot be read."""
    tables = inspect(db).get_table_names()
    if not tables:
        return None
    has_one = schema.meta.name in tables
    found = db.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "version")) if has_one else None
    version = version_of(found)
    if version is None:
        raise Damaged("its version cannot be read")
    return version


@contextmanager
def _foreign_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise LostUpdate(f"the ledger would contradict itself: {error.orig}") from error
    except DBAPIError as error:
        if is_damage(error.orig):
            raise Damaged(error.orig) from error
        raise LedgerError(f"the ledger cannot be used: {error.orig}") from error
    except (SQLAlchemyError, OSError, ImportError, OverflowError) as error:
        raise LedgerError(f"the ledger cannot be used: {error}") from error
