"""The lines themselves: constant words, flat facts, and the consequence of what happened."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import structlog

from runway_watch.job import Generation, Job, State

_EVENTS: Mapping[str, str] = {
    "uploaded": "job.uploaded",
    "submitted": "job.submitted",
    "collected": "job.collected",
    "doubt": "job.held",
    "release": "job.released",
    "recollect": "job.released",
    "again": "job.retry_scheduled",
}
"""The state table's events by their name in the log; the rest is `job.progressed`. Ends: see `ending`."""


def say(event: str, *, level: str = "info", **facts: Any) -> None:
    """Log something that is no transition of a job. `event` is `noun.past_participle`."""
    known = {key: value for key, value in facts.items() if value is not None}
    structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, **known)


def about(**facts: Any) -> AbstractContextManager[None]:
    """Have these facts in every line that this task logs inside the block."""
    known = {key: value for key, value in facts.items() if value is not None}
    return structlog.contextvars.bound_contextvars(**known)


def transition(job: Job, before: Generation, after: Generation, *, event: str, now: float) -> None:
    """Log a move of a generation, after its commit."""
    name = _EVENTS.get(event, "job.progressed")
    if event == "later" and after.reason != "running":
        name = "job.retry_scheduled"
    verdict = after.verdict if after.verdict is not before.verdict else None
    waits = after.due_at > now and after.state in (
        State.READY,
        State.UPLOADING,
        State.COLLECTING,
        State.RETIRING,
    )
    say(
        name,
        level=_level(event, after),
        path=job.path,
        job=job.id,
        generation=after.n if after.asks or after.n > 1 else None,
        state=after.state.value,
        was=before.state.value,
        operation=job.operation or None,
        model=job.model or None,
        attempt=after.attempt or None,
        due_in=round(after.due_at - now, 1) if waits else None,
        code=verdict.code if verdict else after.reason,
        credits=after.credits or None,
        message=(verdict.message if verdict else after.message) or None,
    )


def returned(was: Job, job: Job, calls: Sequence[Generation], *, now: float) -> None:
    """Log that a job that was over goes on, after the commit."""
    due = min(call.due_at for call in calls)
    say(
        "job.released",
        path=job.path,
        job=job.id,
        state=job.state.value,
        was=was.state.value,
        operation=job.operation or None,
        model=job.model or None,
        due_in=round(due - now, 1) if due > now else None,
        credits=sum(call.credits for call in calls) or None,
    )


def _level(event: str, after: Generation) -> str:
    if event == "doubt":
        return "warning"  # a person has to do something
    return "debug" if event == "later" and after.reason == "running" else "info"


def ending(job: Job, calls: Sequence[Generation], *, was: State) -> None:
    """Log the end of a job, after its commit."""
    verdict = job.verdict
    failed = [call for call in calls if not call.outputs] if job.state is State.DONE else []
    message = verdict.message if verdict else None
    if failed:
        message = f"{len(calls) - len(failed)} of {len(calls)} generations worked; its result says why"
    say(
        f"job.{job.state}",
        level="warning" if job.state is State.FAILED or failed else "info",
        path=job.path,
        job=job.id,
        state=job.state.value,
        was=was.value,
        operation=job.operation or None,
        model=job.model or None,
        code=verdict.code if verdict else None,
        message=message,
        failed=len(failed) or None,
        credits=sum(call.credits for call in calls) or None,
        seconds=round(job.finished_at - job.accepted_at, 1) if job.finished_at else None,
    )
