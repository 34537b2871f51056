"""All that lies in one of the four folders, for a ledger that has lost its knowledge of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runway_watch.drops import RECORDS, is_junk
from runway_watch.job import Place
from runway_watch.spool.folder import entered
from runway_watch.spool.rename import move
from runway_watch.spool.scan import Listing, walk
from runway_watch.spool.spot import Spot

_ENDINGS = "|".join(re.escape(ending) for ending in RECORDS)
_HALF = re.compile(rf"\.(?P<job>\d{{6}}-[0-9a-f]{{8}})(?:(?P<output>-\d+-\d+)|{_ENDINGS})\.part")
"""The names under which outputs and records are written before they are whole, with the job's id."""

_PASSED_OVER = (FileNotFoundError, NotADirectoryError, PermissionError)


def inventory(top: Path, skips: Callable[[str], bool] = is_junk) -> Iterator[Listing]:
    """Every folder with its files, but for names that are passed over.

    Raises:
        OSError: one of them cannot be read: what lies there is not to be taken for gone. Folders that are
            closed to us are passed over; none of them is ours.
    """
    return walk(top, skips, but=_PASSED_OVER)


@dataclass(frozen=True, slots=True)
class Half:
    """What was being written, or was written and has no final name yet.

    Args:
        folder, name: where.
        job: for which job.
        is_output: it is no record.
    """

    folder: str
    name: str
    job: str
    is_output: bool


def halves(top: Path) -> Iterator[Half]:
    """All below a folder. Raises OSError: it is in trouble."""
    for listing in inventory(top, _is_no_half):
        for name in listing.files:
            if found := _HALF.fullmatch(name):
                yield Half(listing.path, name, found["job"], found["output"] is not None)


def discard(top: Path, half: Half) -> None:
    """Remove one; that it has gone is as good. Raises OSError: the folder is in trouble."""
    with suppress(FileNotFoundError, NotADirectoryError), entered(top, half.folder) as folder:
        Spot(folder, half.name).unlink()


def keep(root: Path, half: Half, name: str) -> None:
    """Give one a name of its own in done/. Raises NameTaken, or OSError: the folders are in trouble."""
    here, there = root / Place.PROCESSING, root / Place.DONE
    with entered(here, half.folder) as old, entered(there, half.folder, make=True) as new:
        move(Spot(old, half.name), Spot(new, name))
        new.sync()
        old.sync()


def _is_no_half(name: str) -> bool:
    return name.startswith(".") and _HALF.fullmatch(name) is None
