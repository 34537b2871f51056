"""From a sidecar's parameters to a complete, checked and priced request - or to every reason why not.

Nothing is spent on a request that leaves here with a problem, and all problems leave together.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from runway_watch.catalogue import (
    check,
    defaults,
    fitting,
    lengths,
    limits,
    media,
    prices,
    published,
    shapes,
    slots,
    words,
)
from runway_watch.catalogue.fitting import Fit, Fitted
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.slots import Placement
from runway_watch.catalogue.words import Path, Problem
from runway_watch.errors import Refusal
from runway_watch.job import DROPPABLE, MediaFacts


@dataclass(frozen=True, slots=True)
class Request:
    """A paid call, ready but for its uploads.

    Args:
        operation: its name.
        model: the model's name, "" for an operation without models.
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
class Drop:
    """What came with the parameters. `file` is `file:NAME` of the dropped file, None for a sidecar alone."""

    file: str | None
    media: Mapping[str, MediaFacts]
    tag: str
    strict: bool
    hosts: Collection[str]
    fit: Fit = "crop"

    @property
    def kind(self) -> str:
        """image, video or audio."""
        facts = self.media.get(self.file or "")
        return facts.kind if facts else DROPPABLE.get(PurePosixPath(self.file or "").suffix.lower(), "image")


MOST_CREDITS = 1_000_000_000
"""Ten million dollars: a request that costs more is a slip of the pen, and sums of it would be no numbers."""


def request(row: Operation, params: Mapping[str, Any], drop: Drop) -> Request:
    """The request that a drop asks for; Refusal with every problem if there is any."""
    given = media.settle(params)
    if "model" in row.defaults:
        given.setdefault("model", row.defaults["model"])
    shape = shapes.shape_for(row.params, given)
    placed, problems = _unfold(row, shape, given, drop) if shape else _guess(row, given, drop)
    fit = _fit(shape, placed.params, drop)
    if problems:
        raise refusal([placed.as_written(problem) for problem in problems])
    price = prices.price(row, placed.params)
    if price.credits is not None and price.credits > MOST_CREDITS:
        why = f"It would cost {price.credits} credits, and no account has so many."
        raise Refusal("params.invalid", why, hint="Ask for less: a shorter `duration`, or fewer outputs.")
    model = str(placed.params.get("model", ""))
    return Request(row.name, model, placed.params, price.credits, price.note, fit.cropped, fit.pads)


def _fit(shape: Any, params: Mapping[str, Any], drop: Drop) -> Fitted:
    """Frames and the ratio, compared."""
    known = shapes.fields(shape).get("ratio") if shape else None
    allowed = shapes.literals(known.hint) if known else ()
    return fitting.fitted(params, drop.media, fit=drop.fit, allowed=tuple(allowed))


def _unfold(row: Operation, shape: Any, given: dict[str, Any], drop: Drop) -> tuple[Placement, list[Problem]]:
    """Slot, defaults and ratio for a known model, and all that is wrong with the outcome."""
    placed = Placement(given)
    if drop.file:
        placed = slots.place(row, shape, given, file=drop.file, kind=drop.kind, tag=drop.tag)
    spec = published.limits(row.path, given)
    filled = defaults.fill(shape, placed.params, defaults=row.defaults, spec=spec)
    filled = defaults.settle_ratio(shape, filled, picture=_picture(filled, drop))
    problems = [placed.problem] if placed.problem else []
    fit = _fit(shape, filled, drop)
    problems += check.check(shape, filled, strict=drop.strict)
    problems += _beyond_types(filled, spec, replace(drop, media=fit.media))
    problems += [*(lengths.check(row.path, filled, spec, fit.media) if spec else ()), *fit.problems]
    return replace(placed, params=filled), _once(_explain(row, problems, drop))


def _guess(row: Operation, given: dict[str, Any], drop: Drop) -> tuple[Placement, list[Problem]]:
    """As much as can be told about a model that the SDK does not know."""
    placed = Placement(given)
    stand_in = shapes.shape_for(row.params, row.defaults)
    if drop.file and stand_in:
        placed = slots.place(row, stand_in, given, file=drop.file, kind=drop.kind, tag=drop.tag)
    problems = [] if not drop.strict and isinstance(given.get("model"), str) else _strangers(row, given)
    problems += [placed.problem] if placed.problem else []
    problems += [*_beyond_types(placed.params, None, drop), *_fit(None, placed.params, drop).problems]
    return placed, _once(problems)


def _strangers(row: Operation, given: Mapping[str, Any]) -> list[Problem]:
    served = shapes.models(row.params)
    known = {name for shape in shapes.branches(row.params) for name in shapes.fields(shape)}
    found = [Problem((key,), words.unknown_key(key, known)) for key in given if key not in known]
    return [Problem(("model",), _unknown_model(given.get("model"), served)), *found]


def _unknown_model(model: object, served: Collection[str]) -> str:
    if not isinstance(model, str):
        return f"must be text, not {words.name_kind(model)}"
    near = words.nearest_name(model, served)
    meant = f"; did you mean '{near}'?" if near else ""
    return f"{words.show(model)} is not served{meant} (served: {', '.join(sorted(served))})"


def _beyond_types(params: Mapping[str, Any], spec: published.Spec | None, drop: Drop) -> Iterator[Problem]:
    yield from _not_json(params)
    yield from limits.tags(params)
    yield from media.check(params, spec, hosts=drop.hosts, names=[(drop.file or "").removeprefix(media.FILE)])
    if spec is not None:
        yield from limits.check(params, spec, drop.media)


def _not_json(params: Mapping[str, Any]) -> Iterator[Problem]:
    """TOML has dates and infinities; Runway's JSON has not."""
    for node in published.walk(params, None):
        endless = isinstance(node.value, float) and not math.isfinite(node.value)
        if endless or not isinstance(node.value, str | int | float | list | dict):
            yield Problem(node.path, f"{words.name_kind(node.value)} cannot be sent")


def _picture(params: Mapping[str, Any], drop: Drop) -> tuple[int, int] | None:
    """The size of the dropped picture, else of the first one that the parameters refer to."""
    for name in (drop.file or "", *media.references(params)):
        facts = drop.media.get(name)
        if facts and facts.width and facts.height:
            return facts.width, facts.height
    return None


def _explain(row: Operation, problems: list[Problem], drop: Drop) -> list[Problem]:
    """A missing medium is one that was not dropped; say so."""
    names = {name for candidates in row.slots.values() for name in candidates}
    lacking = "missing: no file was dropped with this sidecar, and it names none"
    return [
        replace(problem, text=lacking) if _lacks(problem, names) and not drop.file else problem
        for problem in problems
    ]


def _lacks(problem: Problem, names: Collection[str]) -> bool:
    return problem.text == "missing" and len(problem.path) == 1 and problem.path[0] in names


def _once(problems: list[Problem]) -> list[Problem]:
    """One problem for each place, the first found: later checks only repeat it in other words."""
    by_path: dict[Path, Problem] = {}
    for problem in problems:
        by_path.setdefault(problem.path, problem)
    return list(by_path.values())


def refusal(problems: list[Problem]) -> Refusal:
    """The exception for at least one problem."""
    sentences = [problem.sentence for problem in problems]
    count = len(sentences)
    message = sentences[0] if count == 1 else f"{count} things to mend in the sidecar, first: {sentences[0]}"
    if all(problem.host for problem in problems):
        hint = "Name a file in the inbox with file:, or have the host put into [api] allowed_media_hosts."
        return Refusal("reference.host", message, hint=hint, problems=sentences)
    return Refusal("params.invalid", message, hint="Mend the sidecar and save it.", problems=sentences)
