"""A plain value for any parameter: valid by its type and its published limits, and an example to a person."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any

from runway_watch.catalogue import media, shapes, slots
from runway_watch.catalogue.published import Spec
from runway_watch.catalogue.sheets import Seen

ENDINGS: Mapping[str, str] = MappingProxyType({"image": ".png", "video": ".mp4", "audio": ".mp3"})
"""What a file of each kind may be called."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
ANY_ID = "00000000-0000-4000-8000-000000000000"
_PROMPT = "Slow dolly in, dust in the light"
_TEXTS = (
    ("negative_prompt", "blur, text"),
    ("prompt", _PROMPT),
    ("config", "my_config"),
    ("lang", "en"),
    ("tag", "style"),
    ("id", ANY_ID),
)
"""What to write into a text whose name holds a word."""
_NUMBERS = {"seed": 42, "duration": 5}
_OF_ITS_TABLE = frozenset({"uri", "audio_uri", "audio"})
"""Keys of a file that is called after what holds it."""


def value(hint: Any, name: str, seen: Seen) -> Any:
    """A value of this type: of media a `file:` string, of a table what it needs, of a list its least entries.

    Args:
        hint: the parameter's type.
        name: its name, after which files are called.
        seen: what is published about it.
    """
    arms = shapes.branches(hint)
    if seen.media is not None and (str in arms or object in arms):
        file = _file(name, seen.media)
        return file if str in arms else {"uri": file}
    if allowed := shapes.literals(hint) or seen.spec.get("enum"):
        return _choice(allowed, seen.spec)
    arm = min(arms, key=_needs_media)
    if shapes.is_table(arm):
        return _table(arm, name, seen)
    if (inner := shapes.item(arm)) is not None:
        one = value(inner, name, seen.element("items"))
        return [one] * max(1, seen.spec.get("minItems", 1))
    if (inner := shapes.values(arm)) is not None:
        return {"some_key": value(inner, name, seen.element("values"))}
    return _plain(arm, name, seen.spec)


def can_be_written(hint: Any) -> bool:
    """Whether a value of this type can do without media."""
    return not all(_needs_media(arm) for arm in shapes.branches(hint))


def _needs_media(arm: Any) -> bool:
    inner = shapes.item(arm) or shapes.values(arm)
    if inner is not None:
        return not can_be_written(inner)
    if not shapes.is_table(arm):
        return arm in (str, object)
    return any(slots.media_key({f.name: f}) for f in shapes.fields(arm).values() if f.required)


def _table(arm: Any, name: str, seen: Seen) -> dict[str, Any]:
    known = shapes.fields(arm).values()
    return {
        field.name: value(field.hint, _called(field.name, name), seen.member(arm, field.name))
        for field in known
        if field.required or field.name == "tag"
    }


def _called(name: str, around: str) -> str:
    """What a file is called after: the `uri` of a `style_image` is one."""
    return around if name in _OF_ITS_TABLE and around else name


def named(path: str) -> str:
    """What a value at a path is called after: `style_image` for the file in `style_image.uri`."""
    *above, last = path.split(".")
    return _called(last, above[-1] if above else "")


def _file(name: str, kinds: str) -> str:
    called = name.removesuffix("_uri").removesuffix("s")
    return f"{media.FILE}_refs/{called}{ENDINGS[(kinds or 'image').split('|')[0]]}"


def _choice(allowed: Sequence[Any], spec: Spec) -> Any:
    known = [each for each in allowed if each not in spec.get("deprecatedValues", ())]
    return spec["default"] if spec.get("default") in known else known[0]


def _plain(arm: Any, name: str, spec: Spec) -> Any:
    if arm is bool:
        return spec.get("default", True)
    if arm in (int, float):
        return _number(arm, name, spec)
    usual = next((text for word, text in _TEXTS if word in name), "some words")
    fitting = (text for text in (spec.get("default"), usual, "style") if text and _is_of(spec, text))
    return next(fitting, usual)[: spec.get("maxLength")]


def _is_of(spec: Spec, text: str) -> bool:
    return re.search(spec.get("pattern", ""), text) is not None


def _number(arm: Any, name: str, spec: Spec) -> Any:
    low = spec.get("min", spec.get("exclusiveMin", 0) + 1)
    wanted = spec.get("default", _NUMBERS.get(name, 1))
    return arm(max(low, min(wanted, spec.get("max", wanted))))


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    match value:
        case date():
            return str(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {toml(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)
