"""Letting a held job go on, on a person's word: what was in doubt is sent again, what has worked stays."""

from typing import Any

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.moves import commit
from runway_watch.decide import Move
from runway_watch.job import Job, State, asked
from runway_watch.spool import HELD


async def release(bench: Bench, job: Job) -> None:
    """Let every generation of a job that is held begin anew. To be called under the lock of its root."""
    now, spool = clock.now(), bench.spool(job)
    changes: dict[str, Any] = {
        "due_at": now,
        "attempt": 0,
        "verdict": None,
        "uploaded_at": None,
        "evidence": {},
    }
    calls = await bench.clerk(bench.ledger.calls, job.id)
    held = [call for call in calls if call.state is State.HELD]
    await commit(bench, [(asked(job, call), call, Move("release", changes)) for call in held])
    await spool.hands(spool.withdraw, job, HELD, place=job.place, name=job.name)
    bench.wake()
