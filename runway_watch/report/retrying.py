"""`retry` from outside: which jobs, what it may cost, and the order that is left for the daemon."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runway_watch import clock
from runway_watch.config import Settings, read_key
from runway_watch.daemon import Daemon
from runway_watch.errors import ConfigError, LedgerLocked
from runway_watch.job import Job, State
from runway_watch.ledger import Ledger
from runway_watch.report.finding import find
from runway_watch.report.places import Places

_CAN_RETURN = (State.FAILED, State.CANCELLED, State.HELD)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a `retry` means: the jobs, what to tell, and whether something named is not there."""

    jobs: tuple[Job, ...]
    lines: tuple[str, ...]
    unknown: bool


def choose(settings: Settings, places: Places, wanted: Sequence[str], *, code: str | None) -> Choice:
    """Find the jobs and say what putting them back may cost.

    Args:
        wanted: ids or paths; none of them means all that failed or are held.
        code: of those, only the ones that failed or are held with this code.

    Raises:
        LedgerError: there is no ledger to look into.
    """
    with Ledger(places.ledger_url, readonly=True) as ledger:
        named = {name: find(ledger, settings, name) for name in wanted}
        candidates = [job for job in named.values() if job] if wanted else ledger.held_and_failed()
        codes = {job.id: _code(job, ledger) for job in candidates}
    lines = [f"{name}: no such job" for name, job in named.items() if job is None]
    lines += [f"{job.id} {job.path}: is {job.state}" for job in candidates if job.state not in _CAN_RETURN]
    jobs = [job for job in candidates if job.state in _CAN_RETURN and code in (None, codes[job.id])]
    unknown = bool(lines)
    lines += [f"{job.id} {job.path}: {job.state} ({codes[job.id]}), {_price(job)}" for job in jobs]
    if jobs:
        lines.append(f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}, {_total(jobs)}")
    elif not lines:
        lines.append("nothing to retry")
    return Choice(tuple(jobs), tuple(lines), unknown)


def order(
    settings: Settings, places: Places, jobs: Sequence[Job], environment: Mapping[str, str]
) -> tuple[str, bool]:
    """Leave the order; the daemon carries it out within a second, or this process when there is none.

    Returns:
        What to tell, and whether all of them go on as far as that is known by now.
    """
    with Ledger(places.ledger_url) as ledger:
        for job in jobs:
            ledger.order("retry", job.id, at=clock.now())
    try:
        key = read_key(settings, environment)
    except ConfigError:
        key = None
    if key is None:
        return "ordered: carried out when the daemon starts", True
    daemon = Daemon(settings, key=key, ledger_url=places.ledger_url, lock_path=places.lock)
    try:
        asyncio.run(daemon.carry_out_orders())
    except LedgerLocked:
        return "ordered: the daemon carries it out", True
    stay = _not_back(places, jobs)
    if stay:
        return f"{stay} of {len(jobs)} cannot go on: the error files beside them say why", False
    return "done: they go on when the daemon starts", True


def _not_back(places: Places, jobs: Sequence[Job]) -> int:
    with Ledger(places.ledger_url, readonly=True) as ledger:
        found = [ledger.job(job.id) for job in jobs]
    return sum(1 for now in found if now is None or now[0].state in _CAN_RETURN)


def _code(job: Job, ledger: Ledger) -> str | None:
    verdict = job.verdict or next((call.verdict for call in ledger.calls(job.id) if call.verdict), None)
    return verdict.code if verdict else None


def _price(job: Job) -> str:
    return "price not known" if job.price is None else f"at most {job.price} credits"


def _total(jobs: Sequence[Job]) -> str:
    known = sum(job.price or 0 for job in jobs)
    unknown = sum(1 for job in jobs if job.price is None)
    return f"at most {known} credits" + (f", and {unknown} of unknown price" if unknown else "")
