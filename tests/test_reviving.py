"""What becomes of a job whose files came back: paid for once, fetched where it can be, every credit kept."""

from typing import Any

from runway_watch.decide import doubt
from runway_watch.job import Generation, Job, Place, State, Verdict
from runway_watch.records import charged
from runway_watch.reviving import revive
from tests.samples import NOW, VERDICT, call, job

S = State

COLLECT = Verdict("collect", "retries.exhausted", "No room.", retryable=True)
PAID = call(
    state=S.FAILED,
    task_id="t1",
    verdict=COLLECT,
    credits=60,
    submitted_at=NOW - 90,
    ended_at=NOW - 50,
    tries=1,
    attempt=5,
)


def revived(was: Job, before: Generation, **changes: Any) -> tuple[Job, Generation]:
    fresh = job("new", **{"name": "cat", "wish": "w", **changes})
    back = revive(fresh, [call("new", due_at=NOW + 7)], was=was, before=[before])
    return back.job, back.calls[0]


WAS = job("old", name="cat", wish="w", state=S.FAILED, place=Place.FAILED, accepted_at=NOW - 100, sweeps=2)


def test_what_was_paid_for_and_finished_is_only_fetched() -> None:
    back, again = revived(WAS, PAID)
    assert (back.id, back.accepted_at, back.sweeps, back.state) == ("old", NOW - 100, 2, S.COLLECTING)
    assert (again.state, again.task_id, again.attempt, again.verdict) == (S.COLLECTING, "t1", 0, None)
    assert (again.credits, again.due_at) == (60, NOW + 7)


def test_another_wish_is_paid_for_and_keeps_what_it_has_cost() -> None:
    _, again = revived(WAS, PAID, params={**WAS.params, "duration": 8})
    assert (again.state, again.task_id, again.credits, again.job) == (S.READY, None, 60, "old")
    assert charged([again]) == "yes"


def test_what_is_fetched_again_follows_nobody() -> None:
    back, _ = revived(WAS, PAID, duplicate_of="other")
    assert (back.state, back.duplicate_of) == (S.COLLECTING, None)


def test_what_failed_before_its_output_was_there_is_paid_anew() -> None:
    failed = call(state=S.FAILED, task_id="t1", verdict=VERDICT, submitted_at=NOW - 9, ended_at=NOW - 5)
    _, again = revived(WAS, failed)
    assert (again.state, charged([again])) == (S.READY, "no")


def test_a_doubtful_call_that_comes_back_stays_doubtful_in_its_records() -> None:
    held = call(state=S.HELD, verdict=doubt("reset"), submitted_at=NOW - 9, tries=1)
    refused = call("new", state=S.RETIRING, verdict=VERDICT)
    [again] = revive(job("new", state=S.RETIRING, verdict=VERDICT), [refused], was=WAS, before=[held]).calls
    assert (again.state, charged([again])) == (S.RETIRING, "unknown")


def test_a_refused_comer_back_is_refused_though_it_was_paid_for() -> None:
    refused = call("new", state=S.RETIRING, verdict=VERDICT)
    back = revive(job("new", state=S.RETIRING, verdict=VERDICT), [refused], was=WAS, before=[PAID])
    [again] = back.calls
    assert (back.job.state, again.state, again.credits) == (S.RETIRING, S.RETIRING, 60)
