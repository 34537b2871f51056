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
from runway_watch.catalogue.operations import AUTO, Operation
from runway_watch.catalogue.slots import Placement
from runway_watch.catalogue.tracing import Steps, trace
from runway_watch.catalogue.words import Path, Problem
from runway_watch.errors import Refusal
from runway_watch.job import DROPPABLE, MediaFacts


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
    given = media.settle(params)
    if "model" in row.defaults:
        given.setdefault("model", row.defaults["model"])
    shape = shapes.shape_for(row.params, given)
    if shape is None:
        placed, problems = _guess(row, given, drop)
        settled = filled = placed.params
    else:
        spec = published.limits(row.listed, given)
        placed = _placed(row, shape, given, drop)
        filled = defaults.fill(shape, placed.params, defaults=row.defaults, spec=spec)
        settled = defaults.settle_ratio(shape, filled, picture=_picture(filled, drop))
        settled = defaults.settle_duration(shape, settled, film=_film(settled, drop))
        problems = _judge(row, shape, replace(placed, params=settled), spec, drop)
    steps = Steps(params, placed.params, filled, settled)
    origins = trace(row, steps, picture=_picture(filled, drop))
    fit = _fit(shape, settled, drop)
    return Unfolded(settled, tuple(placed.as_written(problem) for problem in problems), origins, fit)


def _fit(shape: Any, params: Mapping[str, Any], drop: Drop) -> Fitted:
    """Frames and the ratio, compared."""
    known = shapes.fields(shape).get("ratio") if shape else None
    allowed = shapes.literals(known.hint) if known else ()
    return fitting.fitted(params, drop.media, fit=drop.fit, allowed=tuple(allowed))


def _placed(row: Operation, shape: Any, given: dict[str, Any], drop: Drop) -> Placement:
    if not drop.file:
        return Placement(given)
    return slots.place(row, shape, given, file=drop.file, kind=drop.kind, tag=drop.tag)


def _judge(
    row: Operation, shape: Any, placed: Placement, spec: published.Spec | None, drop: Drop
) -> list[Problem]:
    """All that is wrong with complete parameters."""
    problems = [placed.problem] if placed.problem else []
    fit = _fit(shape, placed.params, drop)
    problems += check.check(shape, placed.params, strict=drop.strict)
    problems = [_lasting(problem, placed.params) for problem in problems]
    problems += _beyond_types(placed.params, spec, replace(drop, media=fit.media))
    problems += lengths.check(row.listed, placed.params, spec, fit.media) if spec else ()
    problems += fit.problems
    return _once(_explain(row, problems, drop))


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


def _film(params: Mapping[str, Any], drop: Drop) -> float | None:
    """How long the dropped film or sound is, else the first one that the parameters refer to."""
    names = (drop.file or "", *media.references(params))
    return next((f.seconds for name in names if (f := drop.media.get(name)) and f.seconds), None)


def _explain(row: Operation, problems: list[Problem], drop: Drop) -> list[Problem]:
    """A missing medium is one that was not dropped; say so."""
    names = {name for candidates in row.slots.values() for name in candidates}
    lacking = "missing: no file was dropped with this sidecar, and it names none"
    return [
        replace(problem, text=lacking) if _lacks(problem, names) and not drop.file else problem
        for problem in problems
    ]


def _lasting(problem: Problem, params: Mapping[str, Any]) -> Problem:
    """A film's own length that nobody knows; say what to do."""
    if problem.path != ("duration",) or params.get("duration") != AUTO:
        return problem
    return replace(problem, text="say how many seconds: how long the dropped file is, is not known here")


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
