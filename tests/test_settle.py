"""A file is finished when it has been the same for a while by our own clock, and by no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.settle import Sight, Watched, overdue, remaining, watch

SIGHT = Sight(100, 1_700_000_000_000_000_000, 7)


@pytest.mark.parametrize(
    "changed",
    [Sight(101, SIGHT.mtime_ns, 7), Sight(100, SIGHT.mtime_ns + 1, 7), Sight(100, SIGHT.mtime_ns, 8)],
)
def test_any_change_begins_the_wait_anew(changed: Sight) -> None:
    before = watch(None, SIGHT, 10.0)
    assert watch(before, changed, 11.0) == Watched(changed, 11.0)


def test_a_file_that_stays_the_same_keeps_its_beginning() -> None:
    first = watch(None, SIGHT, 10.0)
    assert watch(first, Sight(100, SIGHT.mtime_ns, 7), 12.0) is first


def test_a_file_that_went_back_to_what_it_was_begins_anew() -> None:
    first = watch(None, SIGHT, 10.0)
    other = watch(first, Sight(5, 5, 5), 11.0)
    assert watch(other, SIGHT, 12.0).since == 12.0


@pytest.mark.parametrize(("now", "left"), [(10.0, 2.0), (11.5, 0.5), (12.0, 0.0), (99.0, 0.0), (9.0, 3.0)])
def test_what_is_left_to_wait_never_goes_below_nothing(now: float, left: float) -> None:
    assert remaining(Watched(SIGHT, 10.0), now=now, settle=2.0) == left


@pytest.mark.parametrize(("now", "late"), [(10.0, False), (609.9, False), (610.0, True), (9999.0, True)])
def test_patience_ends_with_the_timeout(now: float, late: bool) -> None:
    assert overdue(Watched(SIGHT, 10.0), now=now, timeout=600.0) is late


@given(st.integers(-(2**62), 2**62), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_files_own_time_may_lie_in_the_past_or_in_the_future(
    mtime: int, since: float, now: float
) -> None:
    watched = watch(None, Sight(1, mtime, 1), since)
    plain = watch(None, Sight(1, 0, 1), since)
    assert remaining(watched, now=now, settle=2.0) == remaining(plain, now=now, settle=2.0)
    assert overdue(watched, now=now, timeout=9.0) == overdue(plain, now=now, timeout=9.0)
