"""What a folder gives its drops: `[watch.defaults]`, and each `_folder.prompt.toml` on the way down to it.

One that cannot be read is nobody's fault below it, so it makes everything there wait. Files are named in each
as seen from where it stands, and in `[watch.defaults]` as seen from the inbox.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

from runway_watch import catalogue, sidecar
from runway_watch.config import WatchSettings
from runway_watch.drops import FOLDER_DEFAULTS, join
from runway_watch.errors import Refusal
from runway_watch.job import Place
from runway_watch.settle import Sight
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool

Seen = tuple[Sidecar, Sight | None]
"""Defaults, and what was seen of their file; None where there is no file."""


def defaults(spool: Spool, watch: WatchSettings, folder: str) -> tuple[Sidecar, ...]:
    """What a drop in a folder need not say, the most general first.

    Raises:
        Refusal: one of the files cannot be used.
        SpoolError: nobody can tell.
    """
    return tuple(layer for layer, _ in seen_defaults(spool, watch, folder))


def seen_defaults(spool: Spool, watch: WatchSettings, folder: str) -> list[Seen]:
    """The same, each with what was seen of its file."""
    chain = list(_chain(folder))
    found: list[Seen] = [(sidecar.split(watch.defaults, name="[watch.defaults]"), None)]
    found += [_folder_defaults(spool, above) for above in chain]
    ups = [len(chain) - 1, *reversed(range(len(chain)))]
    return [
        (replace(layer, params=catalogue.rebased(layer.params, up)), sight)
        for (layer, sight), up in zip(found, ups, strict=True)
    ]


def _folder_defaults(spool: Spool, folder: str) -> Seen:
    path = join(folder, FOLDER_DEFAULTS)
    try:
        with spool.in_place(Place.INBOX, path) as file:
            raw = file.read(sidecar.MAX_BYTES + 1)
            stat = os.fstat(file.fileno())
    except Refusal as refusal:
        if refusal.code == "reference.missing":
            return sidecar.EMPTY, None
        raise
    found = sidecar.parse(raw, name=f"{Place.INBOX}/{path}")
    sidecar.read_job(found.job, name=found.name)
    return found, Sight(stat.st_size, stat.st_mtime_ns, stat.st_ino)


def _chain(folder: str) -> Iterator[str]:
    """A folder and those above it, the inbox itself first."""
    yield ""
    parts = folder.split("/") if folder else []
    for n in range(len(parts)):
        yield "/".join(parts[: n + 1])
