"""`retry` from outside: which jobs, and what it may cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runway_watch import clock, records
from runway_watch.config import Settings
from runway_watch.errors import Refusal, SpoolError
from runway_watch.holds import total
from runway_watch.job import Generation, Job, Place, State, asked
from runway_watch.ledger import Ledger
from runway_watch.report.finding import NO_SUCH_JOB, find
from runway_watch.report.places import Places
from runway_watch.reviving import revive
from runway_watch.spool import Spool
from runway_watch.stages.again import judge_again
from runway_watch.stages.desk import Desk, Waits
from runway_watch.stages.presets import defaults
from runway_watch.states import CAN_RETURN


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
        found = [job for job in named.values() if job] if wanted else ledger.held_and_failed()
        bids = [_bid(ledger, settings, job) for job in {job.id: job for job in found}.values()]
    lines = [f"{name}: {NO_SUCH_JOB}" for name, job in named.items() if job is None]
    lines += [
        f"{bid.job.id} {bid.job.path}: is {bid.job.state}, not failed or held"
        for bid in bids
        if not bid.can_return
    ]
    chosen = [bid for bid in bids if bid.can_return and code in (None, bid.code)]
    unknown = bool(lines)
    lines += [bid.line for bid in chosen]
    if chosen:
        lines.append(f"{len(chosen)} {'job' if len(chosen) == 1 else 'jobs'}, {_total(chosen)}")
    elif not lines:
        lines.append("nothing to retry" if code is None else f"nothing to retry with the code {code}")
    return Choice(tuple(bid.job for bid in chosen), tuple(lines), unknown)


@dataclass(frozen=True, slots=True)
class _Bid:
    """A job and what it may cost to put it back to work; `price` is None where nobody knows.

    `why` it does not go on, where that is foreseen.
    """

    job: Job
    code: str | None
    price: int | None
    note: str = ""
    why: str = ""
    is_held: bool = False  # or one of its generations is

    @property
    def can_return(self) -> bool:
        return self.is_held or self.job.state in CAN_RETURN

    @property
    def line(self) -> str:
        price = "price not known" if self.price is None else f"at most {self.price} credits"
        what = f"does not go on: {self.why}" if self.why else f"{price}{self.note}"
        return f"{self.job.id} {self.job.path}: {self.job.state} ({self.code}), {what}"


def _bid(ledger: Ledger, settings: Settings, job: Job) -> _Bid:
    calls = ledger.calls(job.id)
    held = [call for call in calls if call.state is State.HELD]
    verdict = job.verdict or next((call.verdict for call in (*held, *calls) if call.verdict), None)
    again = ", perhaps for the second time" if records.charged(calls) == "unknown" else ""
    bid = _Bid(job, verdict.code if verdict else None, None, again, is_held=bool(held))
    away = next((h.message for h in ledger.holds() if (h.scope, h.reason) == (job.root, "share")), None)
    if away is not None:
        return replace(bid, price=0, why=f"{away}; say `retry` again when it is back")
    if job.state in (State.FAILED, State.CANCELLED):
        return _as_it_lies(bid, calls, ledger, settings)
    return _anew(bid, job, calls, held, ledger)


def _anew(
    bid: _Bid, job: Job, calls: Sequence[Generation], again: Sequence[Generation], ledger: Ledger
) -> _Bid:
    """With the price of those of a job's generations that would begin anew."""
    price = total([ledger.most(asked(job, call)) for call in again])
    which = f" for {len(again)} of {len(calls)} generations" if len(calls) > 1 else ""
    return replace(bid, price=price, note=which + bid.note)


def _as_it_lies(bid: _Bid, before: Sequence[Generation], ledger: Ledger, settings: Settings) -> _Bid:
    """What it would cost with its files as they are now: somebody may have mended them."""
    was = bid.job
    watch = settings.watch_of(was.root)
    if watch is None:
        return replace(bid, price=0, why=f"{was.root} is not in the configuration any more")
    spool = Spool(watch.root)
    desk = replace(Desk.at(Place.FAILED, spool, settings, now=clock.now()), decodes=False)
    try:
        judged = judge_again(was, spool=spool, desk=desk, layers=defaults(spool, watch, was.folder))
    except (Refusal, SpoolError, OSError) as error:
        return replace(bid, price=0, why=str(error))
    if isinstance(judged, Waits):
        return replace(bid, price=0, why=judged.why)
    revived = revive(*judged, was=was, before=before)
    if revived.job.verdict is not None:
        return replace(bid, price=0, why=revived.job.verdict.message)
    again = [call for call in revived.calls if call.state is State.READY]
    if not again:
        return replace(bid, price=0, note=": its result is only fetched")
    return _anew(bid, revived.job, revived.calls, again, ledger)


def _total(bids: Sequence[_Bid]) -> str:
    known = sum(bid.price or 0 for bid in bids)
    unknown = sum(1 for bid in bids if bid.price is None)
    return f"at most {known} credits" + (f", and {unknown} of unknown price" if unknown else "")
