"""What a reload changes. Pure: settings in, names of settings out."""

from collections.abc import Iterator, Mapping
from typing import Any

from runway_watch.config import Settings


def kept(before: Settings, after: Settings) -> Settings:
    """The new settings, with what stays until a restart: where the ledger is, for its lock is held."""
    return after.model_copy(update={"state": before.state})


def changes(before: Settings, after: Settings) -> list[str]:
    """The names of all settings that differ, such as `limits.uploads`, or `watch /srv/a: scan_seconds`."""
    return list(_differences(_plain(before), _plain(after)))


def _plain(settings: Settings) -> dict[str, Any]:
    tables = settings.model_dump()
    watches = {f"watch {watch['root']}": watch for watch in tables.pop("watch")}
    return tables | watches


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield f"{name} {'is new' if was is None else 'is gone'}"
        else:
            between = ": " if name.startswith("watch ") else "."
            yield from (f"{name}{between}{key}" for key in now if was[key] != now[key])
