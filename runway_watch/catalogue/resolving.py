"""From a sidecar's parameters to a complete, checked and priced request - or to every reason why not.

Nothing is spent on a request that leaves here with a problem, and all problems leave together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runway_watch.catalogue import defaults, media, prices, published, slots
from runway_watch.catalogue.fitting import Fitted
from runway_watch.catalogue.judging import Drop, fitted, judge, judge_unknown, refusal
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.refining import shape_of
from runway_watch.catalogue.slots import Placement
from runway_watch.catalogue.tracing import Steps, trace
from runway_watch.catalogue.words import Problem
from runway_watch.errors import Refusal


@dataclass(frozen=True, slots=True)
class Request:
    """A paid call, ready but for its uploads.

    Args:
        operation: its name.
        model: the model's name; that of the operation where there are no models.
        params: as in a sidecar, media as `file:NAME`, complete: defaults and the resolved ratio filled in.
        credits: the most it should cost; None if nobody knows.
        price_note: what is unsure about that, "" if nothing.
        cropped: what Runway will cut off of which `file:NAME`, "12 % left and right".
        pads: to which shape which picture is to be padded, "16:9".
    """

    operation: str
    model: str
    params: Mapping[str, Any]
    credits: int | None
    price_note: str
    cropped: Mapping[str, str] = field(default_factory=dict)
    pads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unfolded:
    """The parameters as far as they could be completed, and all that is wrong with them.

    Args:
        params: as in a sidecar, defaults, slot and ratio filled in where the model is known.
        origins: where a value came from that no sidecar gave as it is, by key.
        problems: what is wrong.
        fit: what becomes of files whose shape is not the ratio's.
    """

    params: Mapping[str, Any]
    problems: tuple[Problem, ...]
    origins: Mapping[str, str] = field(default_factory=dict)
    fit: Fitted = field(default_factory=Fitted)


MOST_CREDITS = 1_000_000_000
"""Ten million dollars: a request that costs more is a slip of the pen, and sums of it would be no numbers."""


def request(row: Operation, params: Mapping[str, Any], drop: Drop) -> Request:
    """The request that a drop asks for; Refusal with every problem if there is any."""
    found = unfold(row, params, drop)
    if found.problems:
        raise refusal(list(found.problems))
    price = prices.price(row, found.params, drop.media)
    if price.credits is not None and price.credits > MOST_CREDITS:
        why = f"It would cost {price.credits} credits, and no account has so many."
        raise Refusal("params.invalid", why, hint="Ask for less: a shorter `duration`, or fewer outputs.")
    model, fit = row.model(found.params), found.fit
    return Request(row.name, model, found.params, price.credits, price.note, fit.cropped, fit.pads)


def unfold(row: Operation, params: Mapping[str, Any], drop: Drop) -> Unfolded:
    """The parameters of a drop as far as they can be completed, with every problem. Never raises."""
    given = row.with_model(media.settle(params))
    shape = shape_of(row, given)
    if shape is None:
        placed = _guess(row, given, drop)
        settled = filled = placed.params
        fit = fitted(None, settled, drop)
        problems = judge_unknown(row, placed, drop, fit)
    else:
        spec = published.limits(row.listed, given)
        placed = _placed(row, shape, given, drop)
        filled = defaults.fill(shape, placed.params, defaults=row.defaults, spec=spec)
        settled = defaults.settle_ratio(shape, filled, picture=_picture(filled, drop))
        settled = defaults.settle_duration(shape, settled, film=_film(settled, drop))
        fit = fitted(shape, settled, drop)
        problems = judge(row, shape, replace(placed, params=settled), spec, drop, fit)
    steps = Steps(params, placed.params, filled, settled)
    origins = trace(row, steps, picture=_picture(filled, drop))
    return Unfolded(settled, tuple(placed.as_written(problem) for problem in problems), origins, fit)


def _placed(row: Operation, shape: Any, given: dict[str, Any], drop: Drop) -> Placement:
    if not drop.file:
        return Placement(given)
    return slots.place(row, shape, given, file=drop.file, kind=drop.kind, tag=drop.tag)


def _guess(row: Operation, given: dict[str, Any], drop: Drop) -> Placement:
    """Where the dropped file goes with a model that the SDK does not know: as with the usual one."""
    stand_in = shape_of(row, row.defaults)
    return Placement(given) if stand_in is None else _placed(row, stand_in, given, drop)


def _picture(params: Mapping[str, Any], drop: Drop) -> tuple[int, int] | None:
    """The size of the dropped picture, else of the first one that the parameters refer to."""
    for name in (drop.file or "", *media.references(params)):
        facts = drop.media.get(name)
        if facts and facts.width and facts.height:
            return facts.width, facts.height
    return None


def _film(params: Mapping[str, Any], drop: Drop) -> float | None:
    """How long the dropped film or sound is, else the first one that the parameters refer to."""
    names = (drop.file or "", *media.references(params))
    return next((f.seconds for name in names if (f := drop.media.get(name)) and f.seconds), None)
