"""Where a configuration, an environment and a machine put things."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runway_watch.config import Settings, ledger_url
from runway_watch.ledger import file_of


@dataclass(frozen=True, slots=True)
class Places:
    """The ledger's address, its file if it is one, and the lock that goes with it."""

    ledger_url: str
    ledger: Path | None
    lock: Path


def places(settings: Settings, environment: Mapping[str, str]) -> Places:
    """Where the ledger and its lock are."""
    url = ledger_url(settings, environment)
    file = file_of(url)
    if file is not None:
        return Places(url, file, file.with_name(file.name + ".lock"))
    base = environment.get("STATE_DIRECTORY") or environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Places(url, None, Path(base).expanduser() / "runway-watch.lock")
