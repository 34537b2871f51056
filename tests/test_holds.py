"""Holds from facts: money, time and disks in, reasons to wait out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from runway_watch.config import BudgetSettings
from runway_watch.holds import (
    ALL,
    API,
    CREATES,
    DOWNLOADS,
    REFUSALS,
    SLOTS,
    UPLOADS,
    Facts,
    Room,
    barrier,
    is_over,
    is_streak,
    refused_credits,
    standing,
    unaffordable,
    ways_tried,
)
from runway_watch.hours import Hours
from runway_watch.job import Done, Hold, Later, Never, Outcome, Purse, State, Unsure, Verdict
from tests.samples import VERDICT, job

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
JOB = job(options={})


def facts(*, window: str = "", at: float = NOON, **known: Any) -> Facts:
    budget = {name: known.pop(name) for name in ("credits_per_day", "reserve") if name in known}
    hours = Hours(window=window, day_starts="00:00", zone=UTC)
    return Facts(at, hours, BudgetSettings(**budget), **known)


def reasons(holds: list[Hold]) -> list[tuple[str, str]]:
    return [(hold.scope, hold.reason) for hold in holds]


# -- what stands whatever is next ------------------------------------------------------------------------


def test_without_limits_nothing_is_held() -> None:
    assert standing(facts()) == []
    assert barrier(JOB, facts(), price=60, usual=None) is None
    assert barrier(JOB, facts(), price=None, usual=None) is None


def test_outside_the_window_everything_new_waits_until_it_opens() -> None:
    [hold] = standing(facts(window="22:00-06:00"))
    assert (hold.scope, hold.reason, hold.until) == (ALL, "window", NOON + 10 * HOUR)
    assert standing(facts(window="22:00-06:00", at=NOON + 11 * HOUR)) == []


def test_a_balance_below_the_reserve_holds_and_one_that_is_unknown_does_not() -> None:
    assert reasons(standing(facts(reserve=100, balance=99))) == [(ALL, "credits")]
    assert standing(facts(reserve=100, balance=100)) == []
    assert standing(facts(reserve=100)) == []


def test_a_disk_without_room_holds_what_depends_on_it() -> None:
    rooms = (Room("/share", "/share", 5, 10), Room(ALL, "/var", 9, 1), Room("/other", "/other", 0, 1))
    holds = standing(facts(rooms=rooms))
    assert sorted(reasons(holds)) == [("/other", "disk"), ("/share", "disk")]
    assert is_over(holds[0], facts(rooms=(Room("/share", "/share", 10, 10), Room("/other", "/other", 1, 1))))
    assert not is_over(holds[0], facts(rooms=rooms))


# -- what bars the next job -------------------------------------------------------------------------------


def test_the_days_cap_counts_what_is_reserved_and_ends_with_the_day() -> None:
    spent = Purse(today=400, reserved=500, committed=900)
    assert barrier(JOB, facts(credits_per_day=960, purse=spent), price=60, usual=None) is None
    hold = barrier(JOB, facts(credits_per_day=959, purse=spent), price=60, usual=None)
    assert hold is not None
    assert (hold.scope, hold.reason, hold.until, hold.job) == (ALL, "budget", NOON + 12 * HOUR, JOB.id)
    assert barrier(JOB, facts(credits_per_day=959, purse=Purse(committed=899)), price=60, usual=None) is None
    assert barrier(JOB, facts(purse=spent), price=60, usual=None) is None


@pytest.mark.parametrize("price", [None, 1001])
def test_a_job_that_no_day_can_pay_for_waits_alone(price: int | None) -> None:
    hold = barrier(JOB, facts(credits_per_day=1000), price=price, usual=None)
    assert hold is not None
    assert (hold.scope, hold.reason, hold.until, hold.job) == (JOB.id, "budget", None, JOB.id)


def test_n_calls_side_by_side_never_pass_a_cap() -> None:
    now = facts(credits_per_day=1000, balance=10_000)
    allowed = 0
    while barrier(JOB, now, price=60, usual=None) is None:
        now, allowed = now.spending(60), allowed + 1
    assert (allowed, now.purse.committed) == (16, 960)


def test_what_is_left_is_the_balance_less_what_it_cannot_know_less_the_reserve() -> None:
    known = facts(balance=200, reserve=50, purse=Purse(since_look=91))
    assert known.available == 59
    hold = barrier(JOB, known, price=60, usual=None)
    assert hold is not None
    assert (hold.scope, hold.reason, hold.needs) == (ALL, "credits", 60)
    assert "109 are left, 50 of them in reserve" in hold.message
    assert barrier(JOB, facts(balance=109, reserve=50), price=60, usual=None) is not None
    assert barrier(JOB, facts(balance=110, reserve=50), price=60, usual=None) is None


def test_after_a_refusal_for_lack_of_credits_there_has_to_be_more_than_there_was_or_time_to_pass() -> None:
    hold = refused_credits(JOB, facts(balance=500), price=60, pause=600)
    assert not is_over(hold, facts(balance=500, at=NOON + 599))
    assert is_over(hold, facts(balance=501))
    assert is_over(hold, facts(balance=500, at=NOON + 600))
    assert refused_credits(JOB, facts(), price=60, pause=600).needs == 60


def test_what_would_not_fit_before_the_window_closes_waits_for_the_next() -> None:
    night: dict[str, Any] = {"window": "10:00-14:00"}
    assert barrier(JOB, facts(**night), price=1, usual=HOUR) is None
    hold = barrier(JOB, facts(at=NOON + 1.5 * HOUR, **night), price=1, usual=HOUR)
    assert hold is not None
    assert (hold.scope, hold.reason, hold.until) == (JOB.model, "window", NOON + 22 * HOUR)
    assert barrier(JOB, facts(at=NOON + 22 * HOUR, **night), price=1, usual=HOUR) is None


@pytest.mark.parametrize("reason", ["paused", "moderation", "credentials", "outage", "daily_limit"])
def test_what_an_event_began_no_fact_ends(reason: str) -> None:
    assert not is_over(Hold(reason, NOON), facts(balance=10**9))


# -- one job -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "most", "per_job", "fits"),
    [(60, None, 0, True), (60, 60, 0, True), (61, 60, 0, False), (61, 100, 60, False), (None, 60, 0, False)],
)
def test_a_price_that_was_learned_after_admission_is_held_against_the_jobs_own_cap(
    price: int | None, most: int | None, per_job: int, fits: bool
) -> None:
    options = {} if most is None else {"max_credits": most}
    verdict = unaffordable(job(options=options), price=price, per_job=per_job)
    assert (verdict is None) == fits
    assert verdict is None or verdict.code == "budget.job"


# -- ways, and refusals in a row -------------------------------------------------------------------------

WAYS: list[tuple[State, Outcome, dict[str, bool]]] = [
    (State.SUBMITTING, Unsure("reset"), {API: False, CREATES: False}),
    (State.SUBMITTING, Later("unavailable"), {API: False, CREATES: False}),
    (State.SUBMITTING, Later("rate_limited"), {"veo3.1": False}),
    (State.SUBMITTING, Later("credits"), {}),
    (State.SUBMITTING, Later("credentials"), {}),
    (State.SUBMITTING, Done(), {API: True, CREATES: True, "veo3.1": True}),
    (State.SUBMITTING, Never(VERDICT), {API: True, CREATES: True, "veo3.1": True}),
    (State.UPLOADING, Later("answer_lost"), {API: False}),
    (State.UPLOADING, Later("rate_limited"), {SLOTS: False}),
    (State.UPLOADING, Later("interrupted"), {UPLOADS: False}),
    (State.UPLOADING, Later("storage"), {UPLOADS: False}),
    (State.UPLOADING, Later("share"), {}),
    (State.UPLOADING, Done(), {SLOTS: True, UPLOADS: True}),
    (State.RUNNING, Later("running"), {API: True}),
    (State.RUNNING, Later("unreachable"), {API: False}),
    (State.RUNNING, Later("credentials"), {}),
    (State.RUNNING, Never(VERDICT), {API: True}),
    (State.COLLECTING, Later("interrupted"), {DOWNLOADS: False}),
    (State.COLLECTING, Later("disk"), {}),
    (State.COLLECTING, Done(), {DOWNLOADS: True}),
]


@pytest.mark.parametrize(("state", "outcome", "tried"), WAYS)
def test_each_outcome_tells_of_the_ways_that_it_took(
    state: State, outcome: Outcome, tried: dict[str, bool]
) -> None:
    assert dict(ways_tried(state, outcome, model="veo3.1")) == tried


def test_only_refusals_and_nothing_else_make_a_streak() -> None:
    refused = Verdict("poll", "task.safety", "no").code
    assert is_streak([refused] * REFUSALS)
    assert is_streak([refused] * REFUSALS + [None])
    assert not is_streak([refused] * (REFUSALS - 1))
    assert not is_streak([refused, None] + [refused] * REFUSALS)
    assert not is_streak([refused, "task.internal"] + [refused] * REFUSALS)
