"""`explain`: the story of one file - what it is, why it waits, or all that happened to it.

Works with the daemon running or stopped, and before its first run. Nothing is written, or asked of Runway.
"""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runway_watch import drops, records
from runway_watch.config import Settings
from runway_watch.errors import LedgerError, Refusal, SpoolError
from runway_watch.job import Job, Place
from runway_watch.ledger import Ledger, holder
from runway_watch.letters import printable
from runway_watch.report.dropped import look
from runway_watch.report.finding import Spot, dropped_as, find, locate
from runway_watch.report.places import Places
from runway_watch.report.telling import Telling
from runway_watch.spool import Spool

_STRAYS: Mapping[Place, str] = {
    Place.PROCESSING: "with its sidecar, to have it made",
    Place.FAILED: "with its sidecar, to have it tried",
    Place.DONE: "with a sidecar, to have something made of it",
}
_SAID = ("status", "code", "message", "hint")


@dataclass(frozen=True, slots=True)
class Told:
    """The lines, safe for a terminal, and whether anything is known of what was asked for."""

    lines: tuple[str, ...]
    is_known: bool


def explain(settings: Settings, places: Places, wanted: str) -> Told:
    """Tell all that is known of a job or a file.

    Args:
        settings, places: the configuration, and where it puts things.
        wanted: a job's id, or a path, relative to the working folder or not.

    Raises:
        LedgerError: there is a ledger, and it cannot be read.
    """
    telling = Telling(settings, holder(places.lock) is not None)
    with _opened(places) or nullcontext() as ledger:
        is_known = _tell(telling, ledger, wanted)
    return Told(tuple(printable(line) for line in telling.lines), is_known)


def _opened(places: Places) -> Ledger | None:
    """The ledger; None before there is one."""
    try:
        return Ledger(places.ledger_url, readonly=True)
    except LedgerError:
        if places.ledger is None or places.ledger.exists():
            raise
        return None


def _tell(telling: Telling, ledger: Ledger | None, wanted: str) -> bool:
    """Find out what is meant, and tell of it. Returns whether anything is known."""
    spot = locate(telling.settings, wanted)
    job = _job(ledger, telling.settings, wanted, spot) if ledger is not None else None
    if ledger is not None and job is not None:
        if spot is not None and not spot.is_taken and job.id != wanted:
            telling.lines.append(f"nothing lies at {spot.path} now; the job that it belongs to:")
        telling.job(job, ledger)
        return True
    if spot is None:
        return _unknown(telling, wanted)
    if spot.path.is_dir() and not spot.path.is_symlink():
        return _folder(telling, str(spot.path))
    if not spot.is_taken:
        return _say(telling, f"{spot.path}: nothing lies there, and no job was dropped under that name")
    return _in_inbox(telling, ledger, spot) if spot.place is Place.INBOX else _stray(telling, ledger, spot)


def _job(ledger: Ledger, settings: Settings, wanted: str, spot: Spot | None) -> Job | None:
    """The job that is meant, be it only that of a record, or one that was dropped under the name once."""
    job = find(ledger, settings, wanted)
    if job is None and spot is not None and spot.place is not Place.INBOX:
        owner = ledger.job(str(_record(spot).get("job", "")))
        earlier = [] if spot.is_taken else dropped_as(ledger, spot)
        job = owner[0] if owner is not None else next(iter(earlier), None)
    return job


def _in_inbox(telling: Telling, ledger: Ledger | None, spot: Spot) -> bool:
    try:
        drop = look(spot, telling.settings)
    except OSError as error:
        return _say(telling, f"{spot.path}: the inbox cannot be read: {error.strerror}")
    telling.drop(spot.path, drop, ledger)
    telling.others(dropped_as(ledger, spot) if ledger is not None else [])
    return True


def _stray(telling: Telling, ledger: Ledger | None, spot: Spot) -> bool:
    """A file in one of our own folders that no job has."""
    if record := _record(spot):
        telling.lines.append(f"{spot.path}: the record of a job that the ledger does not know")
        telling.block("job", [str(record["job"])])
        for key in _SAID:
            telling.block(key, [str(record[key])] if key in record else [])
        return True
    known = "no job has it" if ledger is not None else "no daemon has run yet, so no job has it"
    advice = f"it is left alone; move it to the inbox, {_STRAYS[spot.place]}"
    return _say(telling, f"{spot.path}: lies in {spot.place}/, and {known}", advice)


def _unknown(telling: Telling, wanted: str) -> bool:
    """Neither a job nor a file in one of the four folders."""
    roots = ", ".join(str(watch.root) for watch in telling.settings.watch)
    if Path(wanted).is_dir():
        return _folder(telling, wanted)
    if os.path.lexists(wanted):
        return _say(telling, f"{wanted}: outside of the four folders of what is watched ({roots})")
    return _say(telling, f"{wanted}: no job has this id, and no such file lies in what is watched ({roots})")


def _folder(telling: Telling, path: str) -> bool:
    return _say(telling, f"{path}: a folder", "name a file in it; `runway-watch status` shows all that wait")


def _say(telling: Telling, what: str, do: str = "") -> bool:
    """Tell of something of which nothing is known."""
    telling.lines.append(what)
    telling.block("do", [do] if do else [])
    return False


def _record(spot: Spot) -> dict[str, Any]:
    """What a record says; nothing if it is none."""
    if not drops.is_record(spot.name):
        return {}
    try:
        with Spool(spot.watch.root).in_place(spot.place, drops.join(spot.folder, spot.name)) as file:
            table = records.table_of(file.read(records.MOST_BYTES + 1))
    except (Refusal, SpoolError, ValueError):
        return {}
    return table if isinstance(table.get("job"), str) else {}
