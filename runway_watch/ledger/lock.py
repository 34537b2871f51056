"""One daemon per ledger: an advisory lock on a file beside it, which dies with the process that holds it.

A stale lock cannot exist: the kernel drops it with the last descriptor, whatever killed the daemon.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runway_watch.errors import LedgerError, LedgerLocked

_TRIES, _PAUSE = 10, 0.05
"""A `status` that looks at the lock holds it for an instant; half a second outlasts it."""


class Lock:
    """Holds the right to write a ledger from construction until `release`.

    Args:
        path: the lock file; made if it is not there, never removed.
        note: what `status` shows about the holder.

    Raises:
        LedgerLocked: another process has it.
        LedgerError: the file cannot be made, locked or written to.
    """

    def __init__(self, path: Path, note: Mapping[str, Any]) -> None:
        with _sentences(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                self._take(path)
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, json.dumps(dict(note)).encode(), 0)
            except BaseException:
                os.close(self._fd)
                raise

    def release(self) -> None:
        """Give the ledger up."""
        with suppress(OSError):  # the note is for people; the lock goes with the descriptor
            os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def _take(self, path: Path) -> None:
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if left == 0:
                    raise LedgerLocked(f"{path}: another runway-watch has this ledger{_who(path)}") from None
                time.sleep(_PAUSE)
            else:
                return


def holder(path: Path) -> dict[str, Any] | None:
    """What the daemon that holds this lock says of itself; None when nobody holds it.

    Raises:
        LedgerError: nobody can tell.
    """
    with _sentences(path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(path)
        finally:
            os.close(fd)
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text())
    except (OSError, ValueError):  # the holder is writing it at this instant, or it is not for us to read
        return {}
    return note if isinstance(note, dict) else {}


def _who(path: Path) -> str:
    pid = _read(path).get("pid")
    return f" (process {pid})" if pid else ""


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{path}: the ledger cannot be locked: {error.strerror}") from error
