"""From what went wrong on the way to Runway to what a stage says about it."""

from runway_watch.errors import (
    AnswerLost,
    ApiError,
    Denied,
    OutOfCredits,
    TurnedAway,
    Unreachable,
)
from runway_watch.job import Later, Never, Outcome, Unsure, Verdict

CREDENTIALS_PAUSE = 60.0
CREDITS_PAUSE = 300.0
"""Seconds between two looks at whether a person has mended what no trying mends."""


def outcome_of(error: ApiError, *, stage: str, paid: bool = False) -> Outcome:
    """What an API error means for a stage.

    Args:
        error: what went wrong.
        stage: for the record, should it be the end of the job.
        paid: the request was one that costs money: without an answer it may have been carried out.
    """
    match error:
        case Denied():
            message = "Runway does not accept the key"
            return Later("credentials", message, after=CREDENTIALS_PAUSE, counts=False)
        case OutOfCredits():
            message = "the account has too few credits"
            return Later("credits", message, after=CREDITS_PAUSE, counts=False)
        case TurnedAway():
            reason = "rate_limited" if error.status == 429 else "unavailable"
            return Later(reason, error.message, after=error.retry_after)
        case Unreachable():
            return Later("unreachable", error.message)
        case AnswerLost():
            unpaid = Later("answer_lost", error.message, after=error.retry_after)
            return Unsure(error.message, error.status) if paid else unpaid
        case _:
            return Never(rejected(error, stage))


def rejected(error: ApiError, stage: str) -> Verdict:
    """The verdict on a request that Runway will never accept."""
    return Verdict(
        stage=stage,
        code="api.rejected",
        message=error.message,
        hint="Mend the sidecar or the picture, then move the files back to the inbox.",
        problems=error.issues,
        http_status=error.status,
    )
