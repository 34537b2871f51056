"""A job of several generations in the ledger: each has its own model, place in the queue, and money."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as events

from runway_watch.decide import Move
from runway_watch.job import Generation, Job, Output, Place, Purse, State, Verdict
from runway_watch.ledger import Ledger
from runway_watch.reviving import Revived
from runway_watch.states import of_job
from tests.samples import NOW, VERDICT, call, job

S = State
ROOTS = {"/srv/runway"}
FILM = Output(".j1-1-1.part", ".mp4", "f" * 64, 9000)
STOPPED = Verdict("poll", "cancelled", "It was cancelled by a person.")
MODELS = ("gen4.5", "veo3.1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path}/ledger.sqlite3") as found:
        yield found


def put(ledger: Ledger, name: str, *states: State, **changes: Any) -> list[Generation]:
    """A job whose generations stand so, of two models in turn, with seeds of their own."""
    calls = [
        call(name, state, n=n, asks={"seed": n}, model=MODELS[(n - 1) % 2], price=60 * n)
        for n, state in enumerate(states, 1)
    ]
    there = job(name, state=of_job(states), model=", ".join(MODELS), price=180, **changes)
    ledger.admit([(there, calls)])
    return calls


def found(ledger: Ledger, name: str) -> Job:
    pair = ledger.job(name)
    assert pair is not None
    return pair[0]


def test_each_waits_in_the_queue_of_its_own_model_and_is_given_as_it_wants_to_be_made(ledger: Ledger) -> None:
    put(ledger, "late", S.READY, S.READY, accepted_at=NOW + 9)
    put(ledger, "early", S.READY, S.READY, S.READY)
    put(ledger, "urgent", S.RUNNING, S.READY, priority=3, accepted_at=NOW + 5)
    first, second = (ledger.queue(S.READY, model, at=NOW, limit=9, roots=ROOTS) for model in MODELS)
    assert [(there.id, each.n) for there, each in first] == [("early", 1), ("early", 3), ("late", 1)]
    assert [(there.id, each.n) for there, each in second] == [("urgent", 2), ("early", 2), ("late", 2)]
    there, each = second[0]
    assert (there.model, there.price, there.params["seed"], each.asks) == ("veo3.1", 120, 2, {"seed": 2})
    kept = found(ledger, "urgent")
    assert (kept.model, kept.price, "seed" in kept.params) == ("gen4.5, veo3.1", 180, False)
    assert ledger.traffic(at=NOW, roots=ROOTS) == {
        "gen4.5": {S.READY: 3, S.RUNNING: 1},
        "veo3.1": {S.READY: 3},
    }


def test_who_goes_before_is_counted_by_generations_of_other_jobs(ledger: Ledger) -> None:
    put(ledger, "early", S.READY, S.UPLOADING, S.READY)
    put(ledger, "urgent", S.RUNNING, S.READY, priority=3, accepted_at=NOW + 5)
    put(ledger, "same", S.READY, duplicate_of="early")
    [one, two] = put(ledger, "late", S.READY, S.READY, accepted_at=NOW + 9)
    there = found(ledger, "late")
    assert [ledger.before(there, each) for each in (one, two)] == [2, 2]
    assert ledger.before(found(ledger, "urgent"), two) == 0


def test_a_job_is_begun_when_one_of_it_is_at_runway_or_has_brought_something(ledger: Ledger) -> None:
    put(ledger, "new", S.READY, S.UPLOADING)
    put(ledger, "running", S.READY, S.RUNNING)
    put(ledger, "failed", S.READY, S.RETIRING)
    [_, ended] = put(ledger, "half", S.READY, S.RETIRING)
    ledger.note(ended, {"outputs": (FILM,)})
    names = ["new", "running", "failed", "half"]
    assert ledger.begun(names) == {"running", "half"}
    assert ledger.begun(["new", "running"]) == {"running"}


def test_what_has_ended_and_waits_for_the_others_keeps_nobody_at_work(ledger: Ledger) -> None:
    put(ledger, "held", S.HELD, S.RETIRING)
    put(ledger, "tomorrow", S.READY, S.RETIRING)
    ledger.note(ledger.calls("tomorrow")[0], {"due_at": NOW + 99})
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 0
    put(ledger, "over", S.RETIRING, S.RETIRING)
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 2


def test_what_was_cancelled_with_others_that_had_failed_is_cancelled(ledger: Ledger) -> None:
    calls = put(ledger, "j1", S.RUNNING, S.RUNNING)
    moves = [(calls[0], Move("fail", {"verdict": VERDICT})), (calls[1], Move("fail", {"verdict": STOPPED}))]
    ended = ledger.move(moves, at=NOW)
    there = ledger.aim(found(ledger, "j1"), target=Place.FAILED, name="j1")
    over = ledger.retire(replace(there, verdict=STOPPED), ended, at=NOW + 1)
    assert (over.state, [each.state for each in ledger.calls("j1")]) == (S.CANCELLED, [S.CANCELLED] * 2)


def test_a_job_that_has_something_is_done_and_the_others_of_it_are_what_they_are(ledger: Ledger) -> None:
    calls = put(ledger, "j1", S.COLLECTING, S.RUNNING, S.RUNNING)
    moves = [
        (calls[0], Move("collected", {"outputs": (FILM,)})),
        (calls[1], Move("fail", {"verdict": VERDICT})),
        (calls[2], Move("fail", {"verdict": STOPPED})),
    ]
    ended = ledger.move(moves, at=NOW)
    there = ledger.aim(found(ledger, "j1"), target=Place.DONE, name="j1")
    assert ledger.retire(there, ended, at=NOW + 1).state is S.DONE
    assert [each.state for each in ledger.calls("j1")] == [S.DONE, S.FAILED, S.CANCELLED]


def test_what_earlier_calls_cost_goes_along_when_their_order_changes(ledger: Ledger) -> None:
    calls = put(ledger, "j1", S.UPLOADING, S.UPLOADING, S.UPLOADING)
    for each, price in zip(calls, (10, 20, 40), strict=True):
        ledger.move([(each, Move("submit", {"estimated": price}))], at=NOW)
    sent = ledger.calls("j1")
    running = ledger.move([(each, Move("submitted", {"task_id": f"t{each.n}"})) for each in sent], at=NOW)
    ledger.move([(each, Move("fail", {"verdict": VERDICT, "charged": None})) for each in running], at=NOW)
    there = ledger.aim(found(ledger, "j1"), target=Place.FAILED, name="j1")
    was = ledger.retire(there, ledger.calls("j1"), at=NOW + 1)
    fetched = [
        call("j1", S.COLLECTING, n=n, asks={"seed": seed}, task_id=f"t{seed}") for n, seed in ((1, 3), (2, 1))
    ]
    back = job("j1", state=S.COLLECTING, place=Place.FAILED)
    ledger.readmit(Revived(back, fetched, {1: 2, 2: 1, 3: 1}), was=was, at=NOW + 2)
    [first, second] = ledger.calls("j1")
    assert (first.task_id, second.task_id) == ("t3", "t1")
    ledger.move([(second, Move("collected", {"charged": 7}))], at=NOW + 3)
    assert ledger.purse(day=NOW, looked_at=NOW + 9) == Purse(7, 20 + 40, 7 + 20 + 40)


def test_the_other_calls_of_a_job_are_told_beside_one_in_doubt(ledger: Ledger) -> None:
    calls = put(ledger, "j1", S.UPLOADING, S.UPLOADING)
    ledger.move([(each, Move("submit", {"estimated": 30 * each.n})) for each in calls], at=NOW)
    seen = [ledger.begun_between(NOW - 1, NOW + 1, but=each) for each in calls]
    assert seen == [{"other_calls": 1, "other_credits": 60}, {"other_calls": 1, "other_credits": 30}]


def test_how_many_wait_for_a_model_is_counted_by_an_index(ledger: Ledger) -> None:
    put(ledger, "j1", S.READY, S.READY)
    plans = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if "min(generations.model)" in statement or "LIMIT" in statement:
            with closing(cursor.connection.cursor()) as other:
                plans.append(str(other.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()))

    events.listen(ledger._engine, "before_cursor_execute", explain)
    ledger.traffic(at=NOW, roots=ROOTS)
    assert len(plans) > 3
    assert all("generations_queue (state=?" in plan for plan in plans)
