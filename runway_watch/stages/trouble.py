"""From what went wrong on the way to Runway to what a stage says about it."""

from runway_watch.errors import (
    AnswerLost,
    ApiError,
    Away,
    Denied,
    Interrupted,
    OutOfCredits,
    SpoolError,
    TurnedAway,
    Unreachable,
)
from runway_watch.job import Later, Never, Outcome, Unsure, Verdict

LONGEST_FREE_WAIT = 300.0
"""Seconds that a Retry-After may delay a request that costs nothing: a question about what is paid for, asked
every few minutes, is no burden to Runway, and a day without its answer is one to who waits for it."""


def outcome_of(error: ApiError, *, stage: str, paid: bool = False) -> Outcome:
    """What an API error means for a stage.

    Args:
        error: what went wrong.
        stage: for the record, should it be the end of the job.
        paid: the request was one that costs money: without an answer it may have been carried out, and it
            is not sent again sooner than Runway asks. What is free waits for `LONGEST_FREE_WAIT` at most.
    """
    after = error.retry_after if paid else _bounded(error.retry_after)
    match error:
        case Denied():
            return _wait("credentials", f"Runway does not accept the key: {error.message}")
        case OutOfCredits():
            return _wait("credits", "the account has too few credits")
        case TurnedAway():
            reason = "rate_limited" if error.status == 429 else "unavailable"
            return _wait(reason, error.message, after)
        case Unreachable():
            return _wait("unreachable", error.message)
        case AnswerLost():
            unpaid = _wait("answer_lost", error.message, after)
            return Unsure(error.message, error.status) if paid else unpaid
        case _:
            return Never(rejected(error, stage))


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds, LONGEST_FREE_WAIT)


def _wait(reason: str, message: str, after: float | None = None) -> Later:
    """It says nothing about the file: however often it happens, it never uses up an attempt."""
    return Later(reason, message, after=after, counts=False)


SHARE = "share"
"""The reason to wait for a folder that is in trouble: no fault of the file."""

STORAGE = "storage"
"""The reason to wait for a storage that is away: it is about no job."""


def transfer_trouble(error: Interrupted) -> Later:
    """What a broken transfer means for a stage: it uses up an attempt, unless it is about no file."""
    if isinstance(error, Away):
        return Later(STORAGE, str(error), counts=False)
    return Later("interrupted", str(error))


def folder_trouble(error: SpoolError) -> Later:
    """What trouble with a folder means for a stage: no fault of the file, so it never uses up an attempt."""
    return Later("disk" if error.is_full else SHARE, str(error), counts=False)


def rejected(error: ApiError, stage: str) -> Verdict:
    """The verdict on a request that Runway will never accept."""
    return Verdict(
        stage=stage,
        code="api.rejected",
        message=error.message,
        hint="Mend the sidecar or the picture where it lies, and save it.",
        problems=error.issues,
        http_status=error.status,
    )
