"""Leaves out of a folder's defaults what a drop's operation or model has no use for.

A default says "where there is a choice, this": one `duration` above many folders is not meant to refuse
the pictures among the films. So a parameter that only other models have, and a model that only other
operations have, are left out, and told. What nobody has is a slip, and stays in, to be refused. What the
drop's own sidecar says is never left out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from runway_watch.catalogue import shapes, words
from runway_watch.catalogue.operations import OPERATIONS, Operation
from runway_watch.catalogue.refining import shape_of
from runway_watch.sidecar import Sidecar, layered


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A default that does not count: which key, of which layer, and why."""

    key: str
    layer: str
    why: str


@dataclass(frozen=True, slots=True)
class Sifted:
    """Defaults that fit, the most general first, and what was left out of them."""

    layers: tuple[Sidecar, ...]
    left_out: tuple[LeftOut, ...] = ()


def sift(row: Operation, layers: Sequence[Sidecar], own: Sidecar) -> Sifted:
    """The defaults without what the drop has no use for.

    Args:
        row: the operation.
        layers: the defaults, the most general first.
        own: the drop's own sidecar.
    """
    models = [
        _without(layer, _foreign_models(row, layer), f"{row.name} has no such model") for layer in layers
    ]
    given = row.with_model(layered([*(layer for layer, _ in models), own]).params)
    shape = shape_of(row, given)
    if shape is None:  # nobody knows what an unknown model has
        return Sifted(tuple(layers))
    whom = str(given.get("model", row.name))
    foreign = _parameters() - shapes.fields(shape).keys()
    known = [_without(layer, foreign, f"{whom} has no such parameter") for layer, _ in models]
    return Sifted(
        tuple(layer for layer, _ in known),
        tuple(left for _, left_out in (*models, *known) for left in left_out),
    )


def unknown(params: Iterable[str]) -> Iterable[str]:
    """A sentence for each parameter that no model of any operation has."""
    for key in params:
        if key not in _parameters():
            yield f"`{key}`: {words.unknown_key(key, _parameters())}"


def _without(layer: Sidecar, keys: Collection[str], why: str) -> tuple[Sidecar, tuple[LeftOut, ...]]:
    left_out = tuple(LeftOut(key, layer.name, why) for key in layer.params if key in keys)
    kept = {key: value for key, value in layer.params.items() if key not in keys}
    return replace(layer, params=kept), left_out


def _foreign_models(row: Operation, layer: Sidecar) -> Collection[str]:
    """`model`, if it is one that only other operations have."""
    model = layer.params.get("model")
    served = shapes.models(row.params)
    is_foreign = isinstance(model, str) and model not in served and model in _models()
    return {"model"} if is_foreign and served else ()


@cache
def _models() -> frozenset[str]:
    return frozenset(model for row in OPERATIONS.values() for model in shapes.models(row.params))


@cache
def _parameters() -> frozenset[str]:
    """Every parameter of every model of every operation."""
    found = (shapes.fields(shape) for row in OPERATIONS.values() for shape in shapes.branches(row.params))
    return frozenset(name for fields in found for name in fields)
