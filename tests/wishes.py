"""Parameter sets made from the SDK's own types: the smallest that is valid, and all that there can be."""

from collections.abc import Iterator
from typing import Any

from runway_watch.catalogue import OPERATIONS, published, shapes

WORKFLOW = "8f2c1d0e-5b7a-4c39-9e61-0a4d2f83b517"
TEXT, MEDIUM = "words", "file:a.png"


def named(operation: str) -> str:
    """The operation as a sidecar names it."""
    return operation.replace("{id}", WORKFLOW)


def branches(operation: str) -> dict[str, Any]:
    """The TypedDict of every model of an operation, by model; of every shape where there are none."""
    params = OPERATIONS[operation].params
    found = {model: shapes.shape_for(params, {"model": model}) for model in shapes.models(params)}
    return found or {f"(no model) {n}": shape for n, shape in enumerate(shapes.branches(params), 1)}


def wishes(shape: Any, model: str) -> Iterator[dict[str, Any]]:
    """The smallest set of parameters, and as many full ones as it takes to see every alternative once."""
    named_model = {"model": model} if "model" in shapes.fields(shape) else {}
    yield table(shape, full=False) | named_model
    for arm in range(_widest(shape)):
        yield table(shape, full=True, arm=arm) | named_model


def table(shape: Any, *, full: bool, arm: int = 0) -> dict[str, Any]:
    """One value for each key of a TypedDict, or for each that it needs."""
    known = shapes.fields(shape).values()
    return {f.name: value(f.hint, f.name, full=full, arm=arm) for f in known if full or f.required}


def value(hint: Any, key: str, *, full: bool, arm: int = 0) -> Any:
    """A value of this type, by the `arm`-th of its alternatives, the last one where there are fewer."""
    arms = shapes.branches(hint)
    one = arms[min(arm, len(arms) - 1)]
    if shapes.is_table(one):
        return table(one, full=full, arm=arm)
    if (inner := shapes.item(one)) is not None:
        return [value(inner, key, full=full, arm=arm)]
    if (inner := shapes.values(one)) is not None:
        return {"some_key": value(inner, key, full=full, arm=arm)}
    if allowed := shapes.literals(one):
        return allowed[min(arm, len(allowed) - 1)]
    if one is object:
        return {"uri": MEDIUM}
    plain = {int: 5, float: 0.5, bool: True}
    return plain.get(one, MEDIUM if published.is_media_name(key) else TEXT)


def _widest(hint: Any, *, depth: int = 8) -> int:
    """How many alternatives there are at the most, at any depth."""
    arms = shapes.branches(hint)
    inner = [i for arm in arms if (i := shapes.item(arm) or shapes.values(arm)) is not None]
    inner += [f.hint for arm in arms if shapes.is_table(arm) for f in shapes.fields(arm).values()]
    return max([len(arms), *(_widest(each, depth=depth - 1) for each in inner if depth)])
