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
"""

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.doubts import post_held
from runway_watch.daemon.moves import commit
from runway_watch.daemon.rebuilding import rebuild
from runway_watch.daemon.strays import hold_strays
from runway_watch.decide import decide
from runway_watch.job import State, Unsure

DIED = "the daemon stopped while the request was on its way"


async def recover(bench: Bench) -> None:
    """Bring ledger and folders together again. Does nothing where nothing is to be done.

    Raises:
        SpoolError: a root cannot be read.
        LedgerError: the ledger cannot be used.
    """
    await rebuild(bench)
    await hold_strays(bench)
    retry, now = bench.settings.retry, clock.now()
    lost = [
        (job, call, decide(call, Unsure(DIED), retry=retry, now=now, jitter=0.0))
        for job, call in await bench.clerk(bench.ledger.in_state, State.SUBMITTING)
    ]
    await commit(bench, lost)
    for job, call in await bench.clerk(bench.ledger.in_state, State.HELD):
        if job.root in bench.spools:
            await post_held(bench, job, call)
