"""A second name for a file's contents: a hard link where the filesystem has them, else a copy."""

import os

from runway_watch.spool.checksum import digest_of
from runway_watch.spool.copying import pour
from runway_watch.spool.rename import link
from runway_watch.spool.spot import NotPlain, Spot

MODE = 0o640
"""The permissions of an output, before the process's umask."""


def duplicate(source: Spot, target: Spot, *, sha256: str) -> bool:
    """Give contents a second name, on disk when this returns.

    Args:
        source: a file, never followed through a link.
        target: the new name; what lies there is removed.
        sha256: what the contents have to be.

    Returns:
        Whether they were; if not, there is no target.

    Raises:
        OSError: the folders are in trouble.
    """
    target.clear()
    try:
        _give(source, target)
        if _holds(target, sha256):
            return True
    except (FileNotFoundError, NotADirectoryError, NotPlain):
        pass
    target.clear()
    return False


def _give(source: Spot, target: Spot) -> None:
    with source.reading() as file:
        try:
            link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # another filesystem, or one without links
            with target.fresh(MODE) as copy:
                pour(file, copy)


def _holds(target: Spot, sha256: str) -> bool:
    with target.reading() as file:
        os.fsync(file.fileno())
        return digest_of(file) == sha256
