"""What happens next: from where a generation stands and what its stage came back with. Pure.

A failure of the network or of Runway is *later* until it has happened `attempts` times; then it is
*never, for now* (`retryable`). A paid call without an answer is neither: it is held, because sending it
again could pay twice and dropping it could lose what was paid for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from runway_watch import polling
from runway_watch.backoff import wait
from runway_watch.config import PollSettings, RetrySettings
from runway_watch.job import Done, Generation, Job, Later, Never, Outcome, Place, State, Unsure, Verdict
from runway_watch.polling import Look

UNCERTAIN = "submit.uncertain"
CANCELLED = "cancelled"
BLOCKED = frozenset({"credentials", "credits", "other_account", "share", "disk"})
"""Reasons to wait that no amount of trying mends: a person has to do something."""

_FINISHED = {
    State.UPLOADING: "uploaded",
    State.SUBMITTING: "submitted",
    State.RUNNING: "succeeded",
    State.COLLECTING: "collected",
}
_NEVER_GIVES_UP = frozenset({State.RUNNING, State.RETIRING})
"""What is paid for is asked about for ever, and a verdict is filed for ever: no local deadline ends them."""


_PAID_PATIENCE = 4
"""What is paid for and finished is fetched this many times as often (some hours) before a person is told."""


TRIES_AGAIN = "The retry sweep takes it up again a few times by itself; `runway-watch retry` tries at once."

NO_REASON: Mapping[str, Any] = {"reason": None, "message": None}
"""The values of a generation that does not wait for anything any more."""


LONGEST_FILING_PAUSE = 30.0
"""Seconds: what is over is in its place within a minute after its folder is back."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the state table, and the values that change with it."""

    event: str
    changes: Mapping[str, Any]


def decide(
    generation: Generation, outcome: Outcome, *, retry: RetrySettings, now: float, jitter: float
) -> Move:
    """The move that follows from a stage's outcome. `jitter` is 0 to 1, `now` seconds since 1970."""
    if generation.state is State.RUNNING and isinstance(outcome, Done | Never):
        outcome = replace(outcome, facts={"ended_at": now} | dict(outcome.facts))
    match outcome:
        case Done(facts):
            clear = {"attempt": 0, "due_at": now, **NO_REASON}
            return Move(_FINISHED[generation.state], {**clear, **facts})
        case Later():
            return _later(generation, outcome, retry=retry, now=now, jitter=jitter)
        case Never():
            return _never(generation, outcome, retry=retry, now=now, jitter=jitter)
        case Unsure():
            return _unsure(generation, outcome, retry=retry, now=now, jitter=jitter)


def _later(generation: Generation, later: Later, *, retry: RetrySettings, now: float, jitter: float) -> Move:
    """Come back later. What does not count is no fault of the file's, and waits for the way that is."""
    attempt = generation.attempt + 1 if later.counts else generation.attempt
    patience = _PAID_PATIENCE if generation.state is State.COLLECTING else 1
    if later.counts and attempt >= patience * retry.attempts and generation.state not in _NEVER_GIVES_UP:
        return fail(_exhausted(generation.state, later, attempt), now=now, facts={"attempt": attempt})
    pause = later.after if not later.counts else None
    if pause is None:
        pause = _pause(attempt, later, retry, jitter)
    if generation.state is State.RETIRING:  # nothing but its folder is waited for
        pause = min(pause, LONGEST_FILING_PAUSE)
    changes = {"attempt": attempt, "due_at": now + pause, "reason": later.reason, "message": later.message}
    return Move("later", changes | dict(later.facts))


def _never(generation: Generation, never: Never, *, retry: RetrySettings, now: float, jitter: float) -> Move:
    if not never.again:
        return fail(never.verdict, now=now, facts=never.facts)
    if generation.tries >= retry.attempts:
        return fail(replace(never.verdict, retryable=True), now=now, facts=never.facts)
    pause = _pause(generation.tries + never.patience, None, retry, jitter)
    return Move("again", dict(never.facts) | _afresh(now + pause, never.verdict.code, never.verdict.message))


def _unsure(
    generation: Generation, unsure: Unsure, *, retry: RetrySettings, now: float, jitter: float
) -> Move:
    # It may have been paid for: it counts as a paid call, of which nobody has seen the end.
    doubted = generation.doubted + (generation.estimated or 0)
    sent = {"tries": generation.tries + 1, "submitted_at": now, "ended_at": None, "doubted": doubted}
    if retry.uncertain_submit == "resubmit" and generation.tries + 1 < retry.attempts:
        due = now + _pause(generation.tries + 1, None, retry, jitter)
        return Move("again", _afresh(due, UNCERTAIN, unsure.message) | sent)
    return Move("doubt", sent | {"verdict": doubt(unsure.message, unsure.http_status)})


def doubt(what: str, http_status: int | None = None) -> Verdict:
    """The verdict on a paid call of which nobody knows whether it was carried out."""
    return Verdict(
        stage="submit",
        code=UNCERTAIN,
        message=f"Nobody knows whether this was paid for: {what}",
        hint="Look at the account's usage. `runway-watch retry` sends it again, which may pay a second time.",
        http_status=http_status,
        retryable=False,
    )


def _exhausted(state: State, later: Later, attempt: int) -> Verdict:
    last = (later.message or later.reason).rstrip(".")
    return Verdict(
        stage=STAGE_OF[state],
        code="retries.exhausted",
        message=f"It did not work {attempt} times in a row; the last time: {last}.",
        hint=TRIES_AGAIN,
        retryable=True,
    )


def fail(verdict: Verdict, *, now: float, facts: Mapping[str, Any] = MappingProxyType({})) -> Move:
    """The end of a generation that did not work: it is due to be filed, with the verdict beside it."""
    return Move("fail", {"verdict": verdict, "due_at": now, **NO_REASON, **facts})


def _afresh(due: float, reason: str, message: str) -> dict[str, Any]:
    """The row of a generation that begins again, with what it has cost so far kept."""
    return {
        "due_at": due,
        "reason": reason,
        "message": message,
        "uploaded_at": None,
        "task_id": None,
        "status": None,
        "progress": None,
        "polls": 0,
        "polled_at": None,
        "started_at": None,
    }


def _pause(attempt: int, later: Later | None, retry: RetrySettings, jitter: float) -> float:
    asked = later.after if later else None
    return wait(
        max(1, attempt), first=retry.first_seconds, longest=retry.max_seconds, jitter=jitter, asked=asked
    )


STAGE_OF: Mapping[State, str] = {
    State.READY: "admit",
    State.UPLOADING: "upload",
    State.SUBMITTING: "submit",
    State.RUNNING: "poll",
    State.COLLECTING: "collect",
    State.RETIRING: "retire",
    State.HELD: "submit",
}
"""The word for what was being done, for records and logs."""


def first_question(done: Done, *, usual: float | None, poll: PollSettings, now: float, jitter: float) -> Done:
    """Add to a successful submission when its task will be asked about first.

    Args:
        usual: how long its kind takes, in seconds, None when nobody knows.
        jitter: 0 to 1.
    """
    due = polling.first_poll(submitted=now, usual=usual, least=poll.min_seconds, jitter=jitter)
    return Done(dict(done.facts) | {"submitted_at": now, "started_at": now, "due_at": due})


def pace(
    generation: Generation,
    later: Later,
    *,
    usual: float | None,
    looks: Sequence[Look],
    poll: PollSettings,
    now: float,
) -> Later:
    """Turn "not yet" into the moment of the next poll. Other reasons to come back later stay as they are.

    Args:
        usual: how long its kind took before, in seconds, None when nobody knows.
        looks: how far its kind was at various ages.
    """
    if later.reason != "running":
        return replace(later, after=max(later.after or 0.0, poll.min_seconds))
    polls = generation.polls + 1
    queued = later.facts.get("status") == "THROTTLED" or generation.started_at is None
    started = now if queued or generation.started_at is None else generation.started_at
    due = polling.next_poll(
        now,
        started=started,
        usual=usual,
        span=polling.span(looks),
        progress=None if queued else later.facts.get("progress"),
        polls=polls,
        least=poll.min_seconds,
        most=poll.max_seconds,
    )
    facts = {"polls": polls, "polled_at": now, "started_at": started, "attempt": 0}
    return replace(later, after=due - now, facts=dict(later.facts) | facts)


def look_at(generation: Generation, later: Later, *, now: float) -> Look | None:
    """How old and how far a task is, for what can be learned from it about its kind; None if nothing."""
    progress, started = later.facts.get("progress"), generation.started_at
    if progress is None or progress < polling.MEANINGFUL_PROGRESS or started is None:
        return None
    return None if generation.status == "THROTTLED" else (now - started, progress)


def verdict_of(job: Job, generations: Sequence[Generation]) -> Verdict | None:
    """What a job whose generations have all ended comes to: None for done, else why it failed.

    It is done if any of them brought something. Else the first verdict counts, unless a person cancelled it;
    and it may work another time if one of them may.
    """
    if any(g.outputs for g in generations):
        return None
    found = [g.verdict for g in generations if g.verdict]
    found.sort(key=lambda verdict: verdict.code != CANCELLED)
    if not found:
        return job.verdict or Verdict("retire", "internal", "It ended without a result or a reason.")
    may_work = found[0].code != CANCELLED and any(verdict.retryable for verdict in found)
    return replace(found[0], retryable=may_work)


def ended(verdict: Verdict | None) -> State:
    """The state of what is over, by the verdict on it."""
    if verdict is None:
        return State.DONE
    return State.CANCELLED if verdict.code == CANCELLED else State.FAILED


def is_open(generation: Generation) -> bool:
    """Whether its last paid call has no known end, and is not counted among those in doubt already."""
    has_no_end = generation.submitted_at is not None and generation.ended_at is None
    return has_no_end and (generation.task_id is not None or not generation.doubted)


def may_sweep(job: Job, *, sweeps: int) -> bool:
    """Whether the retry sweep may bring a failed job back by itself."""
    return bool(
        job.state is State.FAILED
        and job.place is Place.FAILED
        and job.verdict is not None
        and job.verdict.retryable
        and job.sweeps < sweeps
    )
