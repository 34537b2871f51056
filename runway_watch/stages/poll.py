"""Poll: ask about a task. Only Runway's own word ends it: no lost answer and no clock of ours does.

What a failure code means is a table, longest prefix first (docs, errors/task-failures).
"""

from collections.abc import Mapping

from runway_watch import catalogue
from runway_watch.api import Api, Task
from runway_watch.decide import TRIES_AGAIN
from runway_watch.errors import ApiError, NotFound
from runway_watch.job import Done, Generation, Job, Later, Never, Outcome, State, Verdict
from runway_watch.stages.trouble import outcome_of

_SAFETY = "Runway's moderation refused it. The same request will be refused again."
_FAILURES: Mapping[str, tuple[str, bool, str]] = {
    # prefix: (our code, worth another try, what to tell)
    "SAFETY": ("task.safety", False, _SAFETY),
    "INPUT_PREPROCESSING.SAFETY": ("task.safety", False, _SAFETY),
    "INPUT_PREPROCESSING.INTERNAL": ("task.internal", True, "Runway failed while it prepared the input."),
    "INTERNAL.BAD_OUTPUT": ("task.bad_output", False, "Runway could not make a usable result of this."),
    "INTERNAL": ("task.internal", True, "Runway failed while it worked on this."),
    "ASSET.INVALID": ("task.asset_invalid", False, "Runway cannot use this file."),
    "THIRD_PARTY.UNAVAILABLE": ("task.unavailable", True, "The model's provider is not available."),
}
_UNKNOWN = "Runway failed for a reason that we do not know."
_UNKNOWN_TRIES = 2
"""Paid calls at most for a task that fails with a code nobody knows."""

_PROVIDER_PATIENCE = 3
"""Doublings of the pause after a provider was away: minutes, not seconds."""

_HINTS = {
    "task.safety": "Change the prompt or the picture first: repeated refusals can suspend the account.",
    "task.bad_output": "Change the prompt or the picture: logos, watermarks and text are common causes.",
    "task.asset_invalid": "Check its dimensions, duration and codec.",
}
"""What to do where nothing is done by itself."""


_NO_MORE = "It is not tried again by itself: `runway-watch retry` asks for it anew, and pays anew."

_OTHER_ACCOUNT_PAUSE = 60.0
_ASKED = 9
"""So many times in a row Runway has to say that a paid task is gone or empty: a short mishap may say it too.
By the backoff's usual 10 s, doubled each time, the last comes 10 minutes after the first, or later."""


async def poll(job: Job, generation: Generation, *, api: Api) -> Outcome:
    """Ask once.

    Returns:
        Done with `urls` (secret, short-lived: never written down), `nodes` and `credits`; Later("running")
        with `status` and `progress`; Never with what a failed task cost; Later for any trouble on the way.
    """
    assert generation.task_id is not None
    try:
        task = await api.task(generation.task_id, route=catalogue.served(job.operation).poll)
    except NotFound as error:
        return _unknown_task(generation, error, account=api.fingerprint)
    except ApiError as error:
        outcome = outcome_of(error, stage="poll")
        # Asking is free and what is asked about is paid for: no answer to a question ends it.
        return outcome if isinstance(outcome, Later) else Later("unreadable", error.message)
    return _read(task, generation)


def _unknown_task(generation: Generation, error: NotFound, *, account: str) -> Outcome:
    if generation.account not in (None, account):
        message = "the task belongs to another key's account: put that key back"
        return Later("other_account", message, after=_OTHER_ACCOUNT_PAUSE, counts=False)
    if (again := _once_more(generation, "not_found", error.message)) is not None:
        return again
    verdict = _ended("task.lost", f"Runway no longer knows the task: {error.message}")
    return Never(verdict, facts={"ended_at": None})  # what it cost will never be known


def _once_more(generation: Generation, reason: str, message: str) -> Later | None:
    """Another question, unless this very answer has come often enough without another in between."""
    times = generation.attempt + 1 if generation.reason == reason else 1
    # While it is fetched, what counts would end after `attempts`, before Runway has been asked often enough.
    counts = generation.state is State.RUNNING
    return None if times >= _ASKED else Later(reason, message, counts=counts, facts={"attempt": times})


def _read(task: Task, generation: Generation) -> Outcome:
    facts: dict[str, object] = {
        "status": task.status,
        "charged": task.credits,
        "credits": generation.credits + (task.credits or 0),
    }
    # What a task without a result has cost is known only when Runway says so.
    unknown: dict[str, object] = {"ended_at": None} if task.credits is None else {}
    match task.status:
        case "SUCCEEDED" if task.outputs:
            found = {"urls": task.outputs, "nodes": task.nodes, "remarks": task.troubles}
            return Done({**facts, **found, "progress": 1.0})
        case "SUCCEEDED":
            return _without_output(generation, facts | unknown)
        case "FAILED":
            return _failed(task, generation, facts | unknown)
        case "CANCELLED" | "CANCELED":
            verdict = _ended("task.cancelled", "The task was cancelled at Runway.")
            return Never(verdict, facts=facts | unknown)
        case _:
            facts = {"status": task.status, "progress": task.progress}
            return Later("running", task.status.lower(), counts=False, facts=facts)


def _without_output(generation: Generation, facts: Mapping[str, object]) -> Outcome:
    message = "Runway says that it succeeded, and names no output."
    if (again := _once_more(generation, "no_output", message)) is not None:
        return again
    # Of the stage that comes next: it is paid for, so trying again asks for its output once more.
    hint = "`runway-watch retry` asks for the output again; that costs nothing."
    return Never(Verdict("collect", "output.incomplete", message, hint=hint), facts=facts)


def _failed(task: Task, generation: Generation, facts: Mapping[str, object]) -> Never:
    code = (task.failure_code or "").upper()
    ours, passing, message = _meaning(code, generation)
    # What was charged all the same is not paid for again without a person's word.
    again = passing and not task.credits
    verdict = Verdict(
        stage="poll",
        code=ours,
        message=message if not task.failure else f"{message} Runway says: {task.failure}",
        problems=task.troubles,
        hint=_HINTS.get(ours, TRIES_AGAIN if again else _NO_MORE),
        failure_code=task.failure_code,
    )
    patience = _PROVIDER_PATIENCE if ours == "task.unavailable" else 0
    return Never(verdict, again=again, patience=patience, facts=facts)


def _meaning(code: str, generation: Generation) -> tuple[str, bool, str]:
    """Our code, whether it may pass, and a sentence, for one of Runway's failure codes ("" for none)."""
    if "SAFETY" in code.split("."):
        return _FAILURES["SAFETY"]
    known = [prefix for prefix in _FAILURES if (code or "INTERNAL").startswith(prefix)]
    if not known:
        return "task.internal", generation.tries < _UNKNOWN_TRIES, _UNKNOWN
    return _FAILURES[max(known, key=len)]


def _ended(code: str, message: str) -> Verdict:
    return Verdict("poll", code, message, hint="`runway-watch retry` asks for it anew, and pays anew.")
