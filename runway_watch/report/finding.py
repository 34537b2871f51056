"""Which job a person means: by its id, or by any of its files."""

from collections.abc import Sequence
from pathlib import Path

from runway_watch.config import Settings
from runway_watch.job import LIVE_STATES, Job, Place
from runway_watch.ledger import Ledger
from runway_watch.report.places import Places


def find(ledger: Ledger, settings: Settings, wanted: str) -> Job | None:
    """The job of an id or of a path, wherever its files lie now; None when there is none."""
    found = ledger.job(wanted)
    if found is not None:
        return found[0]
    path = _real(Path(wanted))
    for watch in settings.watch:
        root = watch.root.resolve()
        if path.is_relative_to(root):
            return _by_path(ledger, str(watch.root), path.relative_to(root).parts)
    return None


def live(settings: Settings, places: Places, wanted: Sequence[str]) -> tuple[list[Job], list[str]]:
    """The jobs meant that are not over, and a line for each of those that are not there or are over.

    Raises:
        LedgerError: there is no ledger to look into.
    """
    with Ledger(places.ledger_url, readonly=True) as ledger:
        named = {name: find(ledger, settings, name) for name in wanted}
    lines = [f"{name}: no such job" for name, job in named.items() if job is None]
    lines += [
        f"{job.id} {job.path}: is {job.state}"
        for job in named.values()
        if job and job.state not in LIVE_STATES
    ]
    return [job for job in named.values() if job is not None and job.state in LIVE_STATES], lines


def _real(path: Path) -> Path:
    """The path without links and dots on the way to its last part: a share has many names."""
    return path.parent.resolve() / path.name


def _by_path(ledger: Ledger, root: str, parts: tuple[str, ...]) -> Job | None:
    if len(parts) < 2 or parts[0] not in set(Place):
        return None
    jobs = ledger.at_place(root=root, place=Place(parts[0]), folder="/".join(parts[1:-1]))
    return next((job for job in jobs if _has(job, parts[-1])), None)


def _has(job: Job, name: str) -> bool:
    records = {f"{job.name}.{kind}.toml" for kind in ("result", "error", "held")}
    return name in records | {job.name + item.suffix for item in job.inputs}
