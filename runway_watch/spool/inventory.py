"""All that lies in one of the four folders, for a ledger that has lost its knowledge of it."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from runway_watch.drops import RECORDS, is_junk
from runway_watch.spool.folder import entered
from runway_watch.spool.scan import Listing, walk
from runway_watch.spool.spot import Spot

_ENDINGS = "|".join(re.escape(ending) for ending in RECORDS)
_HALF = re.compile(rf"\.(\d{{6}}-[0-9a-f]{{8}})(?:-\d+-\d+|{_ENDINGS})\.part")
"""The names under which outputs and records are written before they are whole, with the job's id."""

_PASSED_OVER = (FileNotFoundError, NotADirectoryError, PermissionError)


def inventory(top: Path, skips: Callable[[str], bool] = is_junk) -> Iterator[Listing]:
    """Every folder with its files, but for names that are passed over.

    Raises:
        OSError: one of them cannot be read: what lies there is not to be taken for gone. Folders that are
            closed to us are passed over; none of them is ours.
    """
    return walk(top, skips, but=_PASSED_OVER)


def discard_halves(top: Path, *, alive: Collection[str]) -> int:
    """Remove what was being written for jobs that are not alive. Returns how many files that were.

    Raises:
        OSError: the folders are in trouble.
    """
    halves = [
        (listing.path, name)
        for listing in inventory(top, _is_no_half)
        for name in listing.files
        if (found := _HALF.fullmatch(name)) and found[1] not in alive
    ]
    for path, name in halves:
        with suppress(FileNotFoundError, NotADirectoryError), entered(top, path) as folder:
            Spot(folder, name).unlink()
    return len(halves)


def _is_no_half(name: str) -> bool:
    return name.startswith(".") and _HALF.fullmatch(name) is None
