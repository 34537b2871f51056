"""What becomes of a job whose files came back: paid for once, fetched where it can be, every credit kept."""

from dataclasses import replace
from typing import Any

from runway_watch.decide import doubt
from runway_watch.job import Generation, Job, Place, State, Verdict
from runway_watch.records import charged
from runway_watch.reviving import Revived, resume, revive
from tests.samples import NOW, VERDICT, call, item, job

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


MENDED = (item(), item(".prompt.toml", sha256="b" * 64))
"""Its files, with another sidecar."""


def revived(was: Job, before: Generation, **changes: Any) -> tuple[Job, Generation]:
    fresh = job("new", **{"name": "cat", "wish": "w", "inputs": MENDED, **changes})
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


def test_a_refused_comer_back_with_other_contents_is_refused_though_it_was_paid_for() -> None:
    refused = call("new", state=S.RETIRING, verdict=VERDICT)
    changed = job("new", state=S.RETIRING, verdict=VERDICT, inputs=MENDED)
    back = revive(changed, [refused], was=WAS, before=[PAID])
    [again] = back.calls
    assert (back.job.state, again.state, again.credits) == (S.RETIRING, S.RETIRING, 60)


def test_what_is_paid_for_is_fetched_whatever_has_changed_around_files_that_have_not() -> None:
    """A default, a reference, a cap: it was accepted and paid for before."""
    refused = call("new", state=S.RETIRING, verdict=VERDICT)
    coming = {"place": Place.INBOX, "target": Place.FAILED, "target_name": "cat (2)", "folder": "later"}
    fresh = job("new", state=S.RETIRING, verdict=VERDICT, params={"model": "veo3"}, name="cat 2", **coming)
    back = revive(fresh, [refused], was=WAS, before=[PAID])
    [again] = back.calls
    assert (again.state, again.task_id, again.credits, again.verdict) == (S.COLLECTING, "t1", 60, None)
    assert (back.job.params, back.job.wish, back.job.verdict) == (WAS.params, "w", None)
    assert (back.job.id, back.job.folder, back.job.name, back.job.place) == ("old", "later", "cat 2", "inbox")
    assert (back.job.target, back.job.target_name) == (Place.PROCESSING, "cat (2)")


# -- several generations -------------------------------------------------------------------------------------

SAFETY = Verdict("poll", "task.safety", "Runway refused it.")
FAILED = {"state": S.FAILED, "tries": 1, "submitted_at": NOW - 90, "ended_at": NOW - 50}


def wanted(*seeds: int) -> list[Generation]:
    """What admission makes of a sidecar that asks for these."""
    return [call("new", n=n, asks={"seed": seed}, due_at=NOW + 7) for n, seed in enumerate(seeds, 1)]


def failed(n: int, seed: int, verdict: Verdict = VERDICT, **changes: Any) -> Generation:
    return call("old", n=n, asks={"seed": seed}, verdict=verdict, **{**FAILED, **changes})


def again(before: list[Generation], calls: list[Generation]) -> Revived:
    return revive(job("new", name="cat", wish="w", inputs=MENDED), calls, was=WAS, before=before)


def test_each_goes_on_as_it_can_and_costs_go_along() -> None:
    before = [failed(1, 11, credits=5), failed(2, 12, COLLECT, task_id="t2", credits=60), failed(3, 13)]
    back = again(before, wanted(11, 12, 13))
    assert [each.state for each in back.calls] == [S.READY, S.COLLECTING, S.READY]
    assert [each.credits for each in back.calls] == [5, 60, 0]
    assert [each.task_id for each in back.calls] == [None, "t2", None]
    assert (back.job.state, back.heirs) == (S.READY, {1: 1, 2: 2, 3: 3})
    assert {each.job for each in back.calls} == {"old"}


def test_what_is_paid_for_is_known_by_what_it_asks_for_wherever_it_stands_now() -> None:
    before = [failed(1, 11, credits=5), failed(2, 12, COLLECT, task_id="t2", credits=60)]
    back = again(before, wanted(12, 13, 11))
    assert [(each.n, each.state) for each in back.calls] == [(1, S.COLLECTING), (2, S.READY), (3, S.READY)]
    assert [each.asks["seed"] for each in back.calls] == [12, 13, 11]
    assert (back.heirs, [each.credits for each in back.calls]) == ({2: 1, 1: 3}, [60, 0, 5])


def test_of_those_that_ask_for_the_same_the_one_that_is_paid_for_is_taken_first() -> None:
    same = [replace(each, asks={}) for each in (failed(1, 0), failed(2, 0, COLLECT, task_id="t2"))]
    [back] = again(same, [call("new")]).calls
    assert back.task_id == "t2"


def test_no_credit_is_forgotten_when_fewer_are_wanted() -> None:
    open_ended: dict[str, Any] = {"ended_at": None, "task_id": "t9", "estimated": 55}
    before = [failed(1, 11, credits=60), failed(2, 12, credits=7, doubted=50), failed(3, 13, **open_ended)]
    back = again(before, wanted(99))
    [one] = back.calls
    assert (one.state, one.credits, one.doubted, one.tries) == (S.READY, 67, 105, 1)
    assert back.heirs == {1: 1, 2: 0, 3: 0}
    assert charged([one]) == "unknown"


def test_the_sweep_leaves_alone_what_cannot_work() -> None:
    before = [
        failed(1, 11, SAFETY, credits=10),
        failed(2, 12, credits=7),
        failed(3, 13, COLLECT, task_id="t3"),
    ]
    back = resume(WAS, before, at=NOW, swept=True)
    assert [each.state for each in back.calls] == [S.RETIRING, S.READY, S.COLLECTING]
    assert [each.task_id for each in back.calls] == [None, None, "t3"]
    assert [each.credits for each in back.calls] == [10, 7, 0]
    assert (back.calls[0].verdict, back.job.state, back.job.finished_at) == (SAFETY, S.READY, None)
    by_hand = again(before[:2], wanted(11, 12))
    assert [each.state for each in by_hand.calls] == [S.READY, S.READY]


def test_with_another_picture_nothing_is_the_same() -> None:
    fresh = job("new", name="cat", inputs=(item(sha256="b" * 64), item(".prompt.toml")))
    paid = failed(1, 11, COLLECT, task_id="t1")
    [back] = revive(fresh, wanted(11), was=WAS, before=[paid]).calls
    assert (back.state, back.task_id) == (S.READY, None)
