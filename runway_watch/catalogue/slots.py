"""Puts the dropped file where the operation's model takes it, in the form that the SDK's type asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runway_watch.catalogue import media, shapes
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.words import Problem

_POSITION = "position"


@dataclass(frozen=True, slots=True)
class _Entry:
    """The dropped file on its way into a slot."""

    file: str
    kind: str
    tag: str

    def shaped(self, hint: Any, beside: Sequence[Any]) -> Any | None:
        """The file as one entry of this type beside others; None if they leave it no position."""
        arms = shapes.branches(hint)
        if str in arms:
            return self.file
        table = next((arm for arm in arms if shapes.is_table(arm) and self._suits(shapes.fields(arm))), None)
        return {"uri": self.file} if table is None else self._table(shapes.fields(table), beside)

    def _suits(self, known: Mapping[str, shapes.Field]) -> bool:
        return "type" not in known or self.kind in shapes.literals(known["type"].hint)

    def _table(self, known: Mapping[str, shapes.Field], beside: Sequence[Any]) -> dict[str, Any] | None:
        found: dict[str, Any] = {"uri": self.file}
        if "type" in known:
            found["type"] = self.kind
        if "tag" in known:
            found["tag"] = self.tag
        taken = [other[_POSITION] for other in beside if isinstance(other, dict) and _POSITION in other]
        if _POSITION in known and (taken or known[_POSITION].required):
            free = [each for each in shapes.literals(known[_POSITION].hint) if each not in taken]
            return {**found, _POSITION: free[0]} if free else None
        return found


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the dropped file went: `slot` is the list that it now opens, "" if no list grew."""

    params: dict[str, Any]
    problem: Problem | None = None
    slot: str = ""

    def as_written(self, problem: Problem) -> Problem:
        """The problem with its path as in the sidecar, which does not show the dropped file."""
        match problem.path:
            case (self.slot,):
                return replace(problem, text=f"{problem.text} (the dropped file is one of them)")
            case (self.slot, 0, *rest):
                return replace(problem, path=("[job] tag",) if rest == ["tag"] else (self.slot,))
            case (self.slot, int(index), *rest):
                return replace(problem, path=(self.slot, index - 1, *rest))
        return problem


def slot_of(row: Operation, shape: Any, kind: str) -> shapes.Field | None:
    """The parameter of this model that takes a dropped file of this kind."""
    known = shapes.fields(shape)
    return next((known[name] for name in row.slots.get(kind, ()) if name in known), None)


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
    slot = slot_of(row, shape, kind)
    if slot is None:
        return Placement(given, _unused(_whom(row, given), file, f"takes no {kind}"))
    entry = _Entry(file, kind, tag)
    if slot.name in given:
        return _join(slot, given, entry)
    value = _first_value(slot.hint, entry)
    return Placement({**given, slot.name: value}, slot=slot.name if isinstance(value, list) else "")


def _whom(row: Operation, params: Mapping[str, Any]) -> str:
    return str(params.get("model", row.name))


def _unused(whom: str, file: str, why: str) -> Problem:
    return Problem((file.removeprefix(media.FILE),), f"{whom} {why}, so the dropped file would not be used")


def _first_value(hint: Any, entry: _Entry) -> Any:
    arms = shapes.branches(hint)
    if str in arms:
        return entry.file
    inner = next((i for arm in arms if (i := shapes.item(arm)) is not None), None)
    return entry.shaped(hint, ()) if inner is None else [entry.shaped(inner, ())]


def _join(slot: shapes.Field, given: dict[str, Any], entry: _Entry) -> Placement:
    """A list takes the dropped file in front; another value is in the way, or is told elsewhere."""
    present = given[slot.name]
    arm = shapes.best(shapes.branches(slot.hint), present)
    if arm is None:
        return Placement(given)
    if (inner := shapes.item(arm)) is None:
        return Placement(
            given, Problem((slot.name,), "is set already, so the dropped file would not be used")
        )
    added = entry.shaped(inner, present)
    if added is None:
        return Placement(
            given, Problem((slot.name,), "has no place left, so the dropped file would not be used")
        )
    return Placement({**given, slot.name: [added, *present]}, slot=slot.name)
