"""Which job a person means: by its id, or by any of its files, where they lie or where they were dropped."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runway_watch.config import Settings, WatchSettings
from runway_watch.drops import RECORDS
from runway_watch.job import LIVE_STATES, Job, Place
from runway_watch.ledger import Ledger
from runway_watch.report.places import Places

_OUTPUT = re.compile(r"\.out(-\d+)?\.\w+")
_STAGED = re.compile(r"\.(\d{6}-[0-9a-f]{8})[-.].*\.part")


NO_SUCH_JOB = "no such job (`runway-watch explain` says what it is)"


@dataclass(frozen=True, slots=True)
class Spot:
    """A path in one of the four folders of a watch; `folder` and `name` are below that folder."""

    watch: WatchSettings
    place: Place
    folder: str
    name: str

    @property
    def root(self) -> str:
        """The watch's root, as the ledger names it."""
        return str(self.watch.root)

    @property
    def path(self) -> Path:
        """The whole path."""
        return self.watch.root / self.place / self.folder / self.name

    @property
    def is_taken(self) -> bool:
        """Whether anything lies there."""
        return os.path.lexists(self.path)


def locate(settings: Settings, wanted: str) -> Spot | None:
    """Where in the watches a path lies, there or not; None outside of their four folders."""
    path = _real(Path(wanted))
    for watch in settings.watch:
        for place in Place:
            top = (watch.root / place).resolve()
            if path != top and path.is_relative_to(top):
                *folders, name = path.relative_to(top).parts
                return Spot(watch, place, "/".join(folders), name)
    return None


def find(ledger: Ledger, settings: Settings, wanted: str) -> Job | None:
    """The job of an id or of a path, the latest of several; None when there is none.

    A path in the inbox is that of the job that was dropped under it, unless something lies there now: that
    is no job yet.
    """
    if not _is_text(wanted):
        return None
    known = ledger.job(wanted)
    if known is not None:
        return known[0]
    spot = locate(settings, wanted)
    if spot is None:
        return None
    found = jobs_at(ledger, spot)
    if not found and spot.place is Place.INBOX and not spot.is_taken:
        found = dropped_as(ledger, spot)
    return next(iter(found), None)


def jobs_at(ledger: Ledger, spot: Spot) -> list[Job]:
    """Jobs that have a file under this very path, or are bringing one there; whose it is now comes first."""
    staged = _STAGED.fullmatch(spot.name)
    if staged is not None:
        known = ledger.job(staged[1])
        return [known[0]] if known is not None and known[0].root == spot.root else []
    if not _is_text(spot.name + spot.folder):
        return []
    named = ledger.named(root=spot.root, folder=spot.folder, names=_stems(spot.name))
    coming = [j for j in ledger.in_transit() if (j.root, j.folder) == (spot.root, spot.folder)]
    found = {job.id: job for job in [*coming, *named] if _has(job, spot)}
    return sorted(found.values(), key=lambda job: (not _is_output(job, spot), *_recent(job)), reverse=True)


def dropped_as(ledger: Ledger, spot: Spot) -> list[Job]:
    """Jobs one of whose inputs was dropped in this folder under this name, the latest first."""
    if not _is_text(spot.name + spot.folder):
        return []
    jobs = ledger.named(root=spot.root, folder=spot.folder, names=_stems(spot.name), dropped=True)
    found = [job for job in jobs if spot.name in {job.dropped_as + item.suffix for item in job.inputs}]
    return sorted(found, key=_recent, reverse=True)


def live(settings: Settings, places: Places, wanted: Sequence[str]) -> tuple[list[Job], list[str]]:
    """The jobs meant that are not over, and a line for each of those that are not there or are over.

    Raises:
        LedgerError: there is no ledger to look into.
    """
    with Ledger(places.ledger_url, readonly=True) as ledger:
        named = {name: find(ledger, settings, name) for name in wanted}
    lines = [f"{name}: {NO_SUCH_JOB}" for name, job in named.items() if job is None]
    jobs = {job.id: job for job in named.values() if job is not None}.values()
    lines += [f"{job.id} {job.path}: is {job.state} already" for job in jobs if job.state not in LIVE_STATES]
    return [job for job in jobs if job.state in LIVE_STATES], lines


def _real(path: Path) -> Path:
    """The path without links and dots on the way to its last part: a share has many names."""
    if path.name in ("", ".."):
        return path.resolve()
    return path.parent.resolve() / path.name


def _is_text(text: str) -> bool:
    """Whether it is valid UTF-8; the ledger has no others."""
    return text == text.encode(errors="replace").decode()


def _stems(name: str) -> list[str]:
    """What a job may be called that has a file of this name: every suffix begins with a dot."""
    return [name[:end] for end, letter in enumerate(name) if letter == "." and end]


def _recent(job: Job) -> tuple[bool, float]:
    """What is live comes after what is over, and of that what ended last."""
    return job.state in LIVE_STATES, job.finished_at or job.accepted_at


def _is_output(job: Job, spot: Spot) -> bool:
    return _OUTPUT.fullmatch(spot.name.removeprefix(job.name)) is not None


def _has(job: Job, spot: Spot) -> bool:
    """Whether a job has, or is being given, a file of this name in this place."""
    if spot.place is job.place is Place.INBOX:
        return spot.name in {item.dropped_as for item in job.inputs}
    names = [(job.place, job.name), (job.target, job.target_name)]
    return any(place is spot.place and _belongs(job, spot, name or "") for place, name in names)


def _belongs(job: Job, spot: Spot, name: str) -> bool:
    if not spot.name.startswith(name):
        return False
    rest = spot.name[len(name) :]
    is_output = spot.place is Place.DONE and _OUTPUT.fullmatch(rest) is not None
    return is_output or rest in RECORDS or rest in {item.suffix for item in job.inputs}
