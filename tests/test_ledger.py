"""The ledger: guarded, whole, on disk, and one row in the history for each move."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as events
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from runway_watch.decide import Move
from runway_watch.errors import LedgerError, LostUpdate
from runway_watch.job import Generation, Hold, Job, Output, Place, Purse, Reference, State, Verdict
from runway_watch.ledger import Ledger, file_of
from runway_watch.ledger.queue import MANY
from runway_watch.ledger.rows import from_generation, from_job, to_generation, to_job
from runway_watch.reviving import Revived
from runway_watch.states import IllegalMove
from tests.samples import NOW, VERDICT, call, item, job

S = State
FILM = Output(".j1-1-1.part", ".mp4", "f" * 64, 9000)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(url(tmp_path)) as opened:
        yield opened


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.sqlite3'}"


def file(folder: Path) -> Path:
    return folder / "ledger.sqlite3"


def contents(folder: Path) -> list[str]:
    with closing(sqlite3.connect(file(folder))) as db:
        return list(db.iterdump())


def admitted(
    ledger: Ledger, job_id: str = "j1", state: State = S.READY, **changes: Any
) -> tuple[Job, Generation]:
    there = job(job_id, state=state, **changes)
    one = call(job_id, state)
    ledger.admit([(there, [one])])
    return there, one


def stands(ledger: Ledger, job_id: str = "j1") -> tuple[State, State]:
    found = ledger.job(job_id)
    assert found is not None
    return found[0].state, found[1][0].state


# -- opening -------------------------------------------------------------------------------------------


def test_what_is_committed_survives_a_power_cut(ledger: Ledger) -> None:
    with ledger._reading() as db:
        found = [
            db.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


def test_the_folder_of_the_ledger_is_made(tmp_path: Path) -> None:
    Ledger(url(tmp_path / "a/b")).close()
    assert file(tmp_path / "a/b").exists()


def test_a_reader_can_change_nothing_and_makes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    admitted(ledger)
    with Ledger(url(tmp_path), readonly=True) as reader:
        assert [found.id for found in reader.live()] == ["j1"]
        with pytest.raises(LedgerError, match="readonly"):
            reader.order("retry", "j1", at=NOW)
    with pytest.raises(LedgerError, match="has not run yet"):
        Ledger(url(tmp_path / "none"), readonly=True)
    assert not (tmp_path / "none").exists()


def test_a_reader_of_an_empty_file_is_told_so(tmp_path: Path) -> None:
    file(tmp_path).touch()
    with pytest.raises(LedgerError, match="empty"):
        Ledger(url(tmp_path), readonly=True)


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    with closing(sqlite3.connect(file(tmp_path))) as db:
        db.execute("UPDATE meta SET value = '999'")
        db.commit()
    before = contents(tmp_path)
    for readonly in (False, True):
        with pytest.raises(LedgerError, match="version 999, newer"):
            Ledger(url(tmp_path), readonly=readonly)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("address", ["nonsense", "nosuch://x", "postgresql+nosuchdriver://h/db", ""])
def test_an_address_that_is_none_is_the_operators_error_and_no_crash(address: str) -> None:
    with pytest.raises(LedgerError):
        Ledger(address)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    file(tmp_path).write_bytes(b"no database at all " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(url(tmp_path))


def test_a_ledger_below_something_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError):
        Ledger(url(tmp_path / "file"))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://h/d", None),
    ],
)
def test_the_file_of_an_address(address: str, path: Path | None) -> None:
    assert file_of(address) == path


# -- rows ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
INPUTS = st.builds(item, st.sampled_from([".png", ".prompt.toml"]), name=TEXT, size=st.integers(0, 2**40))
VERDICTS = st.builds(
    Verdict,
    TEXT,
    TEXT,
    TEXT,
    problems=st.lists(TEXT, max_size=3).map(tuple),
    http_status=st.none() | st.integers(100, 599),
)
JOBS = st.builds(
    job,
    folder=TEXT,
    name=TEXT,
    dropped_as=TEXT,
    place=st.sampled_from(Place),
    target=st.none() | st.sampled_from(Place),
    target_name=st.none() | TEXT,
    state=st.sampled_from(State),
    params=st.dictionaries(TEXT, JSON, max_size=3),
    inputs=st.lists(INPUTS, max_size=2).map(tuple),
    references=st.dictionaries(
        TEXT, st.builds(Reference, TEXT, TEXT, st.integers(0, 2**40), TEXT), max_size=2
    ),
    verdict=st.none() | VERDICTS,
    finished_at=st.none() | st.floats(0, 4e9),
)
CALLS = st.builds(
    call,
    progress=st.none() | st.floats(0, 1),
    outputs=st.lists(st.builds(Output, TEXT, TEXT, TEXT, st.integers(0, 2**40)), max_size=2).map(tuple),
    verdict=st.none() | VERDICTS,
    message=st.none() | TEXT,
)


@given(JOBS, CALLS)
def test_records_come_back_from_rows_as_they_were(there: Job, one: Generation) -> None:
    assert to_job(from_job(there)) == there
    assert to_generation(from_generation(one)) == one


@given(JOBS, CALLS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_records_come_back_from_the_disk_as_they_were(tmp_path: Path, there: Job, one: Generation) -> None:
    file(tmp_path).unlink(missing_ok=True)
    with Ledger(url(tmp_path)) as ledger:
        ledger.admit([(there, [one])])
        assert ledger.job("j1") == (there, [one])


# -- moves ---------------------------------------------------------------------------------------------


def test_a_move_changes_the_generation_the_job_and_the_history_together(ledger: Ledger) -> None:
    _, one = admitted(ledger)
    [moved] = ledger.move([(one, Move("upload", {"due_at": NOW + 1, "attempt": 1}))], at=NOW + 2)
    assert (moved.state, moved.due_at) == (S.UPLOADING, NOW + 1)
    assert ledger.calls("j1") == [moved]
    assert stands(ledger) == (S.UPLOADING, S.UPLOADING)
    accepted, told = ledger.story("j1")
    assert (accepted["event"], accepted["n"], accepted["note"]) == ("accepted", 0, {"path": "j1.png"})
    assert (told["event"], told["was"], told["state"], told["at"]) == (
        "upload",
        "ready",
        "uploading",
        NOW + 2,
    )
    assert told["note"] == {"attempt": 1}


def test_a_generation_that_is_not_where_it_was_believed_to_be_is_not_moved(
    ledger: Ledger, tmp_path: Path
) -> None:
    _, one = admitted(ledger)
    ledger.move([(one, Move("upload", {}))], at=NOW)
    before = contents(tmp_path)
    for event in ("upload", "fail"):
        with pytest.raises(LostUpdate, match="j1"):
            ledger.move([(one, Move(event, {"attempt": 9}))], at=NOW)
    with pytest.raises(LostUpdate):
        ledger.note(one, {"attempt": 9})
    with pytest.raises(LostUpdate):
        ledger.move([(call("nobody"), Move("upload", {}))], at=NOW)
    assert contents(tmp_path) == before


def test_half_a_letter_in_runways_words_stops_no_move(ledger: Ledger) -> None:
    _, one = admitted(ledger)
    words = {"message": "a\ud800b", "verdict": Verdict("poll", "internal", "\udfff")}
    ledger.move([(one, Move("fail", words))], at=NOW)
    [found] = ledger.calls("j1")
    assert (found.message, found.verdict) == ("a?b", Verdict("poll", "internal", "?"))


def test_an_illegal_move_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    _, one = admitted(ledger)
    before = contents(tmp_path)
    with pytest.raises(IllegalMove):
        ledger.move([(one, Move("succeeded", {}))], at=NOW)
    assert contents(tmp_path) == before


def test_moves_are_made_all_or_none(ledger: Ledger, tmp_path: Path) -> None:
    _, one = admitted(ledger)
    before = contents(tmp_path)
    with pytest.raises(LostUpdate):
        ledger.move([(one, Move("upload", {})), (call("gone"), Move("upload", {}))], at=NOW)
    assert contents(tmp_path) == before


def test_jobs_are_admitted_all_or_none(ledger: Ledger, tmp_path: Path) -> None:
    before = contents(tmp_path)
    twin = job("j2", name="j1")
    with pytest.raises(LostUpdate, match="contradict"):
        ledger.admit([(job("j1"), [call("j1")]), (twin, [call("j2")])])
    assert contents(tmp_path) == before


def test_a_note_is_no_move(ledger: Ledger) -> None:
    _, one = admitted(ledger)
    assert ledger.note(one, {"progress": 0.5}).progress == 0.5
    assert (len(ledger.story("j1")), stands(ledger)) == (1, (S.READY, S.READY))


def test_polls_that_bring_nothing_new_are_not_told(ledger: Ledger) -> None:
    _, one = admitted(ledger, state=S.RUNNING)
    [one] = ledger.move([(one, Move("later", {"due_at": NOW + 5, "attempt": 0}))], at=NOW)
    ledger.move([(one, Move("later", {"due_at": NOW + 9, "attempt": 1, "reason": "unreachable"}))], at=NOW)
    assert [told["event"] for told in ledger.story("j1")] == ["accepted", "later"]


# -- what must never be true ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET state = 'lost'",
        "UPDATE jobs SET place = 'desk'",
        "UPDATE generations SET state = 'lost'",
        "UPDATE generations SET state = 'running', task_id = NULL",
        "UPDATE generations SET job = 'nobody'",
        "UPDATE jobs SET params = NULL",
        "DELETE FROM jobs",
    ],
)
def test_the_database_itself_refuses_what_must_never_be_true(ledger: Ledger, statement: str) -> None:
    admitted(ledger)
    with ledger._engine.connect() as db, pytest.raises(IntegrityError):
        db.execute(text(statement))


def test_one_input_has_one_live_job_and_many_that_are_over(ledger: Ledger) -> None:
    for n, state in enumerate((S.DONE, S.FAILED, S.CANCELLED, S.READY)):
        admitted(ledger, f"j{n}", state, name="cat")
    with pytest.raises(LostUpdate):
        admitted(ledger, "twin", name="cat")
    admitted(ledger, "other-kind", name="cat", media_suffix=".jpg")
    admitted(ledger, "other-folder", name="cat", folder="a")
    admitted(ledger, "other-root", name="cat", root="/srv/other")


# -- where the files are -------------------------------------------------------------------------------


def test_a_journey_is_aimed_made_and_ended(ledger: Ledger) -> None:
    there, _ = admitted(ledger, place=Place.INBOX, target=Place.PROCESSING, target_name="cat (2)")
    assert [found.id for found in ledger.in_transit()] == ["j1"]
    ledger.arrived([there])
    found = ledger.job("j1")
    assert found is not None
    arrived = found[0]
    assert (arrived.place, arrived.name, arrived.target, arrived.target_name) == (
        Place.PROCESSING,
        "cat (2)",
        None,
        None,
    )
    assert ledger.in_transit() == []
    aimed = ledger.aim(arrived, target=Place.DONE, name="cat")
    assert (aimed.target, aimed.target_name) == (Place.DONE, "cat")
    with pytest.raises(LostUpdate):
        ledger.arrived([there])  # it is in no inbox any more


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"outputs": (FILM,)}, S.DONE),
        ({"verdict": VERDICT}, S.FAILED),
        ({"verdict": Verdict("x", "cancelled", "x")}, S.CANCELLED),
    ],
)
def test_the_end_of_a_job_is_committed_with_the_arrival_of_its_files(
    ledger: Ledger, changes: dict[str, Any], state: State
) -> None:
    there, _ = admitted(ledger, state=S.RETIRING)
    one = ledger.note(call(state=S.RETIRING), changes)
    there = ledger.aim(there, target=Place.DONE, name="cat")
    over = ledger.retire(there, [one], at=NOW + 9)
    found = ledger.job("j1")
    assert found is not None
    assert (over.state, over.place, over.finished_at) == (state, Place.DONE, NOW + 9)
    assert (found[0].state, found[0].place, found[0].target, found[0].finished_at) == (
        state,
        Place.DONE,
        None,
        NOW + 9,
    )
    with pytest.raises(LostUpdate):
        ledger.retire(there, [one], at=NOW + 9)


@pytest.mark.parametrize(
    ("was", "to", "event"),
    [
        (S.FAILED, S.READY, "release"),
        (S.FAILED, S.RETIRING, "fail"),
        (S.FAILED, S.COLLECTING, "recollect"),
        (S.HELD, S.READY, "release"),
        (S.HELD, S.RETIRING, "fail"),
        (S.CANCELLED, S.READY, "release"),
    ],
)
def test_a_job_comes_back_by_the_table_and_its_history_goes_on(
    ledger: Ledger, was: State, to: State, event: str
) -> None:
    there, _ = admitted(ledger, state=was)
    back = job(state=to, place=Place.INBOX, target=Place.PROCESSING, target_name="j1")
    ledger.readmit(Revived(back, [call(state=to, task_id="t")], {}), was=there, at=NOW)
    assert stands(ledger) == (to, to)
    assert [told["event"] for told in ledger.story("j1")] == ["accepted", event]


@pytest.mark.parametrize(
    ("was", "to"),
    [
        (S.DONE, S.READY),
        (S.RUNNING, S.READY),
        (S.DONE, S.COLLECTING),
    ],
)
def test_nothing_comes_back_from_where_the_table_has_no_way(
    ledger: Ledger, tmp_path: Path, was: State, to: State
) -> None:
    there, _ = admitted(ledger, state=was)
    before = contents(tmp_path)
    with pytest.raises(IllegalMove):
        ledger.readmit(Revived(job(state=to), [call(state=to, task_id="t")], {}), was=there, at=NOW)
    assert contents(tmp_path) == before


def test_a_job_that_came_back_already_does_not_come_back_again(ledger: Ledger, tmp_path: Path) -> None:
    there, _ = admitted(ledger, state=S.FAILED)
    ledger.readmit(Revived(job(), [call()], {}), was=there, at=NOW)
    before = contents(tmp_path)
    with pytest.raises(LostUpdate):
        ledger.readmit(Revived(job(), [call()], {}), was=there, at=NOW)
    assert contents(tmp_path) == before


def test_a_job_that_failed_once_more_does_not_come_back_by_what_was_known_before(
    ledger: Ledger,
) -> None:
    there, _ = admitted(ledger, state=S.FAILED)
    with pytest.raises(LostUpdate):
        ledger.readmit(Revived(job(), [call()], {}), was=replace(there, finished_at=NOW - 60), at=NOW)
    assert stands(ledger) == (S.FAILED, S.FAILED)


# -- what is remembered --------------------------------------------------------------------------------


def test_an_upload_is_known_per_account_as_long_as_it_is_fresh(ledger: Ledger) -> None:
    ledger.uploaded("me", "abc", uri="runway://1", at=NOW)
    assert ledger.upload("me", "abc", since=NOW - 1) == "runway://1"
    assert ledger.upload("me", "abc", since=NOW) is None
    assert ledger.upload("you", "abc", since=0) is None
    ledger.uploaded("me", "abc", uri="runway://2", at=NOW + 5)
    assert ledger.upload("me", "abc", since=NOW) == "runway://2"
    ledger.prune(before=NOW + 5)
    assert ledger.upload("me", "abc", since=0) == "runway://2"
    ledger.prune(before=NOW + 6)
    assert ledger.upload("me", "abc", since=0) is None


def test_orders_are_carried_out_in_their_order_and_once(ledger: Ledger) -> None:
    for job_id in ("b", "a"):
        ledger.order("retry", job_id, at=NOW)
    (first, *what), second = ledger.orders()
    assert (what, second[1:]) == (["retry", "b"], ("retry", "a"))
    ledger.carried_out(first)
    ledger.carried_out(first)
    assert ledger.orders() == [second]


# -- questions -----------------------------------------------------------------------------------------

Fill = Callable[..., Generation]
Pays = Callable[..., Generation]
ROOTS = {"/srv/runway"}
AWAY = {"root": "/srv/away"}


@pytest.fixture
def fill(ledger: Ledger) -> Fill:
    """Put a job with one generation into the ledger, as it stands."""

    def put(job_id: str, state: State, *, of_job: dict[str, Any] | None = None, **changes: Any) -> Generation:
        one = call(job_id, state, **changes)
        ledger.admit([(job(job_id, state=state, **(of_job or {})), [one])])
        return one

    return put


def ids(found: list[tuple[Job, Generation]]) -> list[str]:
    return [there.id for there, _ in found]


def test_the_queue_goes_by_priority_then_acceptance_and_skips_what_may_not_go_on(
    ledger: Ledger, fill: Fill
) -> None:
    fill("late", S.READY, of_job={"accepted_at": NOW + 2})
    fill("early", S.READY, of_job={"accepted_at": NOW + 1})
    fill("urgent", S.READY, of_job={"accepted_at": NOW + 3, "priority": 9})
    fill("lowly", S.READY, of_job={"priority": -1})
    fill("tomorrow", S.READY, due_at=NOW + 99)
    fill("travelling", S.READY, of_job={"target": Place.PROCESSING})
    fill("other", S.READY, model="veo3")
    fill("begun", S.UPLOADING)
    fill("loaded", S.UPLOADING, uploaded_at=NOW)
    ready = ledger.queue(S.READY, "gen4.5", at=NOW, limit=9, roots=ROOTS)
    assert ids(ready) == ["urgent", "early", "late", "lowly"]
    assert ids(ledger.queue(S.READY, "gen4.5", at=NOW, limit=2, roots=ROOTS)) == ["urgent", "early"]
    assert ids(ledger.queue(S.UPLOADING, "gen4.5", at=NOW, limit=9, roots=ROOTS)) == ["loaded"]


def test_due_is_what_is_begun_and_what_is_to_be_filed(ledger: Ledger, fill: Fill) -> None:
    fill("new", S.READY)
    fill("uploading", S.UPLOADING, due_at=NOW - 1)
    fill("uploaded", S.UPLOADING, uploaded_at=NOW)
    fill("sending", S.SUBMITTING)
    fill("running", S.RUNNING, due_at=NOW - 9)
    fill("later", S.RUNNING, due_at=NOW + 1)
    fill("collecting", S.COLLECTING, due_at=NOW - 5)
    fill("retiring", S.RETIRING)
    fill("held", S.HELD)
    fill("done", S.DONE)
    assert ids(ledger.due(at=NOW, roots=ROOTS)) == ["running", "collecting", "uploading", "retiring"]


def test_a_job_is_filed_once_and_only_when_all_its_generations_have_ended(ledger: Ledger) -> None:
    two = [call("two", S.RETIRING), call("two", S.RETIRING, n=2)]
    half = [call("half", S.RETIRING), call("half", S.RUNNING, n=2, due_at=NOW + 9)]
    ledger.admit([(job("two", state=S.RETIRING), two), (job("half", state=S.RUNNING), half)])
    assert ids(ledger.due(at=NOW, roots=ROOTS)) == ["two"]


def test_the_next_moment_is_the_first_that_somebody_waits_for(ledger: Ledger, fill: Fill) -> None:
    assert ledger.next_due(after=NOW, roots=ROOTS) is None
    fill("past", S.RUNNING, due_at=NOW - 5)
    fill("held", S.HELD, due_at=NOW + 1)
    fill("over", S.FAILED, due_at=NOW + 2)
    fill("soon", S.READY, due_at=NOW + 7)
    fill("later", S.RUNNING, due_at=NOW + 9)
    assert ledger.next_due(after=NOW, roots=ROOTS) == NOW + 7


def test_traffic_counts_each_model_by_state(ledger: Ledger, fill: Fill) -> None:
    fill("a", S.READY)
    fill("b", S.READY)
    fill("c", S.RUNNING)
    fill("d", S.SUBMITTING, model="veo3")
    fill("e", S.DONE)
    fill("f", S.HELD)
    assert ledger.traffic(at=NOW, roots=ROOTS) == {
        "gen4.5": {S.READY: 2, S.RUNNING: 1},
        "veo3": {S.SUBMITTING: 1},
    }


def test_of_very_many_that_have_not_begun_only_so_many_are_counted(ledger: Ledger) -> None:
    names = [f"j{n}" for n in range(MANY + 5)]
    ledger.admit([(job(name, wish=name), [call(name)]) for name in names])
    assert ledger.traffic(at=NOW, roots=ROOTS) == {"gen4.5": {S.READY: MANY}}


def test_who_is_put_off_or_belongs_to_another_account_takes_nobodys_place(ledger: Ledger, fill: Fill) -> None:
    fill("soon", S.UPLOADING, uploaded_at=NOW, reason="rate_limited", due_at=NOW + 5)
    fill("tomorrow", S.UPLOADING, uploaded_at=NOW, reason="rate_limited", due_at=NOW + 86_400)
    fill("theirs", S.RUNNING, reason="other_account", due_at=NOW + 60)
    assert ledger.traffic(at=NOW, roots=ROOTS) == {"gen4.5": {S.UPLOADING: 1}}


def test_active_is_what_can_go_on_by_itself(ledger: Ledger, fill: Fill) -> None:
    fill("appointed", S.READY, due_at=NOW + 9)
    fill("held", S.HELD)
    fill("failed", S.FAILED)
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 0
    fill("pausing", S.UPLOADING, due_at=NOW + 9, reason="unreachable")
    fill("tried again", S.READY, due_at=NOW + 9, reason="task.internal")
    fill("ready", S.READY)
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 3
    assert ledger.active(at=NOW + 9, roots=ROOTS, new=ROOTS) == 4


@pytest.mark.parametrize("reason", ["credentials", "credits"])
def test_what_is_new_is_not_active_while_what_is_begun_waits_for_a_person(
    ledger: Ledger, fill: Fill, reason: str
) -> None:
    fill("new", S.READY)
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 1
    fill("blocked", S.UPLOADING, due_at=NOW + 9, reason=reason)
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 0
    fill("running", S.RUNNING)  # it will make room
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 1
    assert ledger.active(at=NOW + 9, roots=ROOTS, new=ROOTS) == 3


def test_what_lies_below_no_watched_root_is_in_nobodys_way(ledger: Ledger, fill: Fill) -> None:
    for n in range(3):
        fill(f"first {n}", S.READY, of_job={**AWAY, "priority": 9})
        fill(f"loaded {n}", S.UPLOADING, of_job={**AWAY, "priority": 9}, uploaded_at=NOW)
    fill("uploading", S.UPLOADING, of_job=AWAY)
    fill("collecting", S.COLLECTING, of_job=AWAY)
    fill("retiring", S.RETIRING, of_job=AWAY)
    fill("blocked", S.UPLOADING, of_job=AWAY, due_at=NOW + 1, reason="credentials")
    fill("mine", S.READY)
    fill("mine too", S.UPLOADING, uploaded_at=NOW)
    assert ids(ledger.queue(S.READY, "gen4.5", at=NOW, limit=1, roots=ROOTS)) == ["mine"]
    assert ids(ledger.queue(S.UPLOADING, "gen4.5", at=NOW, limit=1, roots=ROOTS)) == ["mine too"]
    assert ledger.traffic(at=NOW, roots=ROOTS) == {"gen4.5": {S.READY: 1, S.UPLOADING: 1}}
    assert ledger.due(at=NOW, roots=ROOTS) == []
    assert ledger.next_due(after=NOW, roots=ROOTS) is None
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 2


def test_what_is_at_runway_takes_a_slot_and_is_asked_about_wherever_its_files_are(
    ledger: Ledger, fill: Fill
) -> None:
    fill("due", S.RUNNING, of_job=AWAY)
    fill("later", S.RUNNING, of_job=AWAY, due_at=NOW + 3)
    assert ledger.traffic(at=NOW, roots=ROOTS) == {"gen4.5": {S.RUNNING: 2}}
    assert ids(ledger.due(at=NOW, roots=ROOTS)) == ["due"]
    assert ledger.next_due(after=NOW, roots=ROOTS) == NOW + 3
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 0  # nobody waits for its end


def test_the_next_in_a_long_queue_are_found_by_an_index(ledger: Ledger) -> None:
    """A hundred thousand may wait, and are asked for many times a second."""
    plans = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith("SELECT jobs.id"):
            with closing(cursor.connection.cursor()) as other:
                plans.append(str(other.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()))

    events.listen(ledger._engine, "before_cursor_execute", explain)
    ledger.queue(S.READY, "gen4.5", at=NOW, limit=9, roots=ROOTS)
    ledger.in_transit()
    ledger.followers(roots=ROOTS)
    ledger.called_any(root="/srv/runway", names={(f"folder {n}", f"name {n}") for n in range(64)})
    queue, transit, followers, called = plans
    assert "SEARCH jobs USING INDEX jobs_followers (root=? AND state=?)" in followers
    assert "SEARCH jobs USING INDEX jobs_name (root=? AND folder=? AND name=?)" in called
    assert "generations USING INDEX generations_queue (state=? AND model=?)" in queue
    assert "TEMP B-TREE FOR ORDER BY" not in queue  # the first are found without a look at the rest
    assert "jobs USING INDEX jobs_in_transit" in transit
    assert "TEMP B-TREE FOR ORDER BY" not in transit


def test_many_are_called_by_their_names_in_their_folders(ledger: Ledger) -> None:
    admitted(ledger, "a", name="cat", folder="one")
    admitted(ledger, "b", name="dog", folder="two")
    admitted(ledger, "c", name="dog", folder="one")  # both parts are asked for, but not together
    admitted(ledger, "d", name="cat", folder="one", state=S.FAILED, accepted_at=NOW + 9)
    found = ledger.called_any(root="/srv/runway", names={("one", "cat"), ("two", "dog"), ("", "cat")})
    assert [one.id for one in found] == ["d", "a", "b"]
    assert ledger.called_any(root="/srv/other", names={("one", "cat")}) == []


def test_jobs_of_one_batch_follow_each_other_and_those_before_them(ledger: Ledger) -> None:
    admitted(ledger, "before", wish="cat")
    batch = {"first": "dog", "again": "cat", "second": "dog", "other": "owl", "refused": ""}
    written = ledger.admit([(job(name, wish=wish), [call(name)]) for name, wish in batch.items()])
    leaders = {"again": "before", "second": "first"}
    assert {one.id: one.duplicate_of for one in written} == {name: leaders.get(name) for name in batch}
    assert {one.id: one.duplicate_of for one in ledger.live()} == {"before": None} | {
        name: leaders.get(name) for name in batch
    }
    assert [line["event"] for name in batch for line in ledger.story(name)] == ["accepted"] * 5


def test_arrivals_are_committed_all_or_none(ledger: Ledger) -> None:
    place, target = Place.INBOX, Place.PROCESSING
    jobs = [admitted(ledger, n, place=place, target=target, target_name=n)[0] for n in ("a", "b")]
    ledger.arrived([jobs[0]])
    with pytest.raises(LostUpdate):
        ledger.arrived(jobs)
    assert {one.id: one.place for one in ledger.live()} == {"a": Place.PROCESSING, "b": Place.INBOX}
    ledger.arrived(jobs[1:])
    assert ledger.in_transit() == []
    ledger.arrived([])


YEARS = 10 * 365 * 86_400.0


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -YEARS, YEARS])
def test_what_is_waited_for_goes_along_with_a_clock_that_was_set(
    ledger: Ledger, fill: Fill, jump: float
) -> None:
    before = NOW - jump  # what the clock would say now, had nobody set it
    times = {"started_at": before - 60, "polled_at": before - 5}
    fill("running", S.RUNNING, due_at=before + 5, **times)
    fill("overdue", S.READY, due_at=before - 99)
    fill("pausing", S.UPLOADING, due_at=before + 60, reason="unreachable")
    fill("retried", S.READY, due_at=before + 60, reason="task.internal")
    fill("tomorrow", S.READY, due_at=before + 7200)
    fill("over", S.DONE, due_at=before)
    ledger.uploaded("me", "abc", uri="runway://1", at=before - 10)
    assert ledger.shift(jump, at=NOW) == 4
    [running] = ledger.calls("running")
    moved = running.due_at, running.started_at, running.polled_at
    assert moved == (NOW + 5, NOW - 60, NOW - 5)
    due = {
        name: ledger.calls(name)[0].due_at for name in ("overdue", "pausing", "retried", "tomorrow", "over")
    }
    assert due == {
        "overdue": NOW - 99,
        "pausing": NOW + 60,
        "retried": NOW + 60,
        "tomorrow": before + 7200,  # by the clock, as somebody wrote it
        "over": before,
    }
    assert ledger.upload("me", "abc", since=NOW - 11) == "runway://1"
    assert ledger.upload("me", "abc", since=NOW - 9) is None
    assert ledger.calls("pausing")[0].started_at is None


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -YEARS, YEARS])
def test_what_was_written_by_the_new_clock_before_anybody_noticed_is_put_off_by_nothing(
    ledger: Ledger, fill: Fill, jump: float
) -> None:
    fill("running", S.RUNNING, due_at=NOW + 5, started_at=NOW - 1, polled_at=NOW - 1)
    fill("new", S.READY, due_at=NOW - 2)
    ledger.shift(jump, at=NOW)
    [running], [new] = ledger.calls("running"), ledger.calls("new")
    assert running.due_at <= NOW + 5
    assert max(new.due_at, running.started_at or 0, running.polled_at or 0) <= NOW


def test_troubles_are_new_failures_what_is_held_and_what_waits_for_a_person(
    ledger: Ledger, fill: Fill
) -> None:
    fill("old", S.FAILED, of_job={"finished_at": NOW - 1})
    fill("done", S.DONE, of_job={"finished_at": NOW})
    fill("pausing", S.UPLOADING, reason="unreachable")
    assert ledger.troubles(since=NOW) == 0
    fill("new", S.FAILED, of_job={"finished_at": NOW})
    fill("held", S.HELD)
    fill("keyless", S.RUNNING, reason="credentials")
    assert ledger.troubles(since=NOW) == 3


@pytest.fixture
def pays(ledger: Ledger, fill: Fill) -> Pays:
    """One paid call: allowed at a moment for a price, and taken through these events."""

    def go(name: str, price: int, *events: Move, at: float = NOW) -> Generation:
        one = fill(name, S.UPLOADING, uploaded_at=at)
        [one] = ledger.move([(one, Move("submit", {"estimated": price}))], at=at)
        for event in events:
            [one] = ledger.move([(one, event)], at=at + 1)
        return one

    return go


SENT = Move("submitted", {"task_id": "t"})
NO_ANSWER = Move("doubt", {"verdict": VERDICT})


def over(event: str, charged: int | None) -> Move:
    return Move(event, {"charged": charged})


def test_a_call_counts_with_its_most_until_it_has_ended_and_then_with_its_cost(
    ledger: Ledger, pays: Pays
) -> None:
    assert ledger.purse(day=0, looked_at=0) == Purse()
    pays("yesterday", 100, SENT, over("succeeded", 100), at=NOW - 50)
    pays("done", 60, SENT, over("succeeded", 55))
    pays("refunded", 60, SENT, over("fail", 0))
    pays("again", 60, SENT, over("again", 60))
    pays("running", 30, SENT)
    pays("dearer than thought", 30, Move("submitted", {"task_id": "t", "estimated": 42}))
    pays("on its way", 7)
    purse = ledger.purse(day=NOW - 9, looked_at=NOW + 9)
    assert (purse.today, purse.reserved) == (115, 30 + 42 + 7)
    assert purse.committed == 115 + 30 + 42 + 7


def test_what_surely_was_not_carried_out_costs_nothing(ledger: Ledger, pays: Pays) -> None:
    pays("turned away", 60, Move("later", {}))
    pays("rejected", 60, Move("fail", {"verdict": VERDICT}))
    assert ledger.purse(day=0, looked_at=0) == Purse()


def test_a_call_in_doubt_counts_with_its_most_on_its_day_whatever_becomes_of_it(
    ledger: Ledger, pays: Pays
) -> None:
    held = pays("held", 60, NO_ANSWER)
    pays("resubmitted", 60, Move("again", {}))
    pays("unknown end", 60, SENT, over("fail", None))
    assert ledger.purse(day=NOW - 9, looked_at=NOW + 9).committed == 180
    ledger.move([(held, Move("release", {"verdict": None}))], at=NOW + 2)
    assert ledger.purse(day=NOW - 9, looked_at=NOW + 9).committed == 180
    assert ledger.purse(day=NOW + 9, looked_at=NOW + 9) == Purse()


def test_a_balance_knows_of_calls_that_were_answered_before_it_was_read(ledger: Ledger, pays: Pays) -> None:
    pays("before", 60, SENT, at=NOW - 10)
    pays("answered after", 10, SENT, at=NOW - 0.5)
    pays("on its way", 5, at=NOW - 10)
    pays("after", 2, SENT, over("succeeded", 1), at=NOW + 1)
    assert ledger.purse(day=0, looked_at=NOW).since_look == 10 + 5 + 1


def test_jobs_are_found_by_where_they_are_and_what_they_are_called(ledger: Ledger, fill: Fill) -> None:
    fill("old", S.DONE, of_job={"name": "cat", "place": Place.DONE, "finished_at": NOW})
    fill("new", S.READY, of_job={"name": "cat", "accepted_at": NOW + 1})
    fill("bad", S.FAILED, of_job={"place": Place.FAILED, "finished_at": NOW + 2})
    fill("held", S.HELD, of_job={"accepted_at": NOW - 1})
    called = ledger.called(root="/srv/runway", folder="", name="cat")
    assert [found.id for found in called] == ["new", "old"]
    assert [found.id for found in ledger.failed()] == ["bad"]
    assert [found.id for found in ledger.live()] == ["held", "new"]
    assert [found.id for found in ledger.latest(1)] == ["held", "new", "bad"]
    assert [found.id for found in ledger.held_and_failed()] == ["held", "bad"]
    assert ids(ledger.in_state(S.HELD)) == ["held"]
    assert ledger.counts() == {"done": 1, "ready": 1, "failed": 1, "held": 1}
    assert ledger.job("nobody") is None


# -- holds ---------------------------------------------------------------------------------------------


def test_a_hold_is_open_until_it_ends_and_there_is_one_of_each(ledger: Ledger) -> None:
    first = Hold("credits", NOW, message="too few", needs=60)
    ledger.hold(begun=[first, Hold("daily_limit", NOW + 1, "veo3.1", until=NOW + 9)], ended=[], at=NOW)
    ledger.hold(begun=[Hold("credits", NOW + 5, message="fewer", needs=90)], ended=[], at=NOW + 5)
    credits_, limit = ledger.holds()
    assert (credits_.since, credits_.message, credits_.needs) == (NOW, "fewer", 90)
    assert (limit.scope, limit.until) == ("veo3.1", NOW + 9)
    ledger.hold(begun=[], ended=[first], at=NOW + 7)
    assert ledger.holds() == [limit]
    assert (ledger.last_held("credits"), ledger.last_held("paused")) == (NOW + 7, 0.0)


def test_a_hold_may_end_and_begin_again_in_one_moment(ledger: Ledger) -> None:
    one = Hold("window", NOW)
    ledger.hold(begun=[one], ended=[], at=NOW)
    ledger.hold(begun=[Hold("window", NOW + 1)], ended=[one], at=NOW + 1)
    assert [hold.since for hold in ledger.holds()] == [NOW + 1]


def test_what_waits_because_runway_could_not_be_asked_is_due_when_it_can(ledger: Ledger, fill: Fill) -> None:
    fill("lost", S.RUNNING, reason="answer_lost", due_at=NOW + 900)
    fill("asked", S.RUNNING, reason="running", due_at=NOW + 30)
    fill("first", S.RUNNING, due_at=NOW + 40)
    fill("uploading", S.UPLOADING, reason="unreachable", due_at=NOW + 50)
    fill("appointed", S.READY, due_at=NOW + 60)
    ledger.hasten(at=NOW)
    due = {call.job: call.due_at for state in S for _, call in ledger.in_state(state)}
    assert due == {"lost": NOW, "uploading": NOW, "asked": NOW + 30, "first": NOW + 40, "appointed": NOW + 60}


def test_the_last_endings_are_told_the_latest_first(ledger: Ledger, pays: Pays) -> None:
    refused = Verdict("poll", "task.safety", "no")
    pays("a", 1, SENT, over("succeeded", 1))
    pays("b", 1, SENT, Move("fail", {"verdict": refused, "charged": 1}))
    pays("c", 1, SENT, over("again", 0))
    pays("d", 1, SENT, Move("fail", {"verdict": refused, "charged": 1}), at=NOW + 5)
    assert ledger.latest_endings(limit=5, since=0) == ["task.safety", "task.safety", None]
    assert ledger.latest_endings(limit=5, since=NOW + 3) == ["task.safety"]
    assert ledger.latest_endings(limit=1, since=0) == ["task.safety"]


# -- the same drop twice ---------------------------------------------------------------------------------


def test_a_result_is_shared_with_who_is_done_or_under_way_but_with_no_follower(
    ledger: Ledger, fill: Fill
) -> None:
    fill("failed", S.FAILED, of_job={"wish": "w", "verdict": VERDICT})
    fill("follower", S.READY, of_job={"wish": "w", "duplicate_of": "failed", "name": "x"})
    assert ledger.like("w", but="new") is None
    fill("running", S.RUNNING, of_job={"wish": "w", "name": "y"})
    assert ledger.like("w", but="running") is None
    like = ledger.like("w", but="new")
    assert like is not None
    assert like.id == "running"
    fill("done", S.DONE, of_job={"wish": "w"})
    like = ledger.like("w", but="new")
    assert like is not None
    assert like.id == "done"
    assert ledger.like("", but="new") is None


def asked(ledger: Ledger, name: str, *, at: float = NOW, **changes: Any) -> str | None:
    """Whom a new job that asks for `w` follows."""
    [written] = ledger.admit([(job(name, **{"wish": "w", **changes}), [call(name, due_at=at)])], roots=ROOTS)
    return written.duplicate_of


def leader_of(ledger: Ledger, name: str) -> str | None:
    found = ledger.job(name)
    assert found is not None
    return found[0].duplicate_of


def test_of_those_admitted_together_the_first_is_followed_by_the_others(ledger: Ledger) -> None:
    same = [(job(name, wish="w"), [call(name)]) for name in "abc"]
    assert [there.duplicate_of for there in ledger.admit(same)] == [None, "a", "a"]
    assert leader_of(ledger, "c") == "a"


def test_nobody_follows_who_is_forced_or_refused_or_asks_for_nothing(ledger: Ledger, fill: Fill) -> None:
    fill("done", S.DONE, of_job={"wish": "w"})
    assert asked(ledger, "forced", options={"force": True}) is None
    assert asked(ledger, "refused", state=S.RETIRING, verdict=VERDICT) is None
    assert asked(ledger, "wishless", wish="") is None
    assert asked(ledger, "plain") == "done"


def test_what_is_held_is_followed_only_when_nobody_else_is_under_way(ledger: Ledger, fill: Fill) -> None:
    fill("held", S.HELD, of_job={"wish": "w", "accepted_at": NOW + 9})
    assert asked(ledger, "first") == "held"
    fill("running", S.RUNNING, of_job={"wish": "w"})
    assert asked(ledger, "second") == "running"


def test_nobody_follows_a_job_of_a_folder_that_nobody_watches(ledger: Ledger, fill: Fill) -> None:
    fill("away", S.RUNNING, of_job={**AWAY, "wish": "w"})
    assert asked(ledger, "here") is None


def test_who_has_an_appointment_is_waited_for_only_by_those_with_a_later_one(ledger: Ledger) -> None:
    assert asked(ledger, "nine", at=NOW + 9) is None
    assert asked(ledger, "ten", at=NOW + 10) == "nine"
    assert asked(ledger, "forced", at=NOW + 7, options={"force": True}) is None
    assert asked(ledger, "now") is None
    assert [leader_of(ledger, name) for name in ("nine", "forced")] == ["now", None]


def test_a_pause_is_no_appointment(ledger: Ledger, fill: Fill) -> None:
    fill("pausing", S.READY, of_job={"wish": "w"}, due_at=NOW + 9, reason="task.internal")
    assert asked(ledger, "new") == "pausing"


def test_what_comes_back_follows_whoever_asks_for_the_same_by_now(ledger: Ledger, fill: Fill) -> None:
    _, one = admitted(ledger, "failed", S.FAILED, wish="w", verdict=VERDICT)
    fill("running", S.RUNNING, of_job={"wish": "w"})
    was = job("failed", state=S.FAILED, wish="w")
    back = replace(one, state=S.READY)
    written = ledger.readmit(Revived(job("failed", wish="w"), [back], {}), was=was, at=NOW, roots=ROOTS)
    assert (written.duplicate_of, leader_of(ledger, "failed")) == ("running", "running")


def test_a_follower_is_called_when_its_leader_has_ended_and_never_queued(ledger: Ledger, fill: Fill) -> None:
    fill("leader", S.RUNNING)
    fill("follower", S.READY, of_job={"duplicate_of": "leader"})
    assert ledger.followers(roots=ROOTS) == []
    assert ledger.queue(S.READY, "gen4.5", at=NOW, limit=9, roots=ROOTS) == []
    fill("over", S.DONE)
    fill("next", S.READY, of_job={"duplicate_of": "over"})
    [(follower, _, leader)] = ledger.followers(roots=ROOTS)
    assert (follower.id, leader.id) == ("next", "over")
    assert ledger.active(at=NOW, roots=ROOTS, new=ROOTS) == 1  # the leader that runs
    ledger.go_alone(follower, at=NOW, roots=ROOTS)
    assert ids(ledger.queue(S.READY, "gen4.5", at=NOW, limit=9, roots=ROOTS)) == ["next"]


def test_a_follower_is_called_when_its_leader_changed_its_mind_or_left(ledger: Ledger, fill: Fill) -> None:
    fill("other", S.RUNNING, of_job={"wish": "else"})
    fill("away", S.RUNNING, of_job={**AWAY, "wish": "w"})
    fill("first", S.READY, of_job={"wish": "w", "duplicate_of": "other"})
    fill("second", S.READY, of_job={"wish": "w", "duplicate_of": "away", "accepted_at": NOW + 1})
    found = [(follower.id, leader.id) for follower, _, leader in ledger.followers(roots=ROOTS)]
    assert found == [("first", "other"), ("second", "away")]


def test_a_follower_is_not_called_while_its_files_are_on_their_way_or_nobody_watches_them(
    ledger: Ledger, fill: Fill
) -> None:
    fill("over", S.DONE)
    fill("coming", S.READY, of_job={"duplicate_of": "over", "target": Place.PROCESSING, "target_name": "x"})
    fill("away", S.READY, of_job={"duplicate_of": "over", **AWAY})
    assert ledger.followers(roots=ROOTS) == []


def test_who_finds_nothing_to_share_asks_each_that_is_done_once_and_then_runs(
    ledger: Ledger, fill: Fill
) -> None:
    fill("old", S.DONE, of_job={"wish": "w", "finished_at": NOW - 2})
    fill("new", S.DONE, of_job={"wish": "w", "finished_at": NOW - 1})
    asked(ledger, "j")
    seen = [leader_of(ledger, "j")]
    while seen[-1] is not None:
        ledger.go_alone(job("j", wish="w", duplicate_of=seen[-1]), at=NOW, roots=ROOTS)
        seen.append(leader_of(ledger, "j"))
    assert seen == ["new", "old", None]


def test_a_job_that_has_changed_since_is_not_sent_alone(ledger: Ledger, fill: Fill) -> None:
    fill("leader", S.RUNNING, of_job={"wish": "new"})
    fill("j", S.READY, of_job={"wish": "new", "duplicate_of": "leader"})
    for stale in ({"wish": "w", "duplicate_of": "leader"}, {"wish": "new", "duplicate_of": "x"}):
        ledger.go_alone(job("j", **stale), at=NOW, roots=ROOTS)
    assert leader_of(ledger, "j") == "leader"


def test_runways_word_for_another_film_lowers_no_price_that_goes_by_length(ledger: Ledger) -> None:
    params = {"model": "aleph2", "video_uri": "runway://x"}
    film = job(operation="video_to_video", model="aleph2", params=params, price=840)
    ledger.estimated(film, 56)
    assert (ledger.estimate(film), ledger.most(film)) == (840, 840)
    ledger.estimated(film, 900)
    assert ledger.most(film) == 900
    unseen = replace(film, price=None)
    ledger.estimated(unseen, 56)
    assert ledger.most(unseen) is None
    ledger.estimated(job(), 55)
    assert ledger.most(job()) == 55
