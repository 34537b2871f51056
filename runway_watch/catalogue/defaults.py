"""Fills in what a sidecar leaves out, and turns "auto" into a ratio, or a duration, that the model has.

A default is only set where the chosen model has the parameter. `duration` is always sent where it is a
number of seconds: the server's own default costs money that nobody asked for.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from runway_watch.catalogue import ratio, rules, shapes
from runway_watch.catalogue.operations import AUTO
from runway_watch.catalogue.published import Spec


def fill(
    shape: Any, params: Mapping[str, Any], *, defaults: Mapping[str, object], spec: Spec | None
) -> dict[str, Any]:
    """The parameters with the defaults that apply to this model.

    Args:
        shape: the SDK's type for the chosen model.
        params: as in the sidecar, with the model.
        defaults: of the operation.
        spec: the model's published limits, if any.
    """
    if rules.DRAFT in params:
        return dict(params)
    if (together := rules.shot_seconds(params)) is not None:
        defaults = {**defaults, "duration": together}
    known = shapes.fields(shape)
    added = {
        name: _value(known[name], value, spec)
        for name, value in defaults.items()
        if name not in params and name in known and _applies(known[name], value)
    }
    return {**params, **added, **_constants(shape, params)}


def _constants(shape: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """What can have one value only, such as the `mode` by which two shapes of an operation differ."""
    needed = [f for f in shapes.fields(shape).values() if f.required and f.name not in params]
    return {f.name: values[0] for f in needed if len(values := _choice(f.hint)) == 1}


def _choice(hint: shapes.Hint) -> tuple[Any, ...]:
    """The values of a hint that is nothing but a list of them."""
    arms = shapes.branches(hint)
    return shapes.literals(hint) if all(shapes.origin(arm) is Literal for arm in arms) else ()


def _applies(field: shapes.Field, value: object) -> bool:
    if value == AUTO or isinstance(value, Mapping):
        return field.required
    return type(value) is not int or shapes.takes(field.hint, int)


def _value(field: shapes.Field, value: object, spec: Spec | None) -> object:
    if type(value) is not int:
        return value
    known = (spec or {}).get("params", {}).get(field.wire, {})
    return _nearest_number(value, shapes.literals(field.hint) or known.get("enum", ()), known)


def _nearest_number(wanted: int, allowed: Any, known: Spec) -> int:
    """The allowed number nearest to the wanted one; of two, the smaller, which costs less."""
    numbers = [each for each in allowed if type(each) is int]
    if numbers:
        return min(numbers, key=lambda each: (abs(each - wanted), each))
    return int(max(known.get("min", wanted), min(wanted, known.get("max", wanted))))


def settle_ratio(shape: Any, params: Mapping[str, Any], *, picture: tuple[int, int] | None) -> dict[str, Any]:
    """The parameters with `ratio = "auto"` resolved.

    It stays where the model knows "auto" itself. A model without a ratio, or with none of the form W:H that
    it could leave out, follows the picture: there it goes.

    Args:
        shape: the SDK's type for the chosen model.
        params: with the model.
        picture: width and height to be near to, in pixels.
    """
    field = shapes.fields(shape).get("ratio")
    allowed = shapes.literals(field.hint) if field else ()
    if params.get("ratio") != AUTO or AUTO in allowed:
        return dict(params)
    if found := ratio.closest(picture or ratio.DEFAULT, allowed):
        return {**params, "ratio": found}
    keep = field is not None and field.required
    return {name: value for name, value in params.items() if name != "ratio" or keep}


def settle_duration(shape: Any, params: Mapping[str, Any], *, film: float | None) -> dict[str, Any]:
    """The parameters with `duration = "auto"` turned into the length of the film, in seconds.

    It stays where the model knows "auto" itself, and where nobody knows the length.

    Args:
        shape: the SDK's type for the chosen model.
        params: with the model.
        film: how long the film or sound is that goes in; None when that is not known.
    """
    field = shapes.fields(shape).get("duration")
    is_ours = field is not None and AUTO not in shapes.literals(field.hint)
    if film is None or params.get("duration") != AUTO or field is None or not is_ours:
        return dict(params)
    whole = float not in shapes.branches(field.hint)
    return {**params, "duration": max(1, math.ceil(film)) if whole else round(film, 2)}
