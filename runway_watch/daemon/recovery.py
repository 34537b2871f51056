"""Start-up: what a daemon that died has left behind, and how each case goes on.

state        files                          what is done
ready        on their way (target set)      the first look at the inbox carries them the rest of the way
ready        in processing/                 nothing: it is due
uploading    in processing/                 nothing: it is due, and what lies at Runway is known
submitting   in processing/                 held, `submit.uncertain`: nobody knows whether it was paid for
running      in processing/                 nothing: the task is asked about
collecting   in processing/                 nothing: fresh addresses are asked for, outputs fetched anew
retiring     anywhere on their way          nothing: it is due, and moves already made are recognised
held         in processing/                 its record is written again, should it be missing
done, failed, cancelled                     nothing: commit and arrival were one
no row       in done/, failed/              the ledger was lost: rebuilt from the records there
no row       in processing/                 held, `submit.uncertain`: nobody knows how far it came

The clock may have been set back in the meantime. Nobody can tell, so nothing but an appointment is waited
for longer than it would be had it just been put off, and nothing that happened lies in the future.
"""

from runway_watch import clock
from runway_watch.config import Settings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.doubts import post_held
from runway_watch.daemon.moves import commit
from runway_watch.daemon.rebuilding import rebuild
from runway_watch.daemon.strays import hold_strays
from runway_watch.decide import decide
from runway_watch.job import Generation, Job, State, Unsure
from runway_watch.sidecar import JobTable

DIED = "the daemon stopped while the request was on its way"


async def recover(bench: Bench) -> None:
    """Take up what the ledger says, wherever the files are. Raises LedgerError when it cannot be used."""
    await distrust_clock(bench)
    retry, now = bench.settings.retry, clock.now()
    lost = [
        (job, call, decide(call, Unsure(DIED), retry=retry, now=now, jitter=0.0))
        for job, call in await bench.clerk(bench.ledger.in_state, State.SUBMITTING)
    ]
    await commit(bench, lost)


async def settle_in(bench: Bench, root: str) -> None:
    """Bring the ledger and the folders of a root together. Does nothing where nothing is to be done.

    Raises:
        SpoolError: the root cannot be read.
        LedgerError: the ledger cannot be used.
    """
    await rebuild(bench, root)
    await hold_strays(bench, root)
    for job, _ in await bench.clerk(bench.ledger.in_state, State.HELD):
        if job.root == root:
            await post_held(bench, job)


async def distrust_clock(bench: Bench) -> None:
    """Let nothing be waited for that only a clock which was ahead can have put off. Raises LedgerError."""
    now = clock.now()
    await bench.clerk(bench.ledger.doubt_future, at=now)
    await bench.keeper.load()
    ahead = await bench.clerk(bench.ledger.ahead, at=now)
    due = ((call, latest_due(job, call, bench.settings, now=now)) for job, call in ahead)
    sooner = [(call, moment) for call, moment in due if moment < call.due_at]
    await bench.clerk(bench.ledger.bring_forward, sooner)


def latest_due(job: Job, call: Generation, settings: Settings, *, now: float) -> float:
    """The latest moment for which a live generation can be due, seconds since 1970, if the clock is right."""
    if call.state is State.RUNNING:
        return now + settings.poll.max_seconds
    if call.reason is not None:
        return now + settings.retry.max_seconds
    if call.state is State.READY:
        return max(now, JobTable.model_validate(job.options, strict=False).starts_at())
    return now
