"""All that lies in one of the four folders, for a ledger that has lost its knowledge of it."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from runway_watch.drops import RECORDS
from runway_watch.spool.scan import Listing, look

_ENDINGS = "|".join(re.escape(ending) for ending in RECORDS)
_HALF = re.compile(rf"\.(\d{{6}}-[0-9a-f]{{8}})(?:-\d+-\d+|{_ENDINGS})\.part")
"""The names under which outputs and records are written before they are whole, with the job's id."""


def inventory(top: Path) -> Iterator[Listing]:
    """Every folder with its visible files.

    Raises:
        OSError: one of them cannot be read: what lies there is not to be taken for gone. Folders that are
            closed to us are passed over; none of them is ours.
    """
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            listing, folders = look(top, path, ())
        except (FileNotFoundError, PermissionError):
            if path == "":
                raise
            continue
        yield listing
        waiting += sorted(folders, reverse=True)


def discard_halves(top: Path, *, alive: Collection[str]) -> int:
    """Remove what was being written for jobs that are not alive. Returns how many files that were.

    Raises:
        OSError: the folders are in trouble.
    """
    halves = [
        Path(folder, name)
        for folder, _, names in os.walk(top)
        for name in names
        if (found := _HALF.fullmatch(name)) and found[1] not in alive
    ]
    for half in halves:
        with suppress(FileNotFoundError):
            half.unlink()
    return len(halves)
