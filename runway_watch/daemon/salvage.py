"""What was being written for jobs that are over, or that the ledger knows nothing of.

Halves are removed. An output that is whole was paid for: where the ledger is lost, and nobody knows for which
drop, it is kept in done/ under the id of its job.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from runway_watch import media
from runway_watch.daemon.bench import Bench
from runway_watch.drops import join
from runway_watch.errors import Refusal
from runway_watch.job import Place
from runway_watch.log import say
from runway_watch.spool import Half, Spool, discard, halves, keep

_HEAD = 4096


async def salvage(bench: Bench, spool: Spool, alive: Collection[str]) -> Mapping[str, list[str]]:
    """Clear processing/ of what belongs to none of these jobs.

    Args:
        alive: the ids of those that are not over.

    Returns:
        The names of the outputs that were kept, by their folder below done/.

    Raises:
        SpoolError, OSError: the folders are in trouble.
    """
    found = await spool.hands(lambda: [h for h in halves(_top(spool)) if h.job not in alive])
    known = await bench.clerk(bench.ledger.known, {half.job for half in found})
    kept: dict[str, list[str]] = {}
    for half in found:
        is_lost = half.is_output and half.job not in known
        extension = await spool.hands(_extension, spool, half) if is_lost else None
        if extension is None:
            await spool.hands(discard, _top(spool), half)
        else:
            kept.setdefault(half.folder, []).append(await spool.hands(_keep, spool, half, extension))
    if count := len(found) - sum(len(names) for names in kept.values()):
        say("halves.discarded", path=str(spool.root), files=count)
    return kept


def _top(spool: Spool) -> Path:
    return spool.where(Place.PROCESSING, "")


def _extension(spool: Spool, half: Half) -> str | None:
    """What a whole output is; None for what is none, or only a half."""
    try:
        with spool.in_place(Place.PROCESSING, join(half.folder, half.name), shared=True) as file:
            size = file.seek(0, 2)
            file.seek(0)
            sniffed = media.sniff(file.read(_HEAD))
            if sniffed is None or not media.is_whole(file, sniffed[1], size):
                return None
            if sniffed[1] == ".svg" and not media.svg_is_drawing(file, size):
                return None
            return sniffed[1]
    except Refusal:
        return None


def _keep(spool: Spool, half: Half, extension: str) -> str:
    """Give an output a name in done/ that nothing has yet. Returns it; NameTaken when somebody is faster."""
    wanted = half.name.removeprefix(".").removesuffix(".part")
    name = spool.free_name(Place.DONE, half.folder, wanted, [extension]) + extension
    keep(spool.root, half, name)
    path = str(spool.where(Place.DONE, half.folder, name))
    message = "an output of a job that the ledger knows nothing of: it was paid for, and is kept"
    say("file.unknown", level="warning", path=path, job=half.job, message=message)
    return name
