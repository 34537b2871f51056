"""The limits and prices that Runway publishes outside of its SDK: `runway-models.json`, read once.

The file is keyed by wire names; a sidecar's names are the same in snake_case. Models that it does not
know simply have no limits here: the server has the last word.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

Spec = Mapping[str, Any]

_WINDOW = ("aspectMin", "aspectMax", "minSidePx", "secondsMin", "secondsMax")
_MODEL_LESS = "(no model)"


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the parameters with what is published about it.

    Args:
        path: where it is.
        value: what is there.
        spec: its entry in the file; None if the file does not know it.
        media: the kinds of media that a string here stands for (`image`, `audio|video`), "" for media of
            a kind that is not published, None for what is no media.
        window: the limits to a picture's shape, and to a film's length, that hold here.
    """

    path: tuple[str | int, ...]
    value: Any
    spec: Spec | None
    media: str | None
    window: Spec


@cache
def _file() -> Mapping[str, Any]:
    text = (
        resources.files("runway_watch.catalogue").joinpath("runway-models.json").read_text(encoding="utf-8")
    )
    found: Mapping[str, Any] = json.loads(text)
    return found


def paths() -> Collection[str]:
    """Every path about whose models something is published."""
    return [path for path in _file() if path.startswith("/")]


def models(path: str) -> Mapping[str, Spec]:
    """Everything published about the models of the operation created at this path, by model."""
    found: Mapping[str, Spec] = _file().get(path, {}).get("models", {})
    return found


def entry(path: str, params: Mapping[str, Any]) -> Spec | None:
    """What is published about the model that these parameters name; None for one that is not known."""
    known = models(path)
    if "model" in params:
        model = params["model"]
        return known.get(model) if isinstance(model, str) else None
    shapes = [spec for name, spec in known.items() if name.startswith(_MODEL_LESS)]
    return _variant(shapes, params) if shapes else None


def limits(path: str, params: Mapping[str, Any]) -> Spec | None:
    """The limits of that model's parameters as one nested spec; None for a model that is not known."""
    found = entry(path, params)
    if found is None:
        return None
    shared = _file()["_meta"]["sharedFields"]
    return {"params": {name: {**shared.get(name, {}), **spec} for name, spec in found["params"].items()}}


def media_string() -> Mapping[str, Mapping[str, int]]:
    """The lengths of media strings by scheme: `https`, `runway`."""
    found: Mapping[str, Mapping[str, int]] = _file()["_meta"]["mediaString"]
    return found


def is_media_name(key: str) -> bool:
    """Whether a parameter of this name holds media, where nothing is published about it."""
    return (
        key in ("uri", "audio", "image", "video")
        or key.endswith("_uri")
        or key.startswith(("prompt_image", "prompt_video", "reference"))
    )


def walk(params: Mapping[str, Any], spec: Spec | None) -> Iterator[Node]:
    """Every value in the parameters, outermost first, with its part of the spec."""
    return _walk(Node((), params, spec, None, {}))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node.value, dict):
        for key, value in node.value.items():
            yield from _walk(_member(node, key, value))
    elif isinstance(node.value, list):
        for index, value in enumerate(node.value):
            yield from _walk(_element(node, index, value))


def _element(node: Node, index: int, value: Any) -> Node:
    spec = None if node.spec is None else node.spec.get("items", {})
    return Node((*node.path, index), value, spec, node.media, node.window)


def member(spec: Spec, key: str, table: Mapping[str, Any]) -> Spec | None:
    """What is published about one key of a table; None for a key that is not known.

    Args:
        spec: what is published about the table.
        key: as in a sidecar.
        table: its contents, which tell which of several shapes it has.
    """
    return _spec_of(spec, key, table)


def files(path: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Kinds of files that an operation needs, that it may take, and that it makes."""
    found = _file().get(path, {})
    return found.get("filesInRequired", ()), found.get("filesInOptional", ()), found.get("filesOut", ())


def _member(node: Node, key: str, value: Any) -> Node:
    spec = None if node.spec is None else _spec_of(node.spec, key, node.value)
    if spec is None:
        media = "" if is_media_name(key) else None
        return Node((*node.path, key), value, None, media, node.window)
    window = {name: spec[name] for name in _WINDOW if name in spec} or node.window
    return Node((*node.path, key), value, spec, spec.get("media"), window)


def _spec_of(spec: Spec, key: str, table: Mapping[str, Any]) -> Spec | None:
    if "variants" in spec:
        spec = _variant(spec["variants"], table)
    known: Mapping[str, Spec] = spec.get("params", {})
    return known.get(camel(key), known.get(key, spec.get("values")))


def _variant(variants: list[Spec], table: Mapping[str, Any]) -> Spec:
    """The one of several shapes that a table has most in common with; constants count most."""

    def common(variant: Spec) -> int:
        known = {
            name: spec for name, spec in variant["params"].items() if name in {camel(key) for key in table}
        }
        return len(known) + sum(
            10 for name, spec in known.items() if table.get(name) == spec.get("const", _variant)
        )

    return max(variants, key=common)


@lru_cache(4096)  # few names are asked for again and again
def camel(key: str) -> str:
    """`prompt_text` -> `promptText`, the spelling on the wire."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), key)
