"""What happens next: from where a generation stands and what its stage came back with, by table."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.config import RetrySettings
from runway_watch.decide import Move, decide, doubt, may_sweep, verdict_of
from runway_watch.job import (
    Done,
    Generation,
    Later,
    Never,
    Outcome,
    Output,
    Place,
    State,
    Unsure,
    Verdict,
)
from runway_watch.records import charged
from runway_watch.states import TABLE, advance
from tests.samples import NOW, VERDICT, call, job, retry

S = State
STAGES = (S.UPLOADING, S.SUBMITTING, S.RUNNING, S.COLLECTING)
AGAIN = Never(VERDICT, again=True)


def move(generation: Generation, outcome: Outcome, *, jitter: float = 0.0, **policy: Any) -> Move:
    return decide(generation, outcome, retry=retry(**policy), now=NOW, jitter=jitter)


@pytest.mark.parametrize(
    ("state", "outcome", "event"),
    [
        (S.UPLOADING, Done(), "uploaded"),
        (S.SUBMITTING, Done({"task_id": "t"}), "submitted"),
        (S.RUNNING, Done(), "succeeded"),
        (S.COLLECTING, Done(), "collected"),
        *((state, Later("x"), "later") for state in (*STAGES, S.RETIRING)),
        *((state, Never(VERDICT), "fail") for state in (S.READY, *STAGES, S.HELD)),
        (S.SUBMITTING, Unsure("x"), "doubt"),
        (S.RUNNING, AGAIN, "again"),
    ],
)
def test_an_outcome_becomes_a_move_that_the_table_has(state: State, outcome: Outcome, event: str) -> None:
    generation = call(state=state)
    assert move(generation, outcome).event == event
    assert (state, event) in TABLE


@pytest.mark.parametrize(
    ("attempt", "later", "due", "counted"),
    [
        (0, Later("x"), 10.0, 1),
        (1, Later("x"), 20.0, 2),
        (3, Later("x"), 80.0, 4),
        (0, Later("x", after=60.0), 60.0, 1),  # Retry-After wins
        (3, Later("x", after=60.0), 80.0, 4),  # where it is longer
        (0, Later("x", counts=False, after=60.0), 60.0, 0),
        (2, Later("x", counts=False, after=0.0), 0.0, 2),
        (2, Later("x", counts=False), 20.0, 2),
    ],
)
def test_later_says_when_and_counts(attempt: int, later: Later, due: float, counted: int) -> None:
    changes = move(call(state=S.UPLOADING, attempt=attempt), later).changes
    assert (changes["due_at"], changes["attempt"], changes["reason"]) == (NOW + due, counted, "x")


@pytest.mark.parametrize(("state", "attempts"), [(S.UPLOADING, 5), (S.SUBMITTING, 5), (S.COLLECTING, 20)])
def test_age_turns_later_into_never_for_now(state: State, attempts: int) -> None:
    """What is paid for and finished is fetched for longer."""
    assert move(call(state=state, attempt=attempts - 2), Later("interrupted")).event == "later"
    last = call(state=state, attempt=attempts - 1)
    found = move(last, Later("unreachable", "no route"))
    verdict = found.changes["verdict"]
    assert (found.event, verdict.code, verdict.retryable) == ("fail", "retries.exhausted", True)
    assert f"{attempts} times" in verdict.message
    assert "no route" in verdict.message
    assert move(last, Later("credits", counts=False, after=9.0)).event == "later"


@pytest.mark.parametrize("state", [S.RUNNING, S.RETIRING])
@given(attempt=st.integers(0, 10**6))
def test_no_deadline_of_ours_ends_what_is_paid_for(state: State, attempt: int) -> None:
    found = move(call(state=state, attempt=attempt), Later("unreachable"))
    assert found.event == "later"
    assert found.changes["due_at"] <= NOW + 900


def test_done_forgets_the_troubles_before_it() -> None:
    found = move(call(state=S.UPLOADING, attempt=3, reason="share", message="x"), Done({"uploaded_at": 1.0}))
    assert found.changes == {"attempt": 0, "due_at": NOW, "reason": None, "message": None, "uploaded_at": 1.0}


@pytest.mark.parametrize("outcome", [Done({"credits": 60}), Never(VERDICT, facts={"credits": 3}), AGAIN])
def test_runways_last_word_ends_the_task(outcome: Outcome) -> None:
    assert move(call(state=S.RUNNING), outcome).changes["ended_at"] == NOW


def test_a_task_that_runway_lost_has_no_end() -> None:
    lost = Never(VERDICT, facts={"ended_at": None})
    assert move(call(state=S.RUNNING), lost).changes["ended_at"] is None


def test_a_doubtful_call_is_held_and_told_as_perhaps_paid() -> None:
    generation = call(state=S.SUBMITTING, tries=1, submitted_at=1.0, ended_at=2.0)
    found = move(generation, Unsure("reset", 502))
    assert found.event == "doubt"
    assert found.changes["verdict"] == doubt("reset", 502)
    held = _moved(generation, found)
    assert (held.tries, charged([held])) == (2, "unknown")


def _moved(generation: Generation, found: Move) -> Generation:
    fields = {name: getattr(generation, name) for name in Generation.__dataclass_fields__}
    return Generation(**{**fields, **found.changes, "state": advance(generation.state, found.event)})


def test_resubmitting_begins_afresh_and_remembers_that_it_may_have_been_paid() -> None:
    generation = call(state=S.SUBMITTING, uploaded_at=1.0, credits=7)
    found = move(generation, Unsure("reset"), uncertain_submit="resubmit")
    again = _moved(generation, found)
    assert (again.state, again.uploaded_at, again.due_at) == (S.READY, None, NOW + 10)
    assert (again.reason, again.credits, charged([again])) == ("submit.uncertain", 7, "unknown")


def test_resubmitting_ends_after_as_many_paid_calls_as_allowed_whatever_lies_between() -> None:
    policy: dict[str, Any] = {"uncertain_submit": "resubmit", "attempts": 3}
    generation = call(state=S.SUBMITTING)
    sent = 1
    while (found := move(generation, Unsure("reset"), **policy)).event == "again":
        generation = _moved(generation, found)
        for event, outcome in (("upload", None), ("uploaded", Done({"uploaded_at": NOW})), ("submit", None)):
            step = move(generation, outcome, **policy) if outcome else Move(event, {})
            generation = _moved(generation, step)
        sent += 1
    assert (sent, found.event) == (3, "doubt")


@pytest.mark.parametrize(
    ("tries", "event"), [(0, "again"), (1, "again"), (4, "again"), (5, "fail"), (9, "fail")]
)
def test_a_task_that_failed_for_a_moment_is_paid_anew_a_few_times(tries: int, event: str) -> None:
    found = move(call(state=S.RUNNING, tries=tries), Never(VERDICT, again=True, facts={"credits": 12}))
    assert (found.event, found.changes["credits"]) == (event, 12)
    if event == "again":
        assert (found.changes["task_id"], found.changes["polls"]) == (None, 0)
        assert found.changes["due_at"] >= NOW + 10
    else:
        assert found.changes["verdict"].retryable


@given(st.sampled_from(STAGES), st.integers(0, 50), st.floats(0, 1), st.none() | st.floats(0, 1e5))
def test_nothing_is_due_before_it_was_asked_for(
    state: State, attempt: int, jitter: float, after: float | None
) -> None:
    found = move(call(state=state, attempt=attempt), Later("x", after=after), jitter=jitter)
    assert found.event == "fail" or found.changes["due_at"] >= NOW + max(after or 0.0, 5.0)


FILM = Output(".j1-1-1.part", ".mp4", "f" * 64, 9000)
OTHER = Verdict("collect", "output.unsafe", "No.")
STOPPED = Verdict("poll", "cancelled", "It was cancelled by a person.")


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ([call(outputs=(FILM,))], None),
        ([call(verdict=VERDICT)], VERDICT),
        ([call(verdict=VERDICT), call(n=2, outputs=(FILM,))], None),  # one of several is a result
        ([call(verdict=OTHER), call(n=2, verdict=OTHER)], OTHER),
        ([call(verdict=OTHER), call(n=2, verdict=VERDICT)], replace(OTHER, retryable=True)),  # one may work
        ([call(verdict=VERDICT), call(n=2, verdict=STOPPED)], STOPPED),  # a person wants no more of it
        ([call(verdict=STOPPED), call(n=2, outputs=(FILM,))], None),
    ],
)
def test_a_job_is_done_when_anything_came_of_it(calls: list[Generation], verdict: Verdict | None) -> None:
    assert verdict_of(job(), calls) == verdict


def test_a_job_without_reason_or_result_is_a_bug_of_ours() -> None:
    found = verdict_of(job(), [call()])
    assert found is not None
    assert found.code == "internal"
    assert verdict_of(job(verdict=VERDICT), [call()]) == VERDICT


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"sweeps": 2}, True),
        ({"sweeps": 3}, False),
        ({"state": S.CANCELLED}, False),
        ({"state": S.HELD}, False),
        ({"place": Place.INBOX}, False),
        ({"verdict": None}, False),
        ({"verdict": OTHER}, False),
    ],
)
def test_the_sweep_takes_what_may_work_now_and_not_too_often(changes: dict[str, Any], may: bool) -> None:
    failed: dict[str, Any] = {"state": S.FAILED, "place": Place.FAILED, "verdict": VERDICT}
    assert may_sweep(job(**failed | changes), sweeps=3) is may


def test_the_policy_is_the_contracts() -> None:
    assert (RetrySettings().attempts, RetrySettings().uncertain_submit) == (5, "hold")
