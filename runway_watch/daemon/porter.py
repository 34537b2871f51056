"""Takes the files of accepted jobs to where the ledger says that they are being taken.

That was committed before; here they are moved, and their arrival is committed. Whatever is cut off is done
again: what has arrived is recognised. One job that does not get through holds up no other.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.errors import LostUpdate, NameTaken, SpoolError
from runway_watch.job import Job, Place, Verdict
from runway_watch.log import say
from runway_watch.spool import ERROR, Spool

_AT_A_TIME = 4
"""Jobs whose files are moved side by side: each move waits for the disk, and they wait together."""

Carried = tuple[Job, list[str] | SpoolError]
"""A job, and which of its files were nowhere to be found, or what was in the way."""


async def bring_in(bench: Bench, spool: Spool, jobs: Sequence[Job]) -> list[Job]:
    """Carry, then commit the arrivals. To be called under the lock of the root.

    Returns:
        Jobs whose files have to stay where they are for now.
    """
    carried = await spool.hands.each(partial(_carry, spool), jobs, at_once=_AT_A_TIME)
    await _arrive(bench, [(job, found) for job, found in carried if not isinstance(found, SpoolError)])
    stays: list[Job] = []
    for job, found in carried:
        if isinstance(found, NameTaken):
            stays += await bring_in(bench, spool, [await _aim_anew(bench, spool, job)])
        elif isinstance(found, SpoolError):
            say("share.refused", level="warning", job=job.id, path=job.path, message=str(found))
            stays.append(job)
    return stays


def _carry(spool: Spool, job: Job) -> Carried:
    try:
        if job.place is Place.FAILED:  # a crash may have come between its return and this
            spool.withdraw(job, ERROR, place=job.place, name=job.name)
        return job, spool.carry(job)
    except SpoolError as error:
        return job, error


async def _aim_anew(bench: Bench, spool: Spool, job: Job) -> Job:
    """Another name, for the one that was free when it was chosen has been taken by somebody."""
    name = await spool.hands(spool.name_for, job, Place.PROCESSING, job.name)
    return await bench.clerk.insist(bench.ledger.aim, job, target=Place.PROCESSING, name=name)


async def _arrive(bench: Bench, carried: Sequence[tuple[Job, list[str]]]) -> None:
    whole = [job for job, missing in carried if not missing]
    try:
        await bench.clerk.insist(bench.ledger.arrived, whole)
    except LostUpdate:  # one of them was overtaken, and holds up none of the others
        await asyncio.gather(*(_arrive_alone(bench, job, []) for job in whole))
    await asyncio.gather(*(_arrive_alone(bench, job, missing) for job, missing in carried if missing))


async def _arrive_alone(bench: Bench, job: Job, missing: list[str]) -> None:
    ledger, clerk = bench.ledger, bench.clerk
    try:
        if missing:
            await clerk.insist(ledger.arrived_without, job, _vanished(missing), at=clock.now())
        else:
            await clerk.insist(ledger.arrived, [job])
    except LostUpdate as error:
        say("job.overtaken", level="error", path=job.path, job=job.id, message=str(error))


def _vanished(missing: list[str]) -> Verdict:
    return Verdict(
        "admit",
        "asset.changed",
        f"{' and '.join(missing)} left the inbox while it was being accepted.",
        hint="Drop the files again, together.",
    )
