"""When Runway is asked about a task: right after it has probably ended, and never too often."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.polling import (
    DITHER,
    MARGIN,
    PROBE_AT,
    PROBED,
    first_poll,
    next_poll,
    sample,
    span,
    usual,
)
from tests.samples import NOW

SPANS = st.floats(-1e6, 1e6)
PROGRESS = st.none() | st.floats(-1.0, 2.0)
SECONDS = st.none() | st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("samples", "seconds"), [([], None), ([7.0], 7.0), ([9.0, 5.0], 5.0), ([36_000.0, 30.0], 30.0)]
)
def test_the_usual_time_is_the_shortest_known(samples: list[float], seconds: float | None) -> None:
    assert usual(samples) == seconds


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        ([], None),
        ([(5.0, 0.5)], None),
        ([(5.0, 0.5), (5.2, 0.52)], None),  # too close together for a line
        ([(5.0, 0.5), (6.0, 0.6)], 10.0),
        ([(5.0, 0.45), (6.0, 0.55)], 10.5),  # half a second went by before it began to grow
        ([(5.0, 0.5), (6.0, 0.5)], None),  # it does not grow
        ([(5.0, 0.6), (6.0, 0.5)], None),
    ],
)
def test_how_long_a_kind_takes_is_seen_from_its_progress_at_various_ages(
    looks: list[tuple[float, float]], seconds: float | None
) -> None:
    assert span(looks) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("usual_seconds", "jitter", "due"),
    [
        (None, 0.0, 5.0),  # nothing known: as early as allowed
        (None, 1.0, 5.0 * (1 + DITHER)),  # and not all at once, so that there is something to compare
        (60.0, 1.0, 60.0 + MARGIN),
        (2.0, 1.0, 5.0),  # never before Runway allows
        (60.0, 0.0, 60.0 * PROBE_AT + MARGIN),  # a few are asked earlier
        (60.0, PROBED, 60.0 + MARGIN),
        (20.0, 0.0, 20.0 + MARGIN),  # not where that could make the next question late
    ],
)
def test_the_first_question_comes_when_its_kind_usually_ends(
    usual_seconds: float | None, jitter: float, due: float
) -> None:
    asked = first_poll(submitted=NOW, usual=usual_seconds, least=5.0, jitter=jitter)
    assert asked == pytest.approx(NOW + due)


@given(SECONDS, st.floats(0, 1))
def test_no_first_question_comes_too_soon(usual_seconds: float | None, jitter: float) -> None:
    assert first_poll(submitted=NOW, usual=usual_seconds, least=5.0, jitter=jitter) >= NOW + 5.0


@pytest.mark.parametrize(
    ("started", "usual_seconds", "span_seconds", "progress", "polls", "left"),
    [
        (-10.0, None, None, None, 1, 5.0),
        (-10.0, None, None, None, 3, 8.45),  # backs off
        (-10.0, None, None, None, 10**6, 30.0),
        (-10.0, None, None, 0.5, 1, 10.0),  # half done after 10 s
        (-10.0, None, 18.0, 0.5, 1, 8.0),  # its like take 18 s
        (-10.0, None, 9.0, 0.5, 1, 5.0),  # its like would be done
        (-10.0, None, None, 0.01, 1, 5.0),  # too little to tell anything
        (-10.0, 40.0, None, None, 1, 30.0),  # 30 s left, and never over `most`
        (-10.0, 20.0, None, None, 1, 10.0),
        (-100.0, 20.0, None, None, 1, 5.0),  # overdue
        (-100.0, 20.0, None, 0.5, 1, 10.0),  # it had to wait for its slot: half of the usual is left
        (0.0, 40.0, None, 1.0, 1, 5.0),
        (0.0, 40.0, None, 7.0, 1, 5.0),
    ],
)
def test_the_next_question_follows_progress_or_habit_or_backs_off(
    started: float,
    usual_seconds: float | None,
    span_seconds: float | None,
    progress: float | None,
    polls: int,
    left: float,
) -> None:
    asked = next_poll(
        NOW,
        started=NOW + started,
        usual=usual_seconds,
        span=span_seconds,
        progress=progress,
        polls=polls,
        least=5.0,
        most=30.0,
    )
    assert asked - NOW == pytest.approx(left, abs=MARGIN + 0.001)


@given(SPANS, SECONDS, SECONDS, PROGRESS, st.integers(0, 10**9), st.floats(0.5, 60))
def test_no_question_comes_too_soon_or_too_late(
    started: float,
    usual_seconds: float | None,
    span_seconds: float | None,
    progress: float | None,
    polls: int,
    least: float,
) -> None:
    asked = next_poll(
        NOW,
        started=NOW + started,
        usual=usual_seconds,
        span=span_seconds,
        progress=progress,
        polls=polls,
        least=least,
        most=least * 6,
    )
    assert NOW + least <= asked <= NOW + least * 6


@given(SPANS, SPANS, st.none() | SPANS, PROGRESS, SECONDS)
def test_a_duration_is_never_less_than_nothing_whatever_the_clock_did(
    started: float, noticed: float, seen: float | None, progress: float | None, usual_seconds: float | None
) -> None:
    took = sample(
        started=started,
        noticed=noticed,
        last_seen=seen,
        progress=progress,
        usual=usual_seconds,
        span=usual_seconds,
    )
    assert took is None or took >= 0


@pytest.mark.parametrize(
    ("noticed", "last_seen", "progress", "usual_seconds", "took"),
    [
        (10.0, None, None, None, 10.0),  # found finished at once: at most this long
        (10.0, None, None, 8.0, 8.0),
        (10.0, None, None, 12.0, 10.0),
        (20.0, 10.0, None, None, 15.0),  # somewhere between two looks
        (20.0, 10.0, 0.5, None, 20.0),
        (30.0, 10.0, 0.5, None, 20.0),
        (20.0, 10.0, 0.01, None, 15.0),
    ],
)
def test_a_duration_is_as_good_as_the_looks_at_the_task(
    noticed: float, last_seen: float | None, progress: float | None, usual_seconds: float | None, took: float
) -> None:
    seen = None if last_seen is None else NOW + last_seen
    seconds = sample(
        started=NOW, noticed=NOW + noticed, last_seen=seen, progress=progress, usual=usual_seconds, span=None
    )
    assert seconds == pytest.approx(took)


def test_a_night_in_which_nobody_looked_is_no_duration() -> None:
    nobody: dict[str, Any] = {
        "started": 0.0,
        "noticed": 30_000.0,
        "progress": None,
        "usual": None,
        "span": None,
    }
    assert sample(**nobody, last_seen=None) is None
    assert sample(**nobody, last_seen=5.0) is None
    assert sample(**{**nobody, "usual": 60.0}, last_seen=None) == 60.0


def test_a_duration_seen_from_progress_lies_between_the_looks() -> None:
    def took(span_seconds: float) -> float | None:
        looks: dict[str, Any] = {"started": NOW, "noticed": NOW + 20, "last_seen": NOW + 10}
        return sample(**looks, progress=0.5, usual=None, span=span_seconds)

    assert (took(15.0), took(5.0), took(50.0)) == (15.0, 10.0, 20.0)
