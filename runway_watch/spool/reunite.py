"""Brings two halves of a pair together that a crash has left in two places, and nobody knows of."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from runway_watch.drops import RECORDS, pair
from runway_watch.errors import NameTaken
from runway_watch.job import Place
from runway_watch.spool.folder import Folder, entered
from runway_watch.spool.rename import move
from runway_watch.spool.scan import look
from runway_watch.spool.spot import Spot


def reunite(root: Path, folder: str, name: str) -> Path | None:
    """Fetch what a file in processing/ belongs to, where it lies alone: a move of the two was broken off.

    Returns:
        Where the other half was; None when there is none, or it is part of something else.

    Raises:
        OSError: the folders are in trouble.
    """
    for place in (Place.INBOX, Place.DONE, Place.FAILED):
        with (
            suppress(FileNotFoundError, NotADirectoryError, NameTaken),
            entered(root / place, folder) as there,
            entered(root / Place.PROCESSING, folder) as here,
        ):
            if (other := _fetch(name, there, here)) is not None:
                return other
    return None


def _fetch(name: str, there: Folder, here: Folder) -> Path | None:
    other = _other_half(look(there)[0], name)
    if other is None:
        return None
    source = Spot(there, other)
    move(source, Spot(here, other))
    for touched in (there, here):
        touched.sync()
    return source.path


def _other_half(names: Collection[str], name: str) -> str | None:
    """The one of `names` that makes a pair with `name`, and has no record and nobody else."""
    both = [g for g in pair({*names, name}) if name in g.files and len(g.files) == 2 and not g.why]
    if not both:
        return None
    [other] = set(both[0].files) - {name}
    is_alone = any(group.files == (other,) for group in pair(names))
    is_filed = any(both[0].name + ending in names for ending in RECORDS)
    return other if is_alone and not is_filed else None
