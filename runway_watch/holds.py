"""Why nothing, or a model, or one job goes on for now, and when it does again. Pure.

Some holds follow from facts and are over as soon as the facts allow: the window, the day's budget, the
balance, the room on a disk. The others begin with an event (a refused key, a way that fails again and
again, refusals in a row, a person's word) and end with another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from runway_watch.config import BudgetSettings
from runway_watch.hours import Hours
from runway_watch.job import Done, Generation, Hold, Job, Later, Never, Outcome, Purse, State, Unsure, Verdict
from runway_watch.states import WAITING

ALL, CREATES, SLOTS, UPLOADS, DOWNLOADS = "all", "creates", "slots", "uploads", "downloads"
API = ALL
"""The way of every call to the API; when it is closed, everything is held."""

SAFETY = "task.safety"
REFUSALS = 5
"""So many refusals of Runway's moderation in a row put the account at risk (docs, errors/task-failures)."""

BLIND = frozenset({"credentials", "outage"})
"""Holds of everything in which Runway does not answer: when they end, everything is asked about at once."""

LIFTED_BY_PEOPLE = ("paused", "moderation")

_NO_ANSWER = frozenset({"unreachable", "answer_lost", "unavailable"})


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on a disk: what is free, and what may be needed there soon. `scope` is what depends on it."""

    scope: str
    where: str
    free: int
    needed: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What money, time and disks say. `balance` is that of the last look, None when it is not known."""

    now: float
    hours: Hours
    budget: BudgetSettings
    purse: Purse = field(default_factory=Purse)
    balance: int | None = None
    rooms: Sequence[Room] = ()

    @property
    def available(self) -> int | None:
        """Credits that may still be promised; below 0 when the operator's reserve is touched."""
        return None if self.balance is None else self.balance - self.purse.since_look - self.budget.reserve

    def spending(self, price: int) -> "Facts":
        """The facts when one more call has been allowed."""
        purse = replace(
            self.purse,
            reserved=self.purse.reserved + price,
            committed=self.purse.committed + price,
            since_look=self.purse.since_look + price,
        )
        return replace(self, purse=purse)


def standing(facts: Facts) -> list[Hold]:
    """Holds that follow from the facts alone, whatever is next."""
    found = []
    closed = facts.hours.closed_until(facts.now)
    if closed is not None:
        message = "outside the hours of [schedule] window: new generations begin when it opens"
        found.append(Hold("window", facts.now, message=message, until=closed))
    if facts.budget.reserve and facts.available is not None and facts.available < 0:
        message = f"the balance is below the reserve of {facts.budget.reserve} credits: buy credits"
        found.append(Hold("credits", facts.now, message=message, needs=0))
    lacking = {room.scope: room for room in reversed(facts.rooms) if room.free < room.needed}
    for scope, room in lacking.items():
        found.append(Hold("disk", facts.now, scope, f"{_no_room(room)}: make room there"))
    return found


def _no_room(room: Room) -> str:
    free, needed = (f"{size / 1e6:.1f} MB" for size in (room.free, room.needed))
    return f"{room.where} has {free} free, and {needed} may be needed for what is under way"


def barrier(job: Job, facts: Facts, *, price: int | None, usual: float | None) -> Hold | None:
    """What keeps the next job from beginning; None when it may.

    Args:
        price: the most that it may cost, in credits; None when nobody knows.
        usual: how long its kind takes, in seconds; None when nobody knows.
    """
    closed = facts.hours.closed_until(facts.now, needed=usual or 0.0)
    if closed is not None:
        message = f"what is left of the window is too short for {job.model or job.operation}"
        return Hold("window", facts.now, job.model, message, until=closed, job=job.id)
    return _over_budget(job, facts, price) or _too_dear(job, facts, price or 0)


def _over_budget(job: Job, facts: Facts, price: int | None) -> Hold | None:
    cap, ends = facts.budget.credits_per_day, facts.hours.day_ends(facts.now)
    if not cap:
        return None
    if price is None or price > cap:
        what = "its price is not known" if price is None else f"it may cost {price} credits"
        message = f"{job.path}: {what}, and [budget] credits_per_day is {cap}: raise it, or cancel the job"
        return Hold("budget", facts.now, job.id, message, needs=price, job=job.id)
    spent = facts.purse.committed
    if spent + price <= cap:
        return None
    message = f"the next job may cost {price} credits; {spent} of today's {cap} are spent or reserved"
    return Hold("budget", facts.now, ALL, message, until=ends, needs=price, job=job.id)


def _too_dear(job: Job, facts: Facts, price: int) -> Hold | None:
    available = facts.available
    if available is None or available >= price:
        return None
    kept = f", {facts.budget.reserve} of them in reserve" if facts.budget.reserve else ""
    message = f"{job.path} may cost {price} credits, and {available + facts.budget.reserve} are left{kept}"
    message = f"{message}: buy credits, and it goes on by itself, or cancel it"
    return Hold("credits", facts.now, ALL, message, needs=price, job=job.id)


def refused_credits(job: Job, facts: Facts, *, price: int, pause: float) -> Hold:
    """The hold after Runway itself said that there are too few.

    More than there was has to be there; after `pause` seconds it is tried again all the same, for what was
    refused may have been a mistake, and being refused costs nothing.
    """
    needs = max(price, (facts.available or 0) + 1)
    message = f"Runway says that too few credits are left for the next job ({price}): buy credits"
    return Hold("credits", facts.now, ALL, message, until=facts.now + pause, needs=needs, job=job.id)


def is_over(hold: Hold, facts: Facts) -> bool:
    """Whether the facts alone end a hold; never for one that an event ends, or another look at its job."""
    match hold.reason:
        case "window":
            return facts.hours.closed_until(facts.now) is None
        case "credits":
            enough = facts.available is not None and facts.available >= (hold.needs or 0)
            return enough or (hold.until is not None and facts.now >= hold.until)
        case "disk":
            return all(room.free >= room.needed for room in facts.rooms if room.scope == hold.scope)
    return False


def bars(hold: Hold, job: Job, call: Generation) -> bool:
    """Whether a hold keeps this generation from its next step: what is paid for goes on in most of them."""
    is_blind = hold.scope == ALL and hold.reason in BLIND
    new = {ALL, CREATES, DOWNLOADS, call.model, job.root, job.id}
    if hold.reason == "share":
        return hold.scope == job.root and call.state in (*WAITING, State.COLLECTING, State.RETIRING)
    match call.state:
        case State.READY:
            return hold.scope in new
        case State.UPLOADING:
            return hold.scope in new or (hold.scope == UPLOADS and call.uploaded_at is None)
        case State.RUNNING:
            return is_blind
        case State.COLLECTING:
            return is_blind or hold.scope == DOWNLOADS
    return False


def total(prices: Sequence[int | None]) -> int | None:
    """What generations may cost together; None where one's price is not known."""
    known = [price for price in prices if price is not None]
    return sum(known) if len(known) == len(prices) else None


def over_cap(price: int | None, *, max_credits: int | None, per_job: int) -> tuple[str, str] | None:
    """Why one job must not cost so much, and what to do about it; None when it may.

    Args:
        price: the most that it could cost, in credits; None when nobody knows.
        max_credits: the drop's own cap, None for none.
        per_job: the operator's, 0 for none.
    """
    caps = [cap for cap in (max_credits, per_job or None) if cap is not None]
    if not caps or (price is not None and price <= min(caps)):
        return None
    known = "an unknown number of" if price is None else price
    raised = "raise `max_credits`" if min(caps) == max_credits else "have `[budget] credits_per_job` raised"
    why = f"It could cost {known} credits; at most {min(caps)} are allowed for one job."
    return why, f"Ask for less, or {raised}."


def unaffordable(job: Job, *, price: int | None, per_job: int) -> Verdict | None:
    """The verdict on a job whose price turned out to be above what it may cost; None when it is not."""
    over = over_cap(price, max_credits=job.options.get("max_credits"), per_job=per_job)
    return None if over is None else Verdict("submit", "budget.job", over[0], hint=over[1])


def ways_tried(state: State, outcome: Outcome, *, model: str) -> Iterator[tuple[str, bool]]:
    """Which ways to Runway were tried by a stage, and whether they held."""
    match state, outcome:
        case _, Later(reason) if reason in _NO_ANSWER:
            yield API, False
            if state is State.SUBMITTING:
                yield CREATES, False
        case State.SUBMITTING, Unsure():
            yield API, False
            yield CREATES, False
        case State.SUBMITTING, Later("rate_limited"):
            yield model, False
        case State.SUBMITTING, Done() | Never():
            yield from ((API, True), (CREATES, True), (model, True))
        case State.UPLOADING, Later("rate_limited"):
            yield SLOTS, False
        case State.UPLOADING, Later("interrupted" | "storage"):
            yield UPLOADS, False
        case State.UPLOADING, Done():
            yield from ((SLOTS, True), (UPLOADS, True))
        case State.RUNNING, Done() | Never() | Later("running"):
            yield API, True
        case State.COLLECTING, Later("interrupted" | "storage"):
            yield DOWNLOADS, False
        case State.COLLECTING, Done():
            yield DOWNLOADS, True


def is_streak(codes: Sequence[str | None]) -> bool:
    """Whether the last endings, the latest first, are refusals of the moderation and nothing else."""
    return len(codes) >= REFUSALS and all(code == SAFETY for code in codes[:REFUSALS])


def moderation(now: float) -> Hold:
    """The hold after too many refusals in a row."""
    message = (
        f"Runway's moderation refused {REFUSALS} generations in a row, and more could suspend the account: "
        "look at their error files, then `runway-watch resume`"
    )
    return Hold("moderation", now, message=message)
