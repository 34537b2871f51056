"""Records beside a job's files: each is whole or not there, and only its own job changes or removes it."""

import os
from contextlib import suppress

from runway_watch.records import MOST_BYTES, owner_of
from runway_watch.spool.rename import move, replace
from runway_watch.spool.spot import NotPlain, Spot


def post(spot: Spot, text: str, *, job: str, half: Spot) -> None:
    """Write a record, or write it anew.

    Args:
        spot: where; beside the job's files.
        text: the record.
        job: whose it is.
        half: the hidden name under which it is written first, in the same folder.

    Raises:
        NameTaken: something else has the name, a record of another job or whatever it is.
        OSError: it could not be written.
    """
    with half.removed_on_failure():
        _write(half, text)
        if _owner(spot) == job:
            replace(half, spot)
        else:
            move(half, spot)
    spot.folder.sync()


def take_down(spot: Spot, *, job: str) -> None:
    """Remove a record of this job; whatever else lies there stays. Raises OSError."""
    if _owner(spot) == job:
        with suppress(FileNotFoundError):
            spot.unlink()


def _owner(spot: Spot) -> str | None:
    """The job that a record belongs to; None for what is none of ours, whatever it is."""
    try:
        with spot.reading() as file:
            return owner_of(file.read(MOST_BYTES + 1))
    except (NotPlain, FileNotFoundError, NotADirectoryError, PermissionError):
        return None  # what is closed to us was not written by us


def _write(half: Spot, text: str) -> None:
    with half.fresh(0o666) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
