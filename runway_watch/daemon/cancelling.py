"""Cancel: a job stops and its files go to failed/; at Runway too, as long as that gives the credits back.

A task that Runway has begun to work on costs the same whether it is stopped or not. It is left to finish,
so that `retry` can still fetch what was paid for. Where one of several generations has brought something, the
job is done with that: nothing could be fetched later, so that what is paid for goes on.
"""

from collections.abc import Mapping
from typing import Any

from runway_watch import catalogue, clock, log
from runway_watch.api import Task
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.filing import file_away
from runway_watch.daemon.moves import insist
from runway_watch.decide import CANCELLED, STAGE_OF, Move, fail
from runway_watch.errors import ApiError, LostUpdate, NotFound
from runway_watch.job import Generation, Job, Place, State, Verdict, asked
from runway_watch.records import charged

_OVER = (State.DONE, State.FAILED, State.CANCELLED, State.RETIRING)
_QUEUED = ("THROTTLED", "PENDING")

_SAME_MOMENT = 2.0
"""Seconds from the question to the end of the deletion, within which what waited for a slot is taken to have
waited to its end. Runway does not tell what it deleted, and cannot be asked about it any more."""

_FINISHED = "Runway has finished it, or what is paid for belongs to something that has: not cancelled"
_HINT = "`runway-watch retry`, or moving the files to the inbox, begins it anew."
_HINT_FREE = f"It had not begun, so it should cost nothing; Runway's usage page has the last word. {_HINT}"
_HINT_UNKNOWN = f"Runway deleted it; whether it had begun, and cost anything, its usage page says. {_HINT}"
_HINT_GONE = f"Runway has it no longer; whether it had begun, and cost anything, its usage page says. {_HINT}"
_HINT_PAID = (
    "Runway had begun it: it is left to finish there, and costs the same. `runway-watch retry` fetches its "
    "result when it has finished, and pays nothing more."
)
_HINT_UNASKED = (
    "Runway could not be asked about it: what waits there goes on, and is charged. `runway-watch retry` "
    "fetches its result when it has finished, and pays nothing more."
)
_HINT_GOES_ON = (
    "Runway has no way to stop a workflow's run: it goes on there, and is charged. `runway-watch retry` "
    "fetches its result when it has finished, and pays nothing more."
)
_HINT_DOUBT = f"Nobody knows whether it was paid for: to begin it anew may pay a second time. {_HINT}"


async def cancel(bench: Bench, job_id: str) -> bool:
    """Cancel a job for which nothing is being done at this moment but what cannot be broken off.

    Returns:
        Whether there is nothing left to do; False while its paid request, or its files, are on their way.
    """
    found = await bench.clerk(bench.ledger.job, job_id)
    if found is None or found[0].state in _OVER or found[0].root not in bench.spools:
        return True
    job, calls = found
    if job.target is Place.PROCESSING or any(call.state is State.SUBMITTING for call in calls):
        return False
    ends = [(call, await _end(bench, job, call)) for call in calls if call.state not in _OVER]
    moves = [(asked(job, call), call, move) for call, move in ends if move is not None]
    if len(moves) < len(ends) or any(call.outputs for call in calls):
        moves = [planned for planned in moves if not _is_paid_for(planned[2])]
    if len(moves) < len(ends):
        log.say("job.finished", job=job.id, path=job.path, message=_FINISHED)
    try:
        await insist(bench, moves)
    except LostUpdate:
        return False  # something was committed just before it was broken off
    await file_away(bench, job)
    bench.wake()
    return True


def _is_paid_for(move: Move) -> bool:
    """Whether what ends so has a result at Runway, now or later."""
    return bool(move.changes["verdict"].stage == "collect")


async def _end(bench: Bench, job: Job, call: Generation) -> Move | None:
    """How a generation ends; None when Runway has finished it already."""
    match call.state:
        case State.RUNNING:
            return await _end_at_runway(bench, job, call)
        case State.COLLECTING:
            return _cancelled("collect", _HINT_PAID, {})
    is_doubtful = charged([call]) == "unknown"
    return _cancelled(STAGE_OF[call.state], _HINT_DOUBT if is_doubtful else _HINT, {})


async def _end_at_runway(bench: Bench, job: Job, call: Generation) -> Move | None:
    asked = clock.monotonic()
    try:
        task = await _task(bench, job, call)
    except NotFound:  # deleted, by this very order before the daemon died, or by somebody else
        return _cancelled("poll", _HINT_GONE, {"charged": None})
    if task is not None and task.status in ("SUCCEEDED", "FAILED"):
        return None
    may_stop = catalogue.served(job.operation).stops
    if task is not None and task.status in _QUEUED and may_stop and await _deleted(bench, call):
        return _deleted_there(task, seconds=clock.monotonic() - asked)
    if not may_stop:
        return _cancelled("collect", _HINT_GOES_ON, {})
    is_told = task is not None and task.status not in _QUEUED
    return _cancelled("collect", _HINT_PAID if is_told else _HINT_UNASKED, {})


def _cancelled(stage: str, hint: str, facts: Mapping[str, Any]) -> Move:
    verdict = Verdict(stage, CANCELLED, "It was cancelled by a person.", hint=hint)
    return fail(verdict, now=clock.now(), facts=facts)


def _deleted_there(task: Task, *, seconds: float) -> Move:
    """What waited for a slot costs nothing; what had one, or got one meanwhile, may have begun.

    Args:
        task: as it was before it was deleted.
        seconds: how long it took to ask and to delete.
    """
    if task.status == "THROTTLED" and seconds < _SAME_MOMENT:
        return _cancelled("poll", _HINT_FREE, {"charged": 0, "ended_at": clock.now()})
    return _cancelled("poll", _HINT_UNKNOWN, {"charged": None})


async def _task(bench: Bench, job: Job, call: Generation) -> Task | None:
    """How it stands at Runway; None when nobody can say.

    Raises:
        NotFound: it was there, and is no more.
    """
    try:
        route = catalogue.served(job.operation).poll
        return await bench.api.task(call.task_id or "", route=route)
    except NotFound:
        if call.status is not None:
            raise
    except ApiError:
        pass
    return None


async def _deleted(bench: Bench, call: Generation) -> bool:
    try:
        await bench.api.delete(call.task_id or "")
    except ApiError:
        return False
    return True
