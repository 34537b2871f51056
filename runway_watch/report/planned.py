"""A plan for people: a line for each drop and each job, then what it comes to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from runway_watch import hours
from runway_watch.clock import as_utc
from runway_watch.config import Settings
from runway_watch.forecast import Stop
from runway_watch.job import Hold, Place, State, Verdict, cropped
from runway_watch.media import NOT_PROBED, can_probe
from runway_watch.report.plan import ASSUMED_SECONDS, Plan
from runway_watch.report.pricing import Line
from runway_watch.report.standing import TRIED_AGAIN

_WIDEST = 60
"""Characters of a path to which the others are aligned; a longer one stands out."""


def lines(plan: Plan, settings: Settings) -> Iterator[str]:
    """The plan as lines of text. Paths are as they are: whoever prints them makes them harmless."""
    zone = hours.zone(settings.schedule.timezone)
    yield from _section("in the inbox", plan.drops)
    if plan.found.waiting:
        yield f"in the inbox, and no drop yet ({len(plan.found.waiting)}):"
        yield from (f"  {path} - {why}" for path, why in plan.found.waiting)
    yield from _section("in the queue", plan.queue)
    yield from _section("at Runway", plan.begun)
    yield from _section("held", plan.held)
    yield from _totals(plan)
    yield from _account(plan, zone)
    yield from (_stop(plan, stop, zone) for stop in plan.course.stops)
    yield from _times(plan, zone)
    yield from (_hold(hold, zone) for hold in plan.holds)
    if not can_probe() and any(map(_has_film, (*plan.drops, *plan.queue))):
        yield f"note: {NOT_PROBED}"
    yield from (f"trouble: {trouble}" for trouble in plan.troubles)


def _has_film(line: Line) -> bool:
    """Whether a film or a sound belongs to it."""
    kinds = (line.job.mime or "", *(reference.mime for reference in line.job.references.values()))
    return any(kind.startswith(("video/", "audio/")) for kind in kinds)


# -- a line each --------------------------------------------------------------------------------------------


def _section(title: str, found: Sequence[Line]) -> Iterator[str]:
    if not found:
        return
    yield f"{title} ({len(found)}):"
    cells = [(line.path, line.job.operation, line.model) for line in found]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*cells, strict=True)]
    for line, row in zip(found, cells, strict=True):
        what = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {what}  {_price(line)}"


def _price(line: Line) -> str:
    if line.verdict is not None:
        return f"refused ({line.verdict.code}): {_problems(line.verdict)}"
    price, note = (f"{line.free}: 0 credits", "") if line.free else (_told(line), line.note)
    several = f"{len(line.parts)} generations" if len(line.parts) > 1 else ""
    lost = cropped(line.job, [part.call for part in line.parts])
    parts = (several, note, f"cropped {lost}" if lost else "", _stands(line))
    more = ", ".join(part for part in parts if part)
    return f"{price} ({more})" if more else price


def _told(line: Line) -> str:
    known = _credits(line.credits)
    return f"unknown, {known} kept ready" if line.is_guess and line.credits is not None else known


def _credits(price: int | None) -> str:
    return "unknown" if price is None else _count(price, "credit")


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _problems(verdict: Verdict) -> str:
    told = "; ".join(verdict.problems) or verdict.message
    return f"{told} - {verdict.hint}" if verdict.hint else told


def _stands(line: Line) -> str:
    """Where a job stands that has been accepted."""
    if line.job.place is Place.INBOX:
        return ""
    why = line.call.verdict.code if line.call.state is State.HELD and line.call.verdict else ""
    return f"{line.job.id}, {why or line.call.state}"


# -- what it comes to ---------------------------------------------------------------------------------------


def _totals(plan: Plan) -> Iterator[str]:
    accepted = len(plan.drops) - len(plan.refused)
    counts = {
        "to be accepted": accepted,
        "refused": len(plan.refused),
        "in the queue": len(plan.queue),
        "at Runway": len(plan.begun),
        "held": len(plan.held),
    }
    told = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing to do"
    yield f"total: {told}"
    unknown = sum(1 for line in plan.paid if line.is_guess or line.credits is None)
    more = f", and {unknown} of unknown price" if unknown else ""
    price = sum(line.credits or 0 for line in plan.paid)
    shared = sum(1 for line in (*plan.drops, *plan.queue) if line.free)
    free = f"; {shared} at no cost" if shared else ""
    yield f"price: {_credits(price)} at most for {_count(len(plan.paid), 'generation')}{more}{free}"


def _account(plan: Plan, zone: tzinfo) -> Iterator[str]:
    means, budget = plan.means, plan.facts.budget
    known = "the balance is not known" if means.balance is None else f"a balance of {_credits(means.balance)}"
    reserve = f", {budget.reserve} of them in reserve" if budget.reserve and means.balance is not None else ""
    seen = f", as of {_moment(means.at, zone)} ({_span(plan.now - means.at)} ago)" if means.at else ""
    why = f" - {means.trouble}{seen}" if means.trouble else ""
    yield f"account: {known}{reserve}{why}"
    if budget.credits_per_day:
        spent = plan.facts.purse.committed
        yield f"budget: {spent} of {_credits(budget.credits_per_day)} a day are spent or reserved today"
    if plan.slots and plan.is_told:
        yield f"at a time: {', '.join(f'{n} of {model}' for model, n in sorted(plan.slots.items()))}"
    elif plan.slots:
        yield "at a time: 1 of each model is assumed, for the account is not known"


def _stop(plan: Plan, stop: Stop, zone: tzinfo) -> str:
    """After which file the money ends."""
    ends = f"the balance of {_credits(plan.means.balance)}" if stop.reason == "credits" else "today's budget"
    if stop.last is None:
        after = f"does not suffice for {plan.paid[stop.next].path}"
    else:
        after = f"ends after the {_ordinal(stop.begun)}: {plan.paid[stop.last].path}"
    on = "buy credits" if stop.until is None else f"it goes on at {_moment(stop.until, zone)}"
    return f"money: {ends} {after}; {on}"


def _times(plan: Plan, zone: tzinfo) -> Iterator[str]:
    if plan.assumed:
        yield f"duration: {ASSUMED_SECONDS:g} s is assumed for {', '.join(plan.assumed)}: none has been seen"
    reasons = Counter(span.barred for span in plan.course.spans if span.barred)
    ends = plan.course.ends
    if ends is not None:
        of = f" {len(plan.paid) - reasons.total()} of {len(plan.paid)} generations" if reasons else ""
        foreseen = ("budget", "window")
        held = ", were there no hold" if any(hold.reason not in foreseen for hold in plan.holds) else ""
        yield f"finish:{of} at {_moment(ends, zone)}, in {_span(ends - plan.now)}{held}"
    for reason, n in reasons.items():
        yield f"never: {_count(n, 'generation')} will not begin - {_BARRED[reason]}"


_BARRED = {
    "credits": "the balance does not suffice: buy credits",
    "budget": "[budget] credits_per_day is less than one of them may cost, or nobody knows the price",
    "slots": "the account allows none of their model",
}


def _hold(hold: Hold, zone: tzinfo) -> str:
    word = "tried again at" if hold.reason in TRIED_AGAIN else "until"
    until = f", {word} {_moment(hold.until, zone)}" if hold.until else ""
    what = "everything" if hold.scope == "all" else hold.scope
    return f"hold: {hold.reason} ({what}) since {_moment(hold.since, zone)}{until} - {hold.message}"


def _moment(moment: float, zone: tzinfo) -> str:
    return f"{as_utc(moment).astimezone(zone):%a %d %b %Y %H:%M %Z}".rstrip()


def _span(seconds: float) -> str:
    """How long, as precisely as anybody can foresee it."""
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"


def _ordinal(n: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n}{ending}"
