"""Puts the dropped file where the operation's model takes it, in the form that the SDK's type asks for.

A sidecar may leave a place open for it: a table that lacks nothing but its file, such as
`character = {type = "image"}`. Else it goes to the first of the operation's slots that is not filled yet, or
in front of the others where that slot is a list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runway_watch.catalogue import media, published, shapes
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.words import Path, Problem

KINDS = ("image", "video", "audio")

_ONE_EACH = "position", "role"
"""Keys by which the entries of a list are told apart."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The dropped file on its way into a slot."""

    file: str
    kind: str
    tag: str

    def fits(self, hint: Any) -> bool:
        """Whether a value of this type can hold it, however deep inside."""
        return any(self._fits(arm) for arm in shapes.branches(hint))

    def _fits(self, arm: Any) -> bool:
        inner = shapes.item(arm) or shapes.values(arm)
        if inner is not None:
            return self.fits(inner)
        return arm in (str, object) or (shapes.is_table(arm) and self._suits(shapes.fields(arm)))

    def _suits(self, known: Mapping[str, shapes.Field]) -> bool:
        types = set(shapes.literals(known["type"].hint)) if "type" in known else set()
        return media_key(known) is not None and (self.kind in types or types.isdisjoint(KINDS))

    def shaped(self, hint: Any, beside: Sequence[Any]) -> Any | None:
        """The file as one entry of this type beside others; None if they leave it no position."""
        arms = shapes.branches(hint)
        if str in arms:
            return self.file
        table = self._table_in(arms)
        return {"uri": self.file} if table is None else self._table(shapes.fields(table), beside)

    def _table_in(self, arms: Sequence[Any]) -> Any | None:
        return next((arm for arm in arms if shapes.is_table(arm) and self._suits(shapes.fields(arm))), None)

    def _table(self, known: Mapping[str, shapes.Field], beside: Sequence[Any]) -> dict[str, Any] | None:
        found: dict[str, Any] = {str(media_key(known)): self.file}
        if "type" in known:
            types = shapes.literals(known["type"].hint)
            found["type"] = self.kind if self.kind in types else types[0]
        if "tag" in known:
            found["tag"] = self.tag
        for key in _ONE_EACH:
            taken = [other[key] for other in beside if isinstance(other, dict) and key in other]
            if key in known and (taken or known[key].required):
                free = [each for each in shapes.literals(known[key].hint) if each not in taken]
                if not free:
                    return None
                found[key] = free[0]
        return found

    def opened(self, hint: Any, value: Any) -> Any | None:
        """The value with the file in the first place that it leaves open; None if it leaves none."""
        if isinstance(value, list):
            inner = next((i for arm in shapes.branches(hint) if (i := shapes.item(arm)) is not None), None)
            return None if inner is None else self._opened_in(inner, enumerate(value), list(value))
        if not isinstance(value, dict):
            return None
        inner = next((i for arm in shapes.branches(hint) if (i := shapes.values(arm)) is not None), None)
        return self._completed(hint, value) if inner is None else self._opened_in(inner, value.items(), value)

    def _opened_in(self, inner: Any, items: Any, value: Any) -> Any | None:
        for key, each in items:
            if (filled := self.opened(inner, each)) is not None:
                copy = value.copy()
                copy[key] = filled
                return copy
        return None

    def _completed(self, hint: Any, value: Mapping[str, Any]) -> Any | None:
        arm = shapes.best([arm for arm in shapes.branches(hint) if shapes.is_table(arm)], value)
        known = shapes.fields(arm) if arm is not None else {}
        key = media_key(known)
        if key is None or key in value or not self._suits(known) or not value.keys() <= known.keys():
            return None
        is_named = "type" not in value or value["type"] in shapes.literals(known["type"].hint)
        return {**value, key: self.file} if is_named else None


def media_key(known: Mapping[str, shapes.Field]) -> str | None:
    """The key of a table that holds its file; None for a table without media."""
    texts = (f.name for f in known.values() if str in shapes.branches(f.hint))
    return next(filter(published.is_media_name, texts), None)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the dropped file went: `slot` leads to the list that it now opens, () if no list grew."""

    params: dict[str, Any]
    problem: Problem | None = None
    slot: Path = ()

    def as_written(self, problem: Problem) -> Problem:
        """The problem with its path as in the sidecar, which does not show the dropped file."""
        depth = len(self.slot)
        if not self.slot or problem.path[:depth] != self.slot:
            return problem
        match problem.path[depth:]:
            case ():
                return replace(problem, text=f"{problem.text} (the dropped file is one of them)")
            case (0, *rest):
                return replace(problem, path=("[job] tag",) if rest == ["tag"] else self.slot)
            case (int(index), *rest):
                return replace(problem, path=(*self.slot, index - 1, *rest))
        return problem


@dataclass(frozen=True, slots=True)
class Spot:
    """A parameter that may take the dropped file: where it stands, what it is, and what is there."""

    path: tuple[str, ...]
    field: shapes.Field
    value: Any | None

    def holding(self, params: Mapping[str, Any], value: Any) -> dict[str, Any]:
        """The parameters with this value here."""
        return _put(params, self.path, value)


def spots(row: Operation, shape: Any, kind: str, params: Mapping[str, Any]) -> Iterator[Spot]:
    """The parameters of this model that may take a dropped file of this kind, the main one first."""
    for name in row.slots.get(kind, ()):
        *outer, last = path = name.split(".")
        table, value = shape, params
        for step in outer:
            table = shapes.fields(table)[step].hint if step in shapes.fields(table) else None
            value = value.get(step, {})
        known = shapes.fields(table) if table is not None else {}
        if last in known and isinstance(value, Mapping):
            yield Spot(tuple(path), known[last], value.get(last))


def takers(row: Operation, shape: Any, kind: str, params: Mapping[str, Any]) -> list[Spot]:
    """Those of them that can hold a file of this kind."""
    entry = _Entry("file:", kind, "image")
    return [spot for spot in spots(row, shape, kind, params) if entry.fits(spot.field.hint)]


def place(
    row: Operation, shape: Any, params: Mapping[str, Any], *, file: str, kind: str, tag: str
) -> Placement:
    """The parameters with the dropped file in its slot, unless the sidecar has already placed it.

    Args:
        row: the operation.
        shape: the SDK's type for the chosen model.
        params: as in the sidecar.
        file: the dropped file, `file:NAME`.
        kind: image, video or audio.
        tag: the name by which the prompt speaks of it, where the model has such names.
    """
    given = dict(params)
    if file in media.references(given):
        return Placement(given)
    entry = _Entry(file, kind, tag)
    found = [spot for spot in spots(row, shape, kind, given) if entry.fits(spot.field.hint)]
    for spot in found:
        if spot.value is not None and (filled := entry.opened(spot.field.hint, spot.value)) is not None:
            return Placement(spot.holding(given, filled))
    if not found:
        return Placement(given, _unused(entry, f"{row.model(given)} takes no {kind}"))
    free = next((spot for spot in found if spot.value is None), None)
    return _join(found[0], given, entry) if free is None else _fill(free, given, entry)


def leaves_open(row: Operation, shape: Any, params: Mapping[str, Any]) -> bool:
    """Whether the parameters have a place that waits for a dropped file, of whatever kind."""
    return any(
        _Entry("file:", kind, "image").opened(spot.field.hint, spot.value) is not None
        for kind in KINDS
        for spot in spots(row, shape, kind, params)
        if spot.value is not None
    )


def _put(params: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {**params, first: _put(params.get(first, {}), rest, value) if rest else value}


def _unused(entry: _Entry, why: str) -> Problem:
    return Problem((entry.file.removeprefix(media.FILE),), f"{why}, so the dropped file would not be used")


def _fill(spot: Spot, given: Mapping[str, Any], entry: _Entry) -> Placement:
    hint = spot.field.hint
    if any(shapes.values(arm) is not None for arm in shapes.branches(hint)):
        return Placement(dict(given), _nowhere(spot, entry))
    if str in shapes.branches(hint):
        return Placement(spot.holding(given, entry.file))
    inner = next((i for arm in shapes.branches(hint) if (i := shapes.item(arm)) is not None), None)
    if inner is None:
        return Placement(spot.holding(given, entry.shaped(hint, ())))
    return Placement(spot.holding(given, [entry.shaped(inner, ())]), slot=spot.path)


def _nowhere(spot: Spot, entry: _Entry) -> Problem:
    """A free-form table names each of its places itself."""
    example = f'{{type = "{entry.kind}"}}'
    return Problem(spot.path, f"say where the dropped file belongs: a place that is {example}, without a uri")


def _join(spot: Spot, given: Mapping[str, Any], entry: _Entry) -> Placement:
    """A list takes the dropped file in front; another value is in the way, or is told elsewhere."""
    same, present = dict(given), spot.value
    arm = shapes.best(shapes.branches(spot.field.hint), present)
    if arm is None:
        return Placement(same)
    if shapes.values(arm) is not None:
        return Placement(same, _nowhere(spot, entry))
    if (inner := shapes.item(arm)) is None or not isinstance(present, list):
        return Placement(same, Problem(spot.path, "is set already, so the dropped file would not be used"))
    added = entry.shaped(inner, present)
    if added is None:
        return Placement(same, Problem(spot.path, "has no place left, so the dropped file would not be used"))
    return Placement(spot.holding(given, [added, *present]), slot=spot.path)
