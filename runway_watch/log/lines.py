"""The lines themselves: constant words, flat facts, and the consequence of what happened."""

import logging
from collections.abc import Mapping
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


def _level(event: str, after: Generation) -> str:
    if event == "doubt":
        return "warning"  # a person has to do something
    return "debug" if event == "later" and after.reason == "running" else "info"


def ending(job: Job, *, was: State, charged: int) -> None:
    """Log the end of a job, after its commit."""
    verdict = job.verdict
    say(
        f"job.{job.state}",
        level="warning" if job.state is State.FAILED else "info",
        path=job.path,
        job=job.id,
        state=job.state.value,
        was=was.value,
        operation=job.operation or None,
        model=job.model or None,
        code=verdict.code if verdict else None,
        message=verdict.message if verdict else None,
        credits=charged or None,
        seconds=round(job.finished_at - job.accepted_at, 1) if job.finished_at else None,
    )
