"""When what waits would begin and end, and what stops it first. Pure.

The rules are those by which generations are begun: in the order of the list, a model has its slots, a day
its cap, and what cannot be paid for holds up everything after it. What each may cost at the most counts as
what it costs. Uploads, questions and downloads take no time: they run beside what is generated.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from runway_watch.hours import Hours

DAY = 24 * 3600.0  # for so long a begun generation counts towards Runway's daily limit of its model


@dataclass(frozen=True, slots=True)
class Item:
    """One generation that is still to be begun."""

    model: str
    seconds: float  # it takes so long, once it has begun
    credits: int | None  # the most that it may cost; None when nobody knows
    not_before: float = 0.0  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Lane:
    """What a model allows."""

    slots: int = 1
    busy: Sequence[float] = ()  # when that ends which runs already
    daily: int | None = None  # so many may begin in 24 h; None for any number
    used: int = 0  # so many have, nobody knows when: they count from now on


@dataclass(frozen=True, slots=True)
class Money:
    """What there is to pay with, in credits."""

    available: int | None = None  # what the balance leaves above the reserve; None when it is not known
    cap: int = 0  # of each budget day; 0 for none
    spent: int = 0  # of today's cap


@dataclass(frozen=True, slots=True)
class Span:
    """When an item begins and ends, seconds since 1970; None for both when it never does."""

    begins: float | None = None
    ends: float | None = None
    barred: str = ""  # why: "credits", "slots", or "budget" (above a whole day's cap, or of unknown price)


@dataclass(frozen=True, slots=True)
class Stop:
    """The first time that the money does not suffice, be it the balance ("credits") or the cap ("budget")."""

    reason: str
    begun: int  # so many have begun by then
    last: int | None  # the place in the list of the last of these
    next: int  # the place of the first that has to wait
    until: float | None  # when it goes on; None when nobody knows


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen: a span for each item, in the order of the items, and the stops as they come."""

    spans: tuple[Span, ...]
    stops: tuple[Stop, ...]

    @property
    def ends(self) -> float | None:
        """When the last of all that can end has ended; None when nothing begins."""
        return max((span.ends for span in self.spans if span.ends is not None), default=None)


def forecast(
    items: Sequence[Item], *, now: float, hours: Hours, lanes: Mapping[str, Lane], money: Money
) -> Forecast:
    """Let time pass until everything has ended that can.

    Args:
        items: what waits, the first first.
        hours: the window and the budget day.
        lanes: by model; a model that is not in it has one slot.
        now, money: the moment at which it begins, and how the money stands then.
    """
    future = _Future(items, now=now, hours=hours, lanes=lanes, money=money)
    moment: float | None = now
    while moment is not None:
        moment = future.begin(moment)
    return future.told()


class _Road:
    """A model's slots as time passes, and what waits for them."""

    def __init__(self, lane: Lane, now: float) -> None:
        self._slots, self._daily = lane.slots, lane.daily
        self._ends = list(lane.busy)
        heapify(self._ends)
        self._begun = deque([now] * lane.used)
        self.waiting: list[int] = []  # a heap of places in the list: the first goes next

    def opens(self, now: float) -> float:
        """When the next may begin, as far as the model goes: now, later, or never (infinity)."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        while self._begun and self._begun[0] <= now - DAY:
            self._begun.popleft()
        if self._slots <= 0 or self._daily == 0:
            return inf
        opens = now
        if len(self._ends) >= self._slots:
            opens = sorted(self._ends)[-self._slots]
        if self._daily is not None and len(self._begun) >= self._daily:
            opens = max(opens, self._begun[-self._daily] + DAY)
        return opens

    def begin(self, now: float, ends: float) -> None:
        """Let the next begin."""
        heappop(self.waiting)
        heappush(self._ends, ends)
        self._begun.append(now)


class _Future:
    """What has begun up to a moment, and what is left to pay with."""

    def __init__(
        self, items: Sequence[Item], *, now: float, hours: Hours, lanes: Mapping[str, Lane], money: Money
    ) -> None:
        self._items, self._hours = items, hours
        self._roads = {item.model: _Road(lanes.get(item.model, Lane()), now) for item in items}
        self._later = [(item.not_before, n) for n, item in enumerate(items)]
        heapify(self._later)
        self._cap, self._spent, self._available = money.cap, money.spent, money.available
        self._day_ends = hours.day_ends(now)
        self._begun: list[int] = []
        self._spans: dict[int, Span] = {}
        self._stops: dict[str, Stop] = {}

    def begin(self, now: float) -> float | None:
        """Begin all that may at this moment. Returns the next one at which more may; None when none may."""
        self._wake(now)
        moments = [self._later[0][0]] if self._later else []
        closed: set[str] = set()
        while (road := self._next_road(closed)) is not None:
            n = road.waiting[0]
            item = self._items[n]
            if self._cap and (item.credits is None or item.credits > self._cap):
                self._spans[heappop(road.waiting)] = Span(barred="budget")
                continue
            opens = max(road.opens(now), self._hours.closed_until(now, needed=item.seconds) or now)
            if opens > now:
                closed.add(item.model)
                moments.append(opens)
            elif (stop := self._pay(n)) is not None:
                self._stops.setdefault(stop.reason, stop)
                return stop.until
            else:
                road.begin(now, now + item.seconds)
                self._spans[n] = Span(now, now + item.seconds)
        return min((moment for moment in moments if moment < inf), default=None)

    def told(self) -> Forecast:
        """All of it. What has not begun by the end never does."""
        rest = Span(barred="credits" if "credits" in self._stops else "slots")
        spans = (self._spans.get(n, rest) for n in range(len(self._items)))
        return Forecast(tuple(spans), tuple(self._stops.values()))

    def _wake(self, now: float) -> None:
        """Let those wait for their slots whose moment has come, and a new budget day begin."""
        while self._later and self._later[0][0] <= now:
            _, n = heappop(self._later)
            heappush(self._roads[self._items[n].model].waiting, n)
        if now >= self._day_ends:
            self._spent, self._day_ends = 0, self._hours.day_ends(now)

    def _next_road(self, closed: Collection[str]) -> _Road | None:
        """The model whose turn it is: that of the first in the list."""
        roads = [road for model, road in self._roads.items() if road.waiting and model not in closed]
        return min(roads, key=lambda road: road.waiting[0], default=None)

    def _pay(self, n: int) -> Stop | None:
        """Take an item's price from what there is; what stops it where that is too little."""
        price = self._items[n].credits or 0
        last = self._begun[-1] if self._begun else None
        if self._cap and self._spent + price > self._cap:
            return Stop("budget", len(self._begun), last, n, self._day_ends)
        if self._available is not None and self._available < price:
            return Stop("credits", len(self._begun), last, n, None)
        self._spent += price
        self._available = None if self._available is None else self._available - price
        self._begun.append(n)
        return None
