"""Which job a person means: by its id, or by any of its files."""

from pathlib import Path

from runway_watch.config import Settings
from runway_watch.job import Job, Place
from runway_watch.ledger import Ledger


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
