"""Reads the SDK's parameter types: pure look-ups, cached, and the only module that takes hints apart.

A *hint* is a type annotation freed of `Required` and `Annotated`. The SDK's modules postpone their
annotations, so `__required_keys__` of its TypedDicts is empty: what is required is read from the hint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args
from typing import get_origin as _get_origin

from runwayml._utils import PropertyInfo
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

Hint = Any

_LISTS = (list, Iterable, Sequence)
_QUALIFIERS = (Required, NotRequired, ReadOnly)


def origin(hint: Hint) -> Any:
    """What a hint is made from: Literal, Union, list; None for a plain type."""
    return _get_origin(hint)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a TypedDict: its name in a sidecar, its name on the wire, its hint."""

    name: str
    wire: str
    hint: Hint
    required: bool


@cache
def fields(shape: Hint) -> Mapping[str, Field]:
    """The keys of a TypedDict, by name."""
    raw = get_type_hints(shape, include_extras=True)
    return {name: _field(name, hint, name in shape.__required_keys__) for name, hint in raw.items()}


def _field(name: str, hint: Hint, listed: bool) -> Field:  # noqa: FBT001 - a fact about the key
    required, wire = listed, name
    while (made_from := origin(hint)) in (*_QUALIFIERS, Annotated):
        if made_from is Annotated:
            wire = next((_alias(extra) for extra in hint.__metadata__ if _alias(extra)), wire)
        else:
            required = made_from is Required or (required and made_from is ReadOnly)
        hint = get_args(hint)[0]
    return Field(name, wire, hint, required)


def _alias(extra: object) -> str:
    return (extra.alias or "") if isinstance(extra, PropertyInfo) else ""


def called(wire: str) -> Any:
    """The annotation by which the SDK gives a key its name on the wire."""
    return PropertyInfo(alias=wire)


def plain(hint: Hint) -> Hint:
    """The hint below any qualifiers and annotations."""
    while origin(hint) in (*_QUALIFIERS, Annotated):
        hint = get_args(hint)[0]
    return hint


def branches(hint: Hint) -> tuple[Hint, ...]:
    """The alternatives of a union, flattened, without None; a hint that is no union stands for itself."""
    hint = plain(hint)
    if origin(hint) not in (Union, UnionType):
        return (hint,)
    return tuple(leaf for arm in get_args(hint) if arm is not NoneType for leaf in branches(arm))


def item(hint: Hint) -> Hint | None:
    """What a list hint holds; None for a hint that is no list."""
    return plain(get_args(hint)[0]) if origin(hint) in _LISTS and get_args(hint) else None


def values(hint: Hint) -> Hint | None:
    """What the values of a free-form table are; None for a hint that is none."""
    return plain(get_args(hint)[1]) if origin(hint) in (dict, Mapping) else None


def is_table(hint: Hint) -> bool:
    """Whether the hint is a TypedDict: a table with known keys."""
    return is_typeddict(hint)


def literals(hint: Hint) -> tuple[Any, ...]:
    """The literal values that a hint lists, in the SDK's order."""
    return tuple(v for arm in branches(hint) if origin(arm) is Literal for v in get_args(arm))


def takes(hint: Hint, kind: type) -> bool:
    """Whether a value of this plain type may be valid for the hint."""
    return kind in branches(hint) or any(type(value) is kind for value in literals(hint))


def models(params: Hint) -> tuple[str, ...]:
    """Every model that an operation's type serves; empty for one without models."""
    return tuple(_by_model(params))


@cache
def _by_model(params: Hint) -> Mapping[str, Hint]:
    """The TypedDict of every model that an operation's type serves."""
    known = [(shape, fields(shape)["model"].hint) for shape in branches(params) if "model" in fields(shape)]
    return {name: shape for shape, model in reversed(known) for name in literals(model)}


def shape_for(params: Hint, given: Mapping[str, Any]) -> Hint | None:
    """The TypedDict that these parameters mean, chosen by their model; None for an unknown model."""
    served = _by_model(params)
    if not served:
        return best(branches(params), given)
    model = given.get("model")
    return served.get(model) if isinstance(model, str) else None


def best(arms: Sequence[Hint], value: object) -> Hint | None:
    """The alternative that a value was most likely meant for; None when its type fits none of them."""
    scored = [(score, -n) for n, arm in enumerate(arms) if (score := _score(arm, value)) > 0]
    return arms[-max(scored)[1]] if scored else None


def _score(hint: Hint, value: object) -> int:
    if hint in (Any, object):
        return 1
    if origin(hint) is Literal:
        return 3 if any(type(value) is type(v) and value == v for v in get_args(hint)) else 0
    if isinstance(value, list):
        return 2 * int(item(hint) is not None)
    if isinstance(value, dict):
        return _table_score(hint, value) if is_table(hint) else 2 * int(values(hint) is not None)
    return 2 * int(type(value) is hint or (hint is float and type(value) is int))


def _table_score(shape: Hint, value: Mapping[str, Any]) -> int:
    """Tables are told apart by their literal keys (`type`, `mode`) first, then by the keys they know."""
    known = fields(shape)
    agree = sum(_agrees(known[key].hint, v) for key, v in value.items() if key in known)
    missing = sum(f.required and f.name not in value for f in known.values())
    return max(1, 1000 + 20 * agree - missing)


def _agrees(hint: Hint, value: object) -> int:
    allowed = literals(hint)
    if not allowed or len(branches(hint)) > 1:
        return 1
    return 10 if value in allowed else -10


def walk(hint: Hint, path: Sequence[str | int], value: Any) -> tuple[Hint | None, Any]:
    """The hint and the value at a path, by the alternatives that the values fit; (None, _) when lost."""
    for step in path:
        arm = best(branches(hint), value)
        if is_table(arm) and step in fields(arm):
            hint = fields(arm)[str(step)].hint
        else:
            hint = item(arm) if isinstance(step, int) else values(arm)
        if hint is None:
            return None, None
        value = value.get(step) if isinstance(value, dict) else value[step]
    return hint, value
