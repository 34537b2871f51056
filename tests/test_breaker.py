"""Ways to Runway: what fails in a row rests for longer and longer, what works widens."""

from runway_watch.breaker import FIRST_WIDTH, OUTAGE_AFTER, WIDEST, Breaker, Pause
from tests.samples import NOW

PAUSE = Pause(first=10, longest=30)


def failing(times: int, breaker: Breaker | None = None, pause: Pause = PAUSE) -> Breaker:
    """So many failures, each after the pause that the one before has led to."""
    found = breaker or Breaker()
    for n in range(times):
        found = found.failed(f"job {n}", now=max(NOW, found.until), pause=pause, jitter=0.0)
    return found


def test_a_way_that_nobody_knows_is_tried_by_few_and_widens_with_each_success() -> None:
    widths = [Breaker().width]
    breaker = Breaker()
    for _ in range(12):
        breaker = breaker.succeeded()
        widths.append(breaker.width)
    assert widths[:4] == [FIRST_WIDTH, 4, 8, 16]
    assert widths[-1] == WIDEST


def test_a_way_that_failed_is_tried_by_one_alone_after_a_pause_that_doubles() -> None:
    breakers = [failing(n) for n in range(1, 5)]
    assert [b.width for b in breakers] == [1] * 4
    assert [b.until - NOW for b in breakers] == [10, 10 + 20, 30 + 30, 60 + 30]
    wide = Breaker(width=64)
    assert failing(1, wide).width == 1


def test_many_that_fail_together_lead_to_one_pause() -> None:
    burst = Breaker(width=64)
    for n in range(20):
        burst = burst.failed(f"job {n}", now=NOW + n / 100, pause=PAUSE, jitter=0.0)
    assert (burst.failures, burst.rests, burst.until) == (20, 1, NOW + 10)
    assert burst.failed("probe", now=NOW + 11, pause=PAUSE, jitter=0.0).until == NOW + 31


def test_one_success_opens_a_way_again() -> None:
    opened = failing(9).succeeded()
    assert (opened.failures, opened.jobs, opened.until, opened.width) == (0, frozenset(), 0.0, 2)


def test_a_way_counts_as_closed_after_several_failures_of_as_many_jobs_as_are_asked_for() -> None:
    assert not failing(OUTAGE_AFTER - 1).is_closed()
    assert failing(OUTAGE_AFTER).is_closed()
    alone = Breaker()
    for _ in range(20):
        alone = alone.failed("the same", now=NOW, pause=PAUSE, jitter=0.0)
    assert alone.is_closed()
    assert not alone.is_closed(jobs=3)
    assert failing(OUTAGE_AFTER).is_closed(jobs=3)


def test_what_the_other_side_asks_for_is_waited_for() -> None:
    assert failing(1, pause=Pause(10, 30, asked=3600)).until == NOW + 3600


def test_a_pause_is_never_shortened_by_a_later_failure() -> None:
    waits = failing(1, pause=Pause(10, 30, asked=3600))
    assert waits.failed("other", now=NOW, pause=PAUSE, jitter=1.0).until == NOW + 3600
