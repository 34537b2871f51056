"""`retry` from outside: which jobs, and what it may cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from runway_watch.config import Settings
from runway_watch.job import Job, State
from runway_watch.ledger import Ledger
from runway_watch.report.finding import find
from runway_watch.report.places import Places

CAN_RETURN = (State.FAILED, State.CANCELLED, State.HELD)
"""States from which a job may be put back to work."""


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
    lines += [f"{job.id} {job.path}: is {job.state}" for job in candidates if job.state not in CAN_RETURN]
    jobs = [job for job in candidates if job.state in CAN_RETURN and code in (None, codes[job.id])]
    unknown = bool(lines)
    lines += [f"{job.id} {job.path}: {job.state} ({codes[job.id]}), {_price(job)}" for job in jobs]
    if jobs:
        lines.append(f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}, {_total(jobs)}")
    elif not lines:
        lines.append("nothing to retry")
    return Choice(tuple(jobs), tuple(lines), unknown)


def _code(job: Job, ledger: Ledger) -> str | None:
    verdict = job.verdict or next((call.verdict for call in ledger.calls(job.id) if call.verdict), None)
    return verdict.code if verdict else None


def _price(job: Job) -> str:
    return "price not known" if job.price is None else f"at most {job.price} credits"


def _total(jobs: Sequence[Job]) -> str:
    known = sum(job.price or 0 for job in jobs)
    unknown = sum(1 for job in jobs if job.price is None)
    return f"at most {known} credits" + (f", and {unknown} of unknown price" if unknown else "")
