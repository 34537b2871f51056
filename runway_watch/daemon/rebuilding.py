"""A lost ledger: the broken one is set aside, and a new one is built from the records beside the files.

What a record says is taken for true but for where the files are: that is where the record lies. Each root
is read once, while the ledger knows no job of it, and written down in one transaction: a crash in between
does it again.
"""

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.restored import restored
from runway_watch.daemon.unrecorded import write_missing
from runway_watch.drops import join
from runway_watch.errors import Refusal, SpoolError
from runway_watch.job import Place, State
from runway_watch.ledger import Ledger, file_of
from runway_watch.ledger.aside import Damaged, damage, set_aside
from runway_watch.ledger.restoring import Restored, is_known, rehome, restore, roots_of
from runway_watch.log import say
from runway_watch.notify import notify
from runway_watch.records import MOST_BYTES, Record, read
from runway_watch.spool import ERROR, RESULT, Listing, Spool, inventory

TAKES_LONG = "EXTEND_TIMEOUT_USEC=900000000"
"""Thousands of records and pictures take longer than systemd would wait for a start."""

_RECORDS = {Place.DONE: RESULT, Place.FAILED: ERROR}


def open_ledger(url: str) -> Ledger:
    """Open the ledger for the daemon, which holds its lock. A broken one is set aside and a new one begun.

    Raises:
        LedgerError: it cannot be used, and nothing says that it is broken.
    """
    file = file_of(url)
    why = damage(file) if file is not None else None
    if why is None:
        try:
            return Ledger(url)
        except Damaged as broken:
            why = broken.why
    assert file is not None
    there = set_aside(file, at=clock.now())
    message = f"it is broken ({why}); a new one is built from the folders"
    say("ledger.set_aside", level="error", path=str(there), message=message)
    return Ledger(url)


async def rebuild(bench: Bench, root: str) -> None:
    """Write down what the records below a root tell, where the ledger knows nothing of it.

    Raises:
        SpoolError: the root cannot be read; nothing is concluded from that.
        LedgerError: the ledger cannot be written to.
    """
    if await bench.clerk(is_known, bench.ledger, root):
        return
    notify(TAKES_LONG)
    spool = bench.spools[root]
    if found := await spool.hands(_told, bench, spool):
        await _write_down(bench, root, found)


async def _write_down(bench: Bench, root: str, found: list[Restored]) -> None:
    """What the ledger knows already was of a root that has moved, or is of one that was copied."""
    known = await bench.clerk(roots_of, bench.ledger)
    before = {known[one.job.id] for one in found if one.job.id in known}
    for was in sorted(before - bench.spools.keys()):
        await bench.clerk(rehome, bench.ledger, was, root)
        say("root.moved", level="warning", path=root, message=f"it was {was}: its jobs go on here")
    new = [one for one in found if one.job.id not in known]
    await bench.clerk(restore, bench.ledger, new, at=clock.now())
    if new:
        done = sum(one.job.state is State.DONE for one in new)
        say("ledger.rebuilt", level="warning", path=root, done=done, failed=len(new) - done)


def _told(bench: Bench, spool: Spool) -> list[Restored]:
    """The jobs that the records in done/ and failed/ tell of; a job that two of them claim is the first's.

    Raises:
        OSError, SpoolError: the folders are in trouble.
    """
    write_missing(bench, spool)
    found: dict[str, Restored] = {}
    for place, ending in _RECORDS.items():
        for listing in list(inventory(spool.where(place, ""))):
            for file in sorted(name for name in listing.files if name.endswith(ending)):
                record = _record(spool, place, listing, file)
                if record is not None and record.job not in found:
                    name = file.removesuffix(ending)
                    found[record.job] = restored(record, spool.root, place, listing, name)
    return list(found.values())


def _record(spool: Spool, place: Place, listing: Listing, name: str) -> Record | None:
    """A record; None for what is none, or is not for us to read."""
    path = join(listing.path, name)
    try:
        with spool.in_place(place, path) as file:
            record = read(file.read(MOST_BYTES + 1))
    except (Refusal, ValueError) as error:
        why = str(error)
    except SpoolError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        why = str(error)
    else:
        if record.status == ("done" if place is Place.DONE else "failed"):
            return record
        why = f"it says {record.status}"
    say("record.unreadable", level="warning", path=str(spool.where(place, path)), message=why)
    return None
