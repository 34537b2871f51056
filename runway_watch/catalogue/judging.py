"""All that is wrong with complete parameters, by types, limits, lengths and shapes; each thing told once."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from runway_watch.catalogue import check, fitting, lengths, limits, media, published, rules, shapes, words
from runway_watch.catalogue.fitting import Fit, Fitted
from runway_watch.catalogue.operations import AUTO, Operation
from runway_watch.catalogue.slots import Placement
from runway_watch.catalogue.words import Path, Problem
from runway_watch.errors import Refusal
from runway_watch.job import DROPPABLE, MediaFacts


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


def judge(
    row: Operation, shape: Any, placed: Placement, spec: published.Spec | None, drop: Drop, fit: Fitted
) -> list[Problem]:
    """All that is wrong with complete parameters."""
    problems = check.check(shape, placed.params, strict=drop.strict)
    problems = [_lasting(problem, placed.params) for problem in problems]
    problems += _beyond_types(placed.params, spec, replace(drop, media=fit.media))
    problems += lengths.check(row.listed, placed.params, spec, fit.media) if spec else ()
    problems += fit.problems
    # What keeps the dropped file out stands where something else may be wrong as well.
    return [*([placed.problem] if placed.problem else []), *_once(_explain(row, problems, drop))]


def judge_unknown(row: Operation, placed: Placement, drop: Drop, fit: Fitted) -> list[Problem]:
    """As much as can be told about parameters of a model that the SDK does not know."""
    given = placed.params
    problems = [] if not drop.strict and isinstance(given.get("model"), str) else _strangers(row, given)
    problems += [placed.problem] if placed.problem else []
    problems += [*_beyond_types(given, None, drop), *fit.problems]
    return _once(problems)


def fitted(shape: Any, params: Mapping[str, Any], drop: Drop) -> Fitted:
    """Frames and the ratio, compared."""
    fields = shapes.fields(shape) if shape else {}
    inner = shapes.fields(fields["input"].hint) if "input" in fields else {}
    known = fields.get("ratio") or inner.get("aspect_ratio")
    allowed = shapes.literals(known.hint) if known else ()
    return fitting.fitted(params, drop.media, fit=drop.fit, allowed=tuple(allowed))


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
        yield from rules.check(params, spec)


def _not_json(params: Mapping[str, Any]) -> Iterator[Problem]:
    """TOML has dates and infinities; Runway's JSON has not."""
    for node in published.walk(params, None):
        endless = isinstance(node.value, float) and not math.isfinite(node.value)
        if endless or not isinstance(node.value, str | int | float | list | dict):
            yield Problem(node.path, f"{words.name_kind(node.value)} cannot be sent")


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
