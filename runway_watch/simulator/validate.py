"""Is a body what the data file says: every problem at once, on the wire's own terms.

Independent of the daemon's validation on purpose, so that a mistake there is seen here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from runway_watch.simulator.issues import Path, issue, received, utf16_units
from runway_watch.simulator.schema import Branch, Endpoint, Json

FREE_PIXELS = (3_686_400, 16_777_216)  # seedream5_lite, by the note in the data file
WINDOW = ("aspectMin", "aspectMax", "minSidePx")


@dataclass(frozen=True)
class Medium:
    """A media string in a body, and what its parameter asks of it."""

    path: Path
    value: str
    rule: Json


@dataclass
class Findings:
    """What a walk through a body found: problems, and media that are still to be looked at."""

    issues: list[Json] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)


@dataclass(frozen=True)
class Spot:
    """A place in the body, with the limits on pictures that hold from there on down."""

    found: Findings
    strict: bool
    path: Path = ()
    inherited: tuple[tuple[str, Any], ...] = ()

    def down(self, step: str | int, rule: Json) -> "Spot":
        own = tuple((key, rule[key]) for key in WINDOW if key in rule)
        return replace(self, path=(*self.path, step), inherited=(*self.inherited, *own))

    def report(self, code: str, message: str, **more: Any) -> None:
        self.found.issues.append(issue(code, self.path, message, **more))


def validate(endpoint: Endpoint, body: Json) -> tuple[Branch | None, Findings]:
    """The branch that the body is for, and what is wrong with it; no branch when the model is unknown."""
    if not endpoint.models:
        return _nearest(list(endpoint.branches.values()), body)
    branch = endpoint.branches.get(body["model"]) if isinstance(body.get("model"), str) else None
    if branch is None:
        wanted = "Invalid discriminator value. Expected " + " | ".join(
            f"'{name}'" for name in endpoint.models
        )
        wrong = issue("invalid_union_discriminator", ("model",), wanted, options=endpoint.models)
        return None, Findings([wrong])
    return branch, _walk(branch, body)


def _nearest(branches: list[Branch], body: Json) -> tuple[Branch, Findings]:
    walked = [(branch, _walk(branch, body)) for branch in branches]
    return min(walked, key=lambda pair: len(pair[1].issues))


def _walk(branch: Branch, body: Json) -> Findings:
    found = Findings()
    _params(body, branch.params, Spot(found, branch.strict))
    return found


def _params(value: Json, params: Json, spot: Spot) -> None:
    for name, rule in params.items():
        if name in value:
            _check(value[name], rule, spot.down(name, rule))
        elif rule.get("required"):
            spot.down(name, rule).report(
                "invalid_type", "Required", expected=_type(rule), received="undefined"
            )
    unknown = [name for name in value if name not in params]
    if unknown and spot.strict:
        named = ", ".join(f"'{name}'" for name in unknown)
        spot.report("unrecognized_keys", f"Unrecognized key(s) in object: {named}", keys=unknown)


def _check(value: Any, rule: Json, spot: Spot) -> None:
    if "variants" in rule:
        return _variants(value, rule, spot)
    if "orEnum" in rule and isinstance(value, str) and _type(rule) != "string":
        return _one_of(value, rule["orEnum"], spot)
    name = next((name for name in _type(rule).split("|") if IS[name](value)), None)
    if name is None:
        expected = _type(rule)
        message = f"Expected {expected.replace('|', ' or ')}, received {received(value)}"
        return spot.report("invalid_type", message, expected=expected, received=received(value))
    return CHECKS[name](value, rule, spot)


def _variants(value: Any, rule: Json, spot: Spot) -> None:
    tries = []
    for variant in rule["variants"]:
        found = Findings()
        _check(value, {"type": "object", **variant}, replace(spot, found=found))
        tries.append(found)
    best = min(tries, key=lambda found: len(found.issues))
    spot.found.issues += best.issues
    spot.found.media += best.media


def _type(rule: Json) -> str:
    return str(rule.get("type", "object"))


def _one_of(value: Any, options: list[Any], spot: Spot) -> None:
    if not any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in options):
        wanted = " | ".join(f"'{option}'" if isinstance(option, str) else str(option) for option in options)
        message = f"Invalid enum value. Expected {wanted}, received {value!r}"
        spot.report("invalid_enum_value", message, options=options, received=value)


def _allowed(value: Any, rule: Json, spot: Spot) -> None:
    if "const" in rule and value != rule["const"]:
        message = f"Invalid literal value, expected {rule['const']!r}"
        spot.report("invalid_literal", message, expected=rule["const"], received=value)
    if "enum" in rule:
        _one_of(value, [*rule["enum"], *rule.get("deprecatedValues", [])], spot)


def _string(value: str, rule: Json, spot: Spot) -> None:
    if "media" in rule:
        spot.found.media.append(Medium(spot.path, value, {**dict(spot.inherited), **rule}))
        return
    _allowed(value, rule, spot)
    if "orEnum" in rule and not _is_size(value):
        _one_of(value, rule["orEnum"], spot)
    units = utf16_units(value)
    if units < rule.get("minLength", 0):
        message = f"String must contain at least {rule['minLength']} character(s)"
        spot.report("too_small", message, type="string", minimum=rule["minLength"])
    if units > rule.get("maxLength", units):
        message = f"String must contain at most {rule['maxLength']} character(s)"
        spot.report("too_big", message, type="string", maximum=rule["maxLength"])
    if "pattern" in rule and not re.search(rule["pattern"], value):
        spot.report("invalid_string", "Invalid", validation="regex", pattern=rule["pattern"])


def _is_size(value: str) -> bool:
    """Beside its listed ratios, seedream5_lite takes any W:H of so many pixels."""
    sides = re.fullmatch(r"(\d{1,5}):(\d{1,5})", value)
    return sides is not None and FREE_PIXELS[0] <= int(sides[1]) * int(sides[2]) <= FREE_PIXELS[1]


def _number(value: float, rule: Json, spot: Spot) -> None:
    _allowed(value, rule, spot)
    if value < rule.get("min", value):
        message = f"Number must be greater than or equal to {rule['min']}"
        spot.report("too_small", message, type="number", minimum=rule["min"], inclusive=True)
    if value > rule.get("max", value):
        message = f"Number must be less than or equal to {rule['max']}"
        spot.report("too_big", message, type="number", maximum=rule["max"], inclusive=True)
    if "exclusiveMin" in rule and value <= rule["exclusiveMin"]:
        message = f"Number must be greater than {rule['exclusiveMin']}"
        spot.report("too_small", message, type="number", minimum=rule["exclusiveMin"], inclusive=False)


def _array(value: list[Any], rule: Json, spot: Spot) -> None:
    if len(value) < rule.get("minItems", 0):
        message = f"Array must contain at least {rule['minItems']} element(s)"
        spot.report("too_small", message, type="array", minimum=rule["minItems"])
    if len(value) > rule.get("maxItems", len(value)):
        message = f"Array must contain at most {rule['maxItems']} element(s)"
        spot.report("too_big", message, type="array", maximum=rule["maxItems"])
    inner = rule.get("items", {"type": "any"})
    if _type(inner) == "string" and "media" in rule:
        inner = {"media": rule["media"], **inner}
    for index, item in enumerate(value):
        _check(item, inner, spot.down(index, inner))


def _object(value: Json, rule: Json, spot: Spot) -> None:
    if "values" in rule:
        for name, item in value.items():
            _check(item, rule["values"], spot.down(name, rule["values"]))
    elif "params" in rule:
        _params(value, rule["params"], spot)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything(value: Any, rule: Json, spot: Spot) -> None:
    """Some parameters are typed `object` or not at all in the SDK: nothing is known to check."""


IS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": _is_number,
    # As in JavaScript, where 5.0 and 5 are the same number.
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
CHECKS: dict[str, Callable[[Any, Json, Spot], None]] = {
    "string": _string,
    "boolean": _allowed,
    "number": _number,
    "integer": _number,
    "array": _array,
    "object": _object,
    "any": _anything,
}
