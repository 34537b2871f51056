"""`plan`: what the daemon would do with the inboxes and the queue, what it may cost, and when it would end.

A dry run: nothing is written, nothing is moved, and Runway is asked for the account's figures only. The
same code judges, prices, shares and orders that does it in earnest.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runway_watch import clock
from runway_watch.config import Settings
from runway_watch.daemon.purser import hours_of
from runway_watch.errors import LedgerError
from runway_watch.forecast import Forecast, Item, Lane, Money, forecast
from runway_watch.holds import Facts
from runway_watch.hours import Hours
from runway_watch.job import Generation, Hold, Job, State
from runway_watch.ledger import Ledger
from runway_watch.report.inboxes import Found, Part, look
from runway_watch.report.means import Means, ask
from runway_watch.report.places import Places
from runway_watch.report.pricing import Line, Pricing

ASSUMED_SECONDS = 60.0
"""How long a generation is taken to run of whose kind none has been seen: most films take about so long."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be told.

    Args:
        now: the moment at which it was made, seconds since 1970.
        found: what lies in the inboxes.
        drops: what of that is whole, in the order in which it would go; refused ones have a verdict.
        queue: what has not been submitted, in the order in which it would go.
        begun: what is at Runway.
        held: what waits for a person's word.
        holds: what is open.
        means: the account.
        facts: time and money.
        paid: what is to be paid for, a line for each generation, in the order in which they would go: what is
            forecast.
        course: their spans and stops.
        assumed: models of which no duration is known.
        slots: by model, of those that are to be paid for.
        is_told: whether the slots are what somebody said, rather than assumed.
        troubles: what could not be read, and makes the plan unsure.
    """

    now: float
    found: Found
    drops: Sequence[Line]
    queue: Sequence[Line]
    begun: Sequence[Line]
    held: Sequence[Line]
    holds: Sequence[Hold]
    means: Means
    facts: Facts
    paid: Sequence[Line]
    course: Forecast
    assumed: Sequence[str]
    slots: Mapping[str, int]
    is_told: bool
    troubles: Sequence[str]

    @property
    def refused(self) -> list[Line]:
        """Drops that would go to failed/."""
        return [line for line in self.drops if line.verdict is not None]

    @property
    def barred(self) -> list[Line]:
        """What would never begin unless a person does something."""
        return [line for line, span in zip(self.paid, self.course.spans, strict=True) if span.barred]

    @property
    def is_good(self) -> bool:
        """Whether nothing fails, or is held."""
        stuck = self.refused or self.barred or self.held
        return not (stuck or self.holds or self.troubles or self.means.is_fault)


def plan(settings: Settings, places: Places, environment: Mapping[str, str], parts: Sequence[Part]) -> Plan:
    """Make the plan for these parts of the inboxes, after what is in the queue.

    A ledger that is not there yet is an empty one; one that cannot be read leaves the plan without it.

    Raises:
        ConfigError: the timezone is none on this machine.
    """
    found = look(settings, parts)  # before the queue: what is accepted meanwhile is seen twice, and shares
    troubles = []
    try:
        with Ledger(places.ledger_url, readonly=True) as ledger:
            return _Planner(settings, ledger, environment).plan(found)
    except LedgerError as error:
        if places.ledger is None or places.ledger.exists():
            troubles.append(f"{error}; this plan is made without the ledger")
    with Ledger("sqlite://") as empty:
        return _Planner(settings, empty, environment).plan(found, troubles)


class _Planner:
    """Puts a plan together from one ledger, at one moment."""

    def __init__(self, settings: Settings, ledger: Ledger, environment: Mapping[str, str]) -> None:
        self._settings, self._ledger = settings, ledger
        self._means = ask(settings, ledger, environment)
        self._pricing = Pricing(settings, ledger)
        self._hours: Hours = hours_of(settings)
        self._now = clock.now()

    def plan(self, found: Found, troubles: Sequence[str] = ()) -> Plan:
        """All of it."""
        drops = _in_turn(self._pricing.drops(found.drops))
        gone = self._pricing.returned
        queue = self._queue(gone)
        begun = [*self._lines(State.SUBMITTING, State.RUNNING)]
        paid = _in_turn(one for line in (*queue, *drops) if line.is_paid for one in line.apart())
        facts = self._facts()
        lanes = self._lanes({line.model for line in paid}, begun)
        return Plan(
            now=self._now,
            found=found,
            drops=drops,
            queue=queue,
            begun=begun,
            held=[line for line in self._lines(State.HELD) if line.job.id not in gone],
            holds=self._ledger.holds(),
            means=self._means,
            facts=facts,
            paid=paid,
            course=self._foresee(paid, lanes, facts),
            assumed=sorted({line.model for line in paid if line.seconds is None}),
            slots={model: lane.slots for model, lane in lanes.items()},
            is_told=bool(self._settings.limits.in_flight) or self._means.concurrency is not None,
            troubles=[*found.troubles, *troubles],
        )

    def _queue(self, gone: Collection[str]) -> list[Line]:
        """What has not been submitted, but for what nobody looks after any more."""
        roots = self._settings.roots
        lines = self._lines(State.READY, State.UPLOADING)
        ours = (line for line in lines if line.job.root in roots and line.job.id not in gone)
        return _in_turn(sorted(ours, key=lambda line: (line.job.accepted_at, line.call.n)))

    def _lines(self, *states: State) -> Iterator[Line]:
        """A line for each job that has generations in these states."""
        found: dict[str, tuple[Job, list[Generation]]] = {}
        for state in states:
            for job, call in self._ledger.in_state(state):
                found.setdefault(job.id, (job, []))[1].append(call)
        for job, calls in found.values():
            known = self._ledger.job(job.id) if len(calls) > 1 else None
            yield self._pricing.line(known[0] if known else job, sorted(calls, key=lambda call: call.n))

    def _facts(self) -> Facts:
        day = self._hours.day_began(self._now)
        purse = self._ledger.purse(day=day, looked_at=self._means.at)
        return Facts(self._now, self._hours, self._settings.budget, purse, self._means.balance)

    def _lanes(self, models: Collection[str], begun: Iterable[Line]) -> dict[str, Lane]:
        busy: dict[str, list[float]] = {}
        for line in (one for each in begun for one in each.apart()):
            since = line.call.started_at or self._now
            busy.setdefault(line.model, []).append(max(self._now, since + _seconds(line)))
        return {
            model: Lane(
                slots=self._means.slots(self._settings, model),
                busy=busy.get(model, ()),
                daily=self._means.daily.get(model),
                used=self._means.used.get(model, 0),
            )
            for model in models
        }

    def _foresee(self, paid: Sequence[Line], lanes: Mapping[str, Lane], facts: Facts) -> Forecast:
        items = [Item(line.model, _seconds(line), line.credits, line.call.due_at) for line in paid]
        money = Money(facts.available, facts.budget.credits_per_day, facts.purse.committed)
        return forecast(items, now=self._now, hours=self._hours, lanes=lanes, money=money)


def _in_turn(lines: Iterable[Line]) -> list[Line]:
    """In the order in which they would go; of one priority, those that come first here go first."""
    return sorted(lines, key=lambda line: -line.job.priority)


def _seconds(line: Line) -> float:
    return ASSUMED_SECONDS if line.seconds is None else line.seconds
