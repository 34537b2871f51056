"""When to try again: doubling, clamped, jittered, and never before the other side asked for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.backoff import wait


@pytest.mark.parametrize(
    ("attempt", "jitter", "asked", "seconds"),
    [
        (1, 0.0, None, 10.0),
        (2, 0.0, None, 20.0),
        (3, 0.0, None, 40.0),
        (7, 0.0, None, 640.0),
        (8, 0.0, None, 900.0),
        (32, 0.0, None, 900.0),
        (33, 0.0, None, 900.0),
        (10**9, 0.0, None, 900.0),
        (0, 0.0, None, 10.0),
        (-5, 0.0, None, 10.0),
        (1, 1.0, None, 5.0),
        (1, 0.5, None, 7.5),
        (1, 0.0, 60.0, 60.0),  # Retry-After wins where it is longer
        (1, 1.0, 3600.0, 3600.0),  # also over the longest, and whatever the jitter
        (5, 0.0, 1.0, 160.0),
        (1, 0.0, 0.0, 10.0),
        (1, 0.0, -30.0, 10.0),
    ],
)
def test_seconds_until_the_next_try(attempt: int, jitter: float, asked: float | None, seconds: float) -> None:
    assert wait(attempt, first=10.0, longest=900.0, jitter=jitter, asked=asked) == pytest.approx(seconds)


@given(
    st.integers(-10, 10**12),
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.floats(0, 1),
    st.none() | st.floats(-1e6, 1e6),
)
def test_the_wait_keeps_its_bounds(
    attempt: int, first: float, longest: float, jitter: float, asked: float | None
) -> None:
    seconds = wait(attempt, first=first, longest=longest, jitter=jitter, asked=asked)
    assert seconds >= min(first, longest) / 2
    assert seconds >= (asked or 0.0)
    assert seconds <= max(longest, asked or 0.0)
