"""The state machine is one table: all that it lists happens, all else raises and changes nothing."""

from itertools import product

import pytest

from runway_watch.job import LIVE_STATES, State
from runway_watch.states import AT_RUNWAY, TABLE, IllegalMove, advance, diagram, of_job

S = State
EVENTS = sorted({event for _, event in TABLE})
OVER = {S.DONE, S.FAILED, S.CANCELLED}


@pytest.mark.parametrize(("state", "event"), list(product(State, EVENTS)))
def test_a_move_is_in_the_table_or_illegal(state: State, event: str) -> None:
    if (state, event) in TABLE:
        assert advance(state, event) is TABLE[state, event]
    else:
        with pytest.raises(IllegalMove, match=f"{event} cannot happen to what is {state}"):
            advance(state, event)


def test_an_event_nobody_has_heard_of_is_illegal() -> None:
    with pytest.raises(IllegalMove):
        advance(S.READY, "explode")


def test_every_state_can_be_reached_from_ready() -> None:
    reached, before = {S.READY}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {after for (state, _), after in TABLE.items() if state in reached}
    assert reached == set(State)


def test_every_live_state_leads_to_an_end() -> None:
    ends, before = set(OVER), set[State]()
    while ends != before:
        before = set(ends)
        ends |= {state for (state, _), after in TABLE.items() if after in ends}
    assert ends == set(State)


def test_what_is_done_stays_done_and_what_failed_only_leaves_by_somebodys_wish() -> None:
    leaving = {state: {event for from_, event in TABLE if from_ is state} for state in OVER}
    assert leaving == {
        S.DONE: set(),
        S.FAILED: {"release", "fail", "recollect"},
        S.CANCELLED: {"release", "fail", "recollect"},
    }


def test_nothing_but_a_commit_of_submitting_leads_to_a_paid_call() -> None:
    into = {(state, event) for (state, event), after in TABLE.items() if after is S.SUBMITTING}
    assert into == {(S.UPLOADING, "submit")}
    assert {after for (state, _), after in TABLE.items() if state is S.SUBMITTING} >= {S.RUNNING, S.HELD}


def test_doubt_never_leads_straight_back_to_the_paid_call() -> None:
    assert TABLE[S.SUBMITTING, "doubt"] is S.HELD
    assert {after for (state, _), after in TABLE.items() if state is S.HELD} == {S.READY, S.RETIRING}


def test_live_states_and_slots_at_runway_are_what_they_say() -> None:
    assert set(State) - OVER == LIVE_STATES
    assert {S.SUBMITTING, S.RUNNING} == AT_RUNWAY


@pytest.mark.parametrize(
    ("states", "stands"),
    [
        ([S.READY], S.READY),
        ([S.RUNNING, S.READY], S.READY),
        ([S.COLLECTING, S.RUNNING], S.RUNNING),
        ([S.HELD, S.RUNNING], S.RUNNING),  # held only when nothing else can go on
        ([S.HELD, S.RETIRING], S.HELD),
        ([S.RETIRING, S.COLLECTING], S.COLLECTING),
        ([S.FAILED, S.DONE], S.DONE),  # what worked outweighs what did not
        ([S.CANCELLED, S.FAILED], S.FAILED),
        ([S.DONE, S.RETIRING], S.RETIRING),
    ],
)
def test_a_job_stands_where_its_least_advanced_generation_stands(states: list[State], stands: State) -> None:
    assert of_job(states) is stands
    assert of_job(reversed(states)) is stands


def test_the_diagram_has_every_row_of_the_table() -> None:
    drawn = diagram()
    for (before, event), after in TABLE.items():
        line = next(line for line in drawn.splitlines() if f"{before} --> {after}:" in line)
        assert event in line
