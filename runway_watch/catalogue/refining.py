"""The types of models; where the SDK says `Iterable[object]`, by what is published of the entries."""

import re
from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, NotRequired, Required

from typing_extensions import TypedDict, get_type_hints

from runway_watch.catalogue import published, shapes
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.published import Spec

_PLAIN: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}
_TYPED_DICT: Any = TypedDict  # the form for types that only exist at run time


def shape_of(row: Operation, given: Mapping[str, Any]) -> shapes.Hint | None:
    """The type of the model that these parameters name; None for a model that the SDK does not know."""
    shape, model = shapes.shape_for(row.params, given), given.get("model")
    return _refined(shape, row.listed, model) if shape is not None and isinstance(model, str) else shape


@cache
def _refined(shape: shapes.Hint, path: str, model: str) -> shapes.Hint:
    known = (published.entry(path, {"model": model}) or {}).get("params", {})
    typed = {
        field.name: hint
        for field in shapes.fields(shape).values()
        if (hint := _typed(field, known.get(field.wire, {}))) is not None
    }
    if not typed:
        return shape
    return _TYPED_DICT(shape.__name__, {**get_type_hints(shape, include_extras=True), **typed}, total=False)


def _typed(field: shapes.Field, spec: Spec) -> Any | None:
    """The type of a field one of whose lists holds anything by the SDK, and tables by what is published."""
    entries, arms = spec.get("items", {}).get("params"), shapes.branches(field.hint)
    if not entries or not any(shapes.item(arm) is object for arm in arms):
        return None
    table = _table(field.name, entries)
    found = [list[table] if shapes.item(arm) is object else arm for arm in arms]  # type: ignore[valid-type]
    return _keyed(reduce(or_, found), field.wire, required=field.required)


def _table(name: str, entries: Mapping[str, Spec]) -> Any:
    keys = {
        _snake(wire): _keyed(_plain(spec), wire, required=bool(spec.get("required")))
        for wire, spec in entries.items()
    }
    return _TYPED_DICT(name, keys, total=False)


def _keyed(hint: Any, wire: str, *, required: bool) -> Any:
    return (Required if required else NotRequired)[Annotated[hint, shapes.called(wire)]]


def _plain(spec: Spec) -> Any:
    allowed = [spec["const"]] if "const" in spec else spec.get("enum")
    return Literal[tuple(allowed)] if allowed else _PLAIN.get(spec.get("type", ""), object)


def _snake(wire: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", wire)
