"""What a drop asks for: its own sidecar over the defaults of its folder, and who said what."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from runway_watch import catalogue, drops, sidecar
from runway_watch.catalogue import LeftOut
from runway_watch.drops import Group
from runway_watch.errors import Refusal
from runway_watch.sidecar import OURS, Layered, Sidecar


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, before anything is filled in.

    Args:
        operation: named, or what such a file is for.
        group: the files.
        merged: what counts of the sidecar and the defaults, and whose it is.
        own: the drop's own sidecar.
        left_out: defaults that the operation or the model has no use for.
    """

    operation: str
    group: Group
    merged: Layered
    own: Sidecar
    left_out: Sequence[LeftOut] = field(default=())

    @property
    def params(self) -> Mapping[str, Any]:
        """Runway's parameters."""
        return self.merged.params

    @property
    def job(self) -> Mapping[str, Any]:
        """The `[job]` table."""
        return self.merged.job


def ask(group: Group, layers: Sequence[Sidecar], own: Sidecar) -> Asked:
    """Lay a drop's own sidecar over the defaults of its folder.

    Args:
        group: the files of the drop.
        layers: the defaults, the most general first.
        own: its sidecar, an empty one where it has none.
    """
    *layers, own = _nearest_variations([*layers, own])
    operation = _operation(group, sidecar.layered([*layers, own]).job)
    sifted = catalogue.sift(operation, layers, own)
    return Asked(operation, group, sidecar.layered([*sifted.layers, own]), own, sifted.left_out)


def varied(asked: Asked, layers: Sequence[Sidecar], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is asked for where these keys of a variation go over the drop's own sidecar.

    Its model may be another one, for which other defaults count.
    """
    said = asked.own.params  # it wins over the variations of a folder, and its own over it
    mine = replace(asked.own, params={**said, **own} if _TABLES in said else {**own, **said})
    return {key: value for key, value in ask(asked.group, layers, mine).params.items() if key not in OURS}


_TABLES, _NUMBER = "variation", "variations"


def _nearest_variations(layers: Sequence[Sidecar]) -> list[Sidecar]:
    """The layers with the variations, as tables or as a number, of the nearest one only that has any."""
    having = [layer for layer in layers if _TABLES in layer.params or _NUMBER in layer.job]
    return [layer if layer not in having[:-1] else _without_variations(layer) for layer in layers]


def _without_variations(layer: Sidecar) -> Sidecar:
    params = {key: value for key, value in layer.params.items() if key != _TABLES}
    return replace(layer, params=params, job={key: v for key, v in layer.job.items() if key != _NUMBER})


def _operation(group: Group, job: Mapping[str, Any]) -> str:
    named = job.get("operation")
    if isinstance(named, str):
        return named
    kind = drops.media_kind(group.media) if group.media else "image"
    return catalogue.DEFAULT_OPERATION.get(kind or "image", "")


@contextmanager
def blaming(asked: Asked) -> Iterator[None]:
    """Say of what is wrong in a folder's defaults where it stands: it is not in the sidecar."""
    try:
        yield
    except Refusal as refusal:
        names = dict.fromkeys(_at_fault(refusal, asked))
        hint = refusal.hint
        if names:
            hint = f"Mend {' and '.join(names)}, where it stands; then {_AGAIN}."
        elif asked.group.sidecar is None and refusal.code == "params.invalid":
            hint = f"Give {asked.group.media} a sidecar, or mend its folder's defaults; then {_AGAIN}."
        raise Refusal(refusal.code, refusal.message, hint=hint, problems=refusal.problems) from None


_AGAIN = "move the files back to the inbox, or say `runway-watch retry`"


def _at_fault(refusal: Refusal, asked: Asked) -> Iterator[str]:
    """The names of the defaults that hold what is wrong."""
    told = [problem.partition(":")[0].strip("`") for problem in refusal.problems]
    wrong = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in told} - asked.own.params.keys()
    return (name for key, name in asked.merged.origins.items() if key in wrong)
