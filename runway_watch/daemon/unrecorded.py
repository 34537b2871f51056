"""What was filed in done/ when a crash came before its record, and the ledger is lost too: it is written now.

Its outputs are there, so that it worked; what it cost is not known. With a record it is known again like
everything else in done/, and the same drop is not paid for once more.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from runway_watch import drops, sidecar
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.naming import new_id
from runway_watch.drops import Group
from runway_watch.errors import NameTaken, Refusal, SpoolError
from runway_watch.job import Output, Place, State, Verdict
from runway_watch.log import say
from runway_watch.records import result
from runway_watch.spool import RESULT, Listing, Spool, digest_of, inventory
from runway_watch.stages.admit import admit
from runway_watch.stages.desk import Candidate, Desk, Waits
from runway_watch.stages.presets import defaults

_OUTPUT = re.compile(r"(?P<name>.+)\.out(?:-\d+)?\.[a-z0-9]+")


def write_missing(bench: Bench, spool: Spool) -> None:
    """Write a record beside each drop in done/ that has outputs and none.

    Raises:
        OSError, SpoolError: the folders are in trouble.
    """
    for listing in inventory(spool.where(Place.DONE, "")):
        for group in _unrecorded(bench, spool, listing):
            _write(bench, spool, listing, group)


def _unrecorded(bench: Bench, spool: Spool, listing: Listing) -> Iterator[Group]:
    outputs = {found["name"] for name in listing.files if (found := _OUTPUT.fullmatch(name))}
    lacking = [name for name in outputs if name + RESULT not in listing.files]
    if not lacking:
        return
    inputs = [n for n in listing.files if not _OUTPUT.fullmatch(n) and not drops.is_record(n)]
    try:
        layers = defaults(spool, bench.watch_of(str(spool.root)), listing.path)
    except (Refusal, SpoolError):
        return
    groups = drops.pair(inputs, optional=sidecar.is_optional(layers))
    yield from (group for group in groups if group.name in lacking and not group.why)


def _write(bench: Bench, spool: Spool, listing: Listing, group: Group) -> None:
    """Write one, if it is a good drop to this day."""
    names = sorted((n for n in listing.files if _is_of(n, group)), key=lambda n: (len(n), n))
    at = min(listing.files[name].mtime_ns for name in names) / 1e9
    desk = replace(Desk.at(Place.DONE, spool, bench.settings, now=at), credits_per_job=0)
    layers = defaults(spool, bench.watch_of(str(spool.root)), listing.path)
    found = admit(Candidate(listing.path, group, listing.files, layers), desk=desk, job_id=new_id(at))
    if isinstance(found, Waits) or found[0].verdict is not None:
        return
    job, wanted = found
    shares = _shares(names, len(wanted))
    try:
        calls = [
            replace(call, submitted_at=at, tries=1, **_end(_outputs(spool, listing, own)))
            for call, own in zip(wanted, shares, strict=True)
        ]
        spool.record(job, RESULT, result(job, calls, dict(enumerate(shares, 1)), at=at), target=False)
    except (Refusal, NameTaken):
        return  # no output of ours but a link or a pipe; or what has the record's name is no file
    message = "it was filed without a record: one is written, and what it cost is not known"
    say("record.written", level="warning", job=job.id, path=job.path, message=message)


def _is_of(name: str, group: Group) -> bool:
    found = _OUTPUT.fullmatch(name)
    return found is not None and found["name"] == group.name


def _shares(names: list[str], count: int) -> list[list[str]]:
    """The names for each generation in turn; where they do not suffice for all, the last have none."""
    each = -(-len(names) // count)
    return [names[k * each : (k + 1) * each] for k in range(count)]


_LOST = Verdict("retire", "task.lost", "What became of it was written down nowhere.")


def _end(outputs: tuple[Output, ...]) -> dict[str, Any]:
    """How a generation has come to its end."""
    return {"state": State.DONE, "outputs": outputs} if outputs else {"state": State.FAILED, "verdict": _LOST}


def _outputs(spool: Spool, listing: Listing, names: list[str]) -> tuple[Output, ...]:
    outputs = []
    for name in names:
        with spool.in_place(Place.DONE, drops.join(listing.path, name), shared=True) as file:
            sha256 = digest_of(file)
        outputs.append(Output("", PurePosixPath(name).suffix, sha256, listing.files[name].size))
    return tuple(outputs)
