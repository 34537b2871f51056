"""What a job depends on besides itself: holds, the queue, the job whose result it shares, and people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from runway_watch import clock
from runway_watch.config import RetrySettings, Settings
from runway_watch.job import Generation, Hold, Job
from runway_watch.ledger import Ledger
from runway_watch.states import AT_RUNWAY, WAITING


@dataclass(frozen=True, slots=True)
class Around:
    """What a job depends on.

    Args:
        now: seconds since 1970.
        zone: whose wall clock times are told in.
        holds: every open one.
        is_running: whether a daemon runs.
        is_watched: whether the configuration still has the job's root.
        leader: the job whose result this one shares.
        ahead: how many generations of its model, and of other jobs, go first.
        at_runway: how many generations of its model are at Runway.
        ordered: what people have ordered about it that is not carried out yet.
        retry: for the sweep.
    """

    now: float
    zone: tzinfo
    holds: Sequence[Hold]
    is_running: bool
    is_watched: bool
    leader: Job | None
    ahead: int
    at_runway: int
    ordered: Sequence[str]
    retry: RetrySettings


def around(
    job: Job, call: Generation, ledger: Ledger, settings: Settings, *, is_running: bool, zone: tzinfo
) -> Around:
    """What a job depends on, and the generation that it stands with, from the ledger."""
    roots = settings.roots
    leader = ledger.job(job.duplicate_of) if job.duplicate_of is not None else None
    now = clock.now()
    traffic = ledger.traffic(at=now, roots=roots).get(call.model, {})
    return Around(
        now=now,
        zone=zone,
        holds=ledger.holds(),
        is_running=is_running,
        is_watched=job.root in roots,
        leader=leader[0] if leader is not None else None,
        ahead=ledger.before(job, call) if job.state in WAITING else 0,
        at_runway=sum(traffic.get(state, 0) for state in AT_RUNWAY),
        ordered=[verb for _, verb, whose in ledger.orders() if whose == job.id],
        retry=settings.retry,
    )
