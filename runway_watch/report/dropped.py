"""A file in an inbox: what it belongs to, why it waits, or what admission says of it. Nothing is written."""

import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from runway_watch import clock, drops
from runway_watch.config import Settings
from runway_watch.drops import FOLDER_DEFAULTS, Group, join
from runway_watch.errors import Refusal, SpoolError
from runway_watch.job import Place
from runway_watch.report.effective import Effective, of
from runway_watch.report.finding import Spot
from runway_watch.report.looking import so_far
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged, judge
from runway_watch.stages.desk import Candidate, Desk, Findings, Waits
from runway_watch.stages.presets import defaults
from runway_watch.stages.survey import UNSUPPORTED, as_it_lies

_JUNK = "such a name is never taken for a drop, nor what lies below a folder of such a name"
_DEFAULTS = "it gives defaults to the drops in its folder and below"
_CLOSED = "it cannot be looked at: its folder is closed to us, or its name is not UTF-8"
_DO = {
    UNSUPPORTED: "move it away, or give it the extension of what it is",
    "waits for its sidecar": 'put that beside it; one line is enough: prompt_text = "what is to happen"',
}


@dataclass(frozen=True, slots=True)
class Drop:
    """What a file in an inbox is.

    Args:
        files: it and those that it belongs with, by name.
        defaults: the folder's defaults that count for it, by their paths below the inbox.
        why: why it is no job yet; "" where `judged` says.
        do: what a person can do about that, where `why` does not say it.
        judged: the job that it would become.
        effective: the request that it would be, as far as it comes.
    """

    files: tuple[str, ...]
    defaults: tuple[str, ...] = ()
    why: str = ""
    do: str = ""
    judged: Judged | None = None
    effective: Effective | None = None


def look(spot: Spot, settings: Settings) -> Drop:
    """Look at a file in an inbox and say what would become of it.

    Raises:
        OSError: the inbox cannot be read.
    """
    spool, path = Spool(spot.watch.root), join(spot.folder, spot.name)
    if passed_over := _passed_over(spot, spool):
        return passed_over
    found = as_it_lies(spool, spot.watch)
    beside = tuple(_defaults(spool, spot.folder))
    for candidate in found.candidates:
        if candidate.folder == spot.folder and spot.name in candidate.group.files:
            return _judge(candidate, spool, settings, beside)
    why = found.waiting.get(path, _CLOSED)
    do = next((do for begins, do in _DO.items() if why.startswith(begins)), "")
    group = _group_of(spot, found.known.seen)
    return Drop(group.files, beside, why, do, effective=_incomplete(spot, group, spool, settings))


def _passed_over(spot: Spot, spool: Spool) -> Drop | None:
    """What is never a drop, by its name; None for everything else."""
    *folders, name = join(spot.folder, spot.name).split("/")
    if name == FOLDER_DEFAULTS and not any(drops.is_junk(folder) for folder in folders):
        return Drop((name,), why=_DEFAULTS, do=_fault_in(spot, spool))
    if any(drops.is_junk(part) for part in (*folders, name)):
        return Drop((name,), why=_JUNK, do="to have it made, give it, and its folder, another name")
    if any(drops.is_junk(part, spot.watch.ignore) for part in (*folders, name)):
        return Drop((name,), why="the watch's `ignore` patterns pass it over: it is never taken for a drop")
    if drops.is_record(name):
        why = "it is a record that runway-watch wrote beside a job: it is never taken for a drop"
        return Drop((name,), why=why, do="delete it, or move it back to where it was")
    return None


def _fault_in(spot: Spot, spool: Spool) -> str:
    """What is wrong with a folder's defaults; "" for nothing."""
    try:
        defaults(spool, spot.watch, spot.folder)
    except (Refusal, SpoolError) as error:
        return f"mend it, for everything in this folder waits: {error}"
    return ""


def _defaults(spool: Spool, folder: str) -> Iterator[str]:
    """The files that give defaults to a folder, the most general first."""
    parts = folder.split("/") if folder else []
    for above in ("/".join(parts[:n]) for n in range(len(parts) + 1)):
        if _is_file(spool, above, FOLDER_DEFAULTS):
            yield join(above, FOLDER_DEFAULTS)


def _is_file(spool: Spool, folder: str, name: str) -> bool:
    try:
        found = spool.look(Place.INBOX, folder, name)
    except SpoolError:
        return False
    return found is not None and stat.S_ISREG(found.st_mode)


def _group_of(spot: Spot, seen: Collection[str]) -> Group:
    """The files that belong together with this one, itself included."""
    prefix = join(spot.folder, "")
    names = [path.removeprefix(prefix) for path in seen if path.startswith(prefix)]
    groups = drops.pair((name for name in names if "/" not in name), convert=spot.watch.convert)
    alone = Group(spot.name, spot.name, None)
    return next((group for group in groups if spot.name in group.files), alone)


def _incomplete(spot: Spot, group: Group, spool: Spool, settings: Settings) -> Effective | None:
    """What a drop asks for of which something is missing, as far as that can be told."""
    if not group.why.startswith("waits for"):
        return None
    try:
        layers = defaults(spool, spot.watch, spot.folder)
    except (Refusal, SpoolError):
        return None
    desk = Desk.at(Place.INBOX, spool, settings, now=clock.now())
    return of(so_far(Candidate(spot.folder, group, {}, layers), desk))


def _judge(candidate: Candidate, spool: Spool, settings: Settings, beside: tuple[str, ...]) -> Drop:
    desk, findings = Desk.at(Place.INBOX, spool, settings, now=clock.now()), Findings()
    judged = judge(candidate, desk=desk, job_id="", findings=findings)
    files = candidate.group.files
    if isinstance(judged, Waits):
        effective = of(findings) or of(so_far(candidate, desk))
        return Drop(files, beside, judged.why, effective=effective)
    return Drop(files, beside, judged=judged, effective=of(findings))
