"""The forecast, with values: when everything would begin and end, and what stops it first."""

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from runway_watch.forecast import DAY, Forecast, Item, Lane, Money, Span, Stop, forecast
from runway_watch.hours import Hours

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
ALWAYS = Hours(window="", day_starts="00:00", zone=UTC)
NIGHT = Hours(window="22:00-06:00", day_starts="00:00", zone=UTC)
MIDNIGHT = NOON + 12 * HOUR


def item(price: int | None = 60, *, model: str = "gen4.5", seconds: float = 60.0, at: float = 0.0) -> Item:
    return Item(model, seconds, price, at)


def foresee(
    *items: Item, hours: Hours = ALWAYS, money: Money | None = None, now: float = NOON, **lanes: Lane
) -> Forecast:
    by_model = {name.replace("gen45", "gen4.5"): lane for name, lane in lanes.items()}
    return forecast(items, now=now, hours=hours, lanes=by_model, money=money or Money())


def begins(found: Forecast) -> list[float | None]:
    """When each begins, in seconds from noon."""
    return [None if span.begins is None else span.begins - NOON for span in found.spans]


# -- slots --------------------------------------------------------------------------------------------------


def test_nothing_to_do_has_no_end() -> None:
    found = foresee()
    assert (found.spans, found.stops, found.ends) == ((), (), None)


def test_a_model_takes_as_many_at_a_time_as_it_has_slots() -> None:
    found = foresee(*[item()] * 5, gen45=Lane(slots=2))
    assert begins(found) == [0, 0, 60, 60, 120]
    assert found.ends == NOON + 180


def test_a_model_of_which_nothing_is_said_takes_one_at_a_time() -> None:
    assert begins(foresee(*[item()] * 3)) == [0, 60, 120]


def test_models_run_side_by_side_each_in_its_own_slots() -> None:
    found = foresee(
        item(seconds=100), item(seconds=100), item(model="gen4_turbo", seconds=30), item(model="gen4_turbo")
    )
    assert begins(found) == [0, 100, 0, 30]


def test_what_runs_already_takes_a_slot_until_it_ends() -> None:
    lane = Lane(slots=2, busy=[NOON + 10, NOON + 20, NOON + 30])
    assert begins(foresee(*[item()] * 3, gen45=lane)) == [20, 30, 80]


def test_a_model_without_slots_begins_nothing_and_holds_up_no_other() -> None:
    found = foresee(item(), item(model="gen4_turbo"), gen45=Lane(slots=0))
    assert found.spans == (Span(barred="slots"), Span(NOON, NOON + 60))
    assert found.stops == ()


def test_the_days_limit_of_a_model_lets_the_rest_wait_until_a_day_after_those_before() -> None:
    found = foresee(*[item()] * 3, gen45=Lane(slots=5, daily=3, used=1))
    assert begins(found) == [0, 0, DAY]
    assert begins(foresee(item(), gen45=Lane(slots=5, daily=2, used=7))) == [DAY]
    assert foresee(item(), gen45=Lane(daily=0)).spans == (Span(barred="slots"),)


# -- time ---------------------------------------------------------------------------------------------------


def test_what_must_not_begin_yet_keeps_no_slot_from_those_after_it() -> None:
    found = foresee(item(at=NOON + 90), item(), item(), item())
    assert begins(found) == [120, 0, 60, 180]


def test_what_waits_for_its_moment_begins_then_though_all_is_idle() -> None:
    assert begins(foresee(item(at=NOON + 5 * HOUR))) == [5 * HOUR]


def test_a_window_across_midnight_is_waited_for() -> None:
    found = foresee(item(), item(), hours=NIGHT)
    assert begins(found) == [10 * HOUR, 10 * HOUR + 60]


def test_what_does_not_fit_before_the_window_closes_waits_for_the_next_night() -> None:
    found = foresee(*[item(seconds=3 * HOUR)] * 4, hours=NIGHT)
    assert begins(found) == [10 * HOUR, 13 * HOUR, 34 * HOUR, 37 * HOUR]


def test_a_shorter_one_of_another_model_uses_the_rest_of_the_night() -> None:
    found = foresee(
        *[item(seconds=3 * HOUR)] * 3,
        *[item(model="gen4_turbo", seconds=3.5 * HOUR)] * 2,
        hours=NIGHT,
    )
    assert begins(found) == [10 * HOUR, 13 * HOUR, 34 * HOUR, 10 * HOUR, 13.5 * HOUR]


def test_the_night_on_which_the_clocks_go_back_is_an_hour_longer() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 10, 24, 22, tzinfo=berlin).timestamp()
    night = Hours(window="22:00-06:00", day_starts="00:00", zone=berlin)
    found = foresee(*[item(seconds=HOUR - 1)] * 10, hours=night, now=evening)
    tonight = [span for span in found.spans if span.ends is not None and span.ends <= evening + 9 * HOUR]
    assert len(tonight) == 9


# -- money --------------------------------------------------------------------------------------------------


def test_the_balance_ends_after_the_last_that_it_pays_for() -> None:
    found = foresee(*[item(60)] * 50, money=Money(available=2400), gen45=Lane(slots=5))
    assert found.stops == (Stop("credits", begun=40, last=39, next=40, until=None),)
    assert [span.barred for span in found.spans] == [""] * 40 + ["credits"] * 10
    assert found.ends == NOON + 8 * 60


def test_a_balance_that_just_suffices_stops_nothing() -> None:
    assert foresee(*[item(60)] * 40, money=Money(available=2400)).stops == ()


def test_what_cannot_be_paid_for_holds_up_cheaper_ones_after_it() -> None:
    found = foresee(item(100), item(5, model="gen4_turbo"), money=Money(available=50))
    assert found.stops == (Stop("credits", begun=0, last=None, next=0, until=None),)
    assert [span.barred for span in found.spans] == ["credits", "credits"]


def test_a_reserve_that_is_touched_lets_nothing_begin_whatever_it_costs() -> None:
    assert foresee(item(0), money=Money(available=-1)).spans == (Span(barred="credits"),)


def test_a_balance_that_is_not_known_stops_nothing() -> None:
    assert foresee(item(10**9), money=Money()).stops == ()


def test_a_cap_goes_on_on_each_budget_day() -> None:
    money = Money(cap=150, spent=40)
    found = foresee(*[item(50)] * 8, money=money, gen45=Lane(slots=9))
    assert begins(found) == [0, 0, *[12 * HOUR] * 3, *[36 * HOUR] * 3]
    assert found.stops == (Stop("budget", begun=2, last=1, next=2, until=MIDNIGHT),)


def test_a_budget_day_begins_when_the_settings_say() -> None:
    hours = Hours(window="", day_starts="18:30", zone=UTC)
    assert begins(foresee(item(), money=Money(cap=60, spent=1), hours=hours)) == [6.5 * HOUR]


def test_a_new_budget_day_waits_for_the_window_too() -> None:
    evenings = Hours(window="20:00-22:00", day_starts="00:00", zone=UTC)
    found = foresee(*[item(60)] * 2, money=Money(cap=60), hours=evenings, gen45=Lane(slots=2))
    assert begins(found) == [8 * HOUR, 32 * HOUR]


def test_what_is_dearer_than_a_whole_day_never_begins_and_holds_up_no_other() -> None:
    found = foresee(item(200), item(None), item(50), money=Money(cap=100))
    assert [span.barred for span in found.spans] == ["budget", "budget", ""]
    assert found.stops == ()


def test_an_unknown_price_counts_nothing_where_there_is_no_cap() -> None:
    assert begins(foresee(item(None), item(10), money=Money(available=10))) == [0, 60]


def test_the_cap_may_stop_today_what_the_balance_stops_tomorrow() -> None:
    found = foresee(*[item(50)] * 4, money=Money(cap=100, available=150), gen45=Lane(slots=9))
    assert found.stops == (
        Stop("budget", begun=2, last=1, next=2, until=MIDNIGHT),
        Stop("credits", begun=3, last=2, next=3, until=None),
    )
    assert begins(found) == [0, 0, 12 * HOUR, None]


# -- whatever comes -----------------------------------------------------------------------------------------

MODELS = ("gen4.5", "gen4_turbo", "gen4_image")
ITEMS = st.lists(
    st.builds(
        Item,
        model=st.sampled_from(MODELS),
        seconds=st.floats(1, 20_000),
        credits=st.one_of(st.none(), st.integers(0, 120)),
        not_before=st.floats(0, NOON + 3 * DAY),
    ),
    max_size=25,
)
LANES = st.dictionaries(
    st.sampled_from(MODELS),
    st.builds(
        Lane,
        slots=st.integers(0, 4),
        busy=st.lists(st.floats(NOON, NOON + DAY), max_size=4),
        daily=st.one_of(st.none(), st.integers(0, 6)),
        used=st.integers(0, 8),
    ),
)
HOURS = st.sampled_from(
    [Hours(window=window, day_starts="07:00", zone=UTC) for window in ("", "22:00-06:00", "09:00-17:00")]
)
MONEY = st.builds(
    Money,
    available=st.one_of(st.none(), st.integers(-10, 900)),
    cap=st.sampled_from([0, 100, 300]),
    spent=st.integers(0, 150),
)


@given(items=ITEMS, lanes=LANES, hours=HOURS, money=MONEY)
def test_no_rule_is_ever_broken(
    items: list[Item], lanes: dict[str, Lane], hours: Hours, money: Money
) -> None:
    found = forecast(items, now=NOON, hours=hours, lanes=lanes, money=money)
    begun = [
        (item, span.begins, span.ends)
        for item, span in zip(items, found.spans, strict=True)
        if span.begins is not None and span.ends is not None
    ]
    days: dict[float, int] = defaultdict(int)
    for one, began, ended in begun:
        assert began >= max(NOON, one.not_before)
        assert ended == began + one.seconds
        assert hours.closed_until(began, needed=one.seconds) is None
        lane = lanes.get(one.model, Lane())
        same = [(b, e) for other, b, e in begun if other.model == one.model]
        running = [e for b, e in same if b <= began < e] + [e for e in lane.busy if e > began]
        assert len(running) <= max(lane.slots, len(lane.busy))
        days[hours.day_began(began)] += one.credits or 0
        if lane.daily is not None:
            assert sum(began - DAY < b <= began for b, _ in same) <= lane.daily
    if money.cap:
        days[hours.day_began(NOON)] += money.spent if days.get(hours.day_began(NOON)) else 0
        assert all(spent <= money.cap for spent in days.values())
    if money.available is not None:
        assert sum(one.credits or 0 for one, _, _ in begun) <= max(0, money.available)


@given(items=ITEMS, lanes=LANES, hours=HOURS, money=MONEY)
def test_of_one_model_those_that_may_begin_do_so_in_their_order(
    items: list[Item], lanes: dict[str, Lane], hours: Hours, money: Money
) -> None:
    alike = [Item(one.model, 600.0, one.credits and 50, 0.0) for one in items]
    found = forecast(alike, now=NOON, hours=hours, lanes=lanes, money=money)
    for model in MODELS:
        its = [span for one, span in zip(alike, found.spans, strict=True) if one.model == model]
        moments = [span.begins for span in its if span.begins is not None]
        assert all(one <= next_one for one, next_one in pairwise(moments))
