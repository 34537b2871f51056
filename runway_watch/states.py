"""The state machine: one complete table, and `advance`, the only way through it.

A pair that is not in the table is illegal: `advance` raises and nothing has changed. The diagram in the
README is drawn from this table, and a test kills a real daemon at every row of it.
"""

from collections.abc import Iterable, Mapping

from runway_watch.errors import RunwayWatchError
from runway_watch.job import State

READY, UPLOADING, SUBMITTING, RUNNING = State.READY, State.UPLOADING, State.SUBMITTING, State.RUNNING
COLLECTING, RETIRING, HELD = State.COLLECTING, State.RETIRING, State.HELD
DONE, FAILED, CANCELLED = State.DONE, State.FAILED, State.CANCELLED

TABLE: Mapping[tuple[State, str], State] = {
    (READY, "upload"): UPLOADING,
    (READY, "duplicate"): COLLECTING,  # another job has the result already
    (READY, "release"): READY,  # its files went back to the inbox and came again
    (READY, "fail"): RETIRING,
    (UPLOADING, "later"): UPLOADING,
    (UPLOADING, "uploaded"): UPLOADING,  # its media lie at Runway; it waits for a free slot
    (UPLOADING, "stale"): UPLOADING,  # they lay there too long
    (UPLOADING, "submit"): SUBMITTING,  # committed before the paid request leaves
    (UPLOADING, "release"): READY,
    (UPLOADING, "fail"): RETIRING,
    (SUBMITTING, "submitted"): RUNNING,
    (SUBMITTING, "later"): UPLOADING,  # surely not carried out
    (SUBMITTING, "doubt"): HELD,  # nobody knows
    (SUBMITTING, "again"): READY,  # nobody knows, and the operator said to send it again
    (SUBMITTING, "fail"): RETIRING,
    (RUNNING, "later"): RUNNING,
    (RUNNING, "succeeded"): COLLECTING,
    (RUNNING, "again"): READY,  # the task failed in a way that may pass: a new task, paid anew
    (RUNNING, "fail"): RETIRING,
    (COLLECTING, "later"): COLLECTING,
    (COLLECTING, "collected"): RETIRING,
    (COLLECTING, "again"): READY,  # there was nothing to share after all
    (COLLECTING, "fail"): RETIRING,
    (RETIRING, "later"): RETIRING,
    (RETIRING, "recollect"): COLLECTING,  # an output vanished before it was filed
    (RETIRING, "done"): DONE,
    (RETIRING, "failed"): FAILED,
    (RETIRING, "cancelled"): CANCELLED,
    (HELD, "release"): READY,
    (HELD, "fail"): RETIRING,
    (FAILED, "release"): READY,
    (FAILED, "fail"): RETIRING,  # it came back, and is refused again
    (FAILED, "recollect"): COLLECTING,  # it was paid for and finished: fetch it, pay nothing
    (CANCELLED, "release"): READY,
    (CANCELLED, "fail"): RETIRING,
    (CANCELLED, "recollect"): COLLECTING,
}

WAITING: frozenset[State] = frozenset({READY, UPLOADING})
"""States in which nothing has been paid for this time."""

AT_RUNWAY: frozenset[State] = frozenset({SUBMITTING, RUNNING})
"""States in which a generation takes, or may take, one of the account's slots."""

CAN_RETURN: frozenset[State] = frozenset({FAILED, CANCELLED, HELD})
"""States from which a person may put a job back to work."""

# How far along a state is, for a job with several generations. What is held speaks last, so that a job
# counts as held only when nothing else of it can go on; what worked outweighs what did not.
_ORDER = [READY, UPLOADING, SUBMITTING, RUNNING, COLLECTING, HELD, RETIRING, DONE, FAILED, CANCELLED]


class IllegalMove(RunwayWatchError):
    """The table has no such row: a bug, never a fault of a file."""


def advance(state: State, event: str) -> State:
    """The state after `event`. Raises IllegalMove when the table has no such row."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise IllegalMove(f"{event} cannot happen to what is {state}") from None


def of_job(states: Iterable[State]) -> State:
    """Where a job stands whose generations are in these states: at the least advanced of them."""
    return min(states, key=_ORDER.index)


def diagram() -> str:
    """The table as a Mermaid diagram for the README: an arrow for each pair of states, with its events."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TABLE.items():
        arrows.setdefault((before, after), []).append(event)
    moves = [f"{before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines = ["[*] --> ready: accepted", "[*] --> retiring: refused", *moves, "done --> [*]"]
    return "\n    ".join(["stateDiagram-v2", *lines]) + "\n"
