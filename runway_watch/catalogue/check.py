"""Judges parameters by the SDK's own types: every difference is found, and none is found twice.

For each of the SDK's TypedDicts a strict twin is built once: unknown keys are errors, text is never a
number, true is never 1, and lists are lists (pydantic reads `Iterable` lazily, which would hide what is
inside). Unions pick the alternative that fits the value's type, so that an error is told once.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union

from pydantic import BeforeValidator, ConfigDict, Discriminator, Tag, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from runway_watch.catalogue import shapes, words
from runway_watch.catalogue.words import Problem

_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_ARM = "\0arm"  # marks a union's tag in pydantic's paths; no key of a TOML file can hold a NUL


def check(shape: Any, params: Mapping[str, Any], *, strict: bool) -> list[Problem]:
    """Everything in which the parameters differ from the TypedDict; unknown keys only if `strict`."""
    try:
        _adapter(shape).validate_python(params)
    except ValidationError as error:
        return [
            _problem(shape, params, one)
            for one in error.errors(include_url=False)
            if _counts(one, strict=strict)
        ]
    return []


def _counts(error: Any, *, strict: bool) -> bool:
    return strict or error["type"] != "extra_forbidden"


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_twin(shape))


@cache
def _twin(hint: Any) -> Any:
    arms = shapes.branches(hint)
    if len(arms) > 1:
        tagged = tuple(Annotated[_twin(arm), Tag(f"{_ARM}{n}")] for n, arm in enumerate(arms))
        return Annotated[Union[tagged], Discriminator(_chooser(arms))]  # noqa: UP007 - built at run time
    return _twin_of_one(arms[0])


def _twin_of_one(hint: Any) -> Any:
    if shapes.is_table(hint):
        return _twin_of_table(hint)
    if (inner := shapes.item(hint)) is not None:
        return list[_twin(inner)]  # type: ignore[misc]
    if (inner := shapes.values(hint)) is not None:
        return dict[str, _twin(inner)]  # type: ignore[misc]
    if shapes.origin(hint) is Literal:
        return Annotated[hint, BeforeValidator(_exact(hint))]
    return Any if hint is object else hint


def _exact(hint: Any) -> Callable[[Any], Any]:
    """Pydantic takes 4.0 for the literal 4, and true for 1; Runway does not."""

    def exact(value: Any) -> Any:
        if shapes.best((hint,), value) is None:
            raise PydanticCustomError("not_listed", "not allowed")
        return value

    return exact


def _twin_of_table(shape: Any) -> Any:
    keys = {
        f.name: (Required if f.required else NotRequired)[_twin(f.hint)]
        for f in shapes.fields(shape).values()
    }
    make: Any = TypedDict  # the form for types that only exist at run time
    twin = make(shape.__name__, keys)
    twin.__pydantic_config__ = _CONFIG
    return twin


def _chooser(arms: tuple[Any, ...]) -> Callable[[Any], str | None]:
    def choose(value: Any) -> str | None:
        arm = shapes.best(arms, value)
        return None if arm is None else f"{_ARM}{arms.index(arm)}"

    return choose


def _problem(shape: Any, params: Mapping[str, Any], error: Any) -> Problem:
    path = tuple(step for step in error["loc"] if not str(step).startswith(_ARM))
    return Problem(path, _text(shape, params, path=path, error=error))


def _text(shape: Any, params: Mapping[str, Any], *, path: words.Path, error: Any) -> str:
    if error["type"] == "missing":
        return "missing"
    if error["type"] == "extra_forbidden":
        table, value = shapes.walk(shape, path[:-1], params)
        return words.unknown_key(str(path[-1]), shapes.fields(shapes.best(shapes.branches(table), value)))
    hint, value = shapes.walk(shape, path, params)
    if hint is None:
        return str(error["msg"])
    allowed = shapes.literals(hint)
    if allowed and type(value) in {type(each) for each in allowed} and len(shapes.branches(hint)) == 1:
        return words.not_allowed(value, allowed)
    return f"must be {words.describe(hint)}, not {words.name_kind(value)}{_remedy(hint, path, value)}"


def _remedy(hint: Any, path: words.Path, value: Any) -> str:
    """One bracket too few is the commonest slip with lists of tables."""
    listed = any(shapes.item(arm) is not None for arm in shapes.branches(hint))
    return f"; write `[[{words.spell(path)}]]`" if listed and isinstance(value, dict) else ""
