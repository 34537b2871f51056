"""The sentences that a refused sidecar's author reads: what is wrong where, and the nearest right thing."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from runway_watch.catalogue import ratio, shapes
from runway_watch.sidecar import JobTable

Path = tuple[str | int, ...]

_SHOWN = 60
KINDS: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `path` leads to it in the sidecar; `host` marks a media host that is not allowed."""

    path: Path
    text: str
    host: bool = False

    @property
    def sentence(self) -> str:
        """`path`: text."""
        return f"`{spell(self.path)}`: {self.text}"


def spell(path: Path) -> str:
    """A path as a person would write it: reference_images[0].uri."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def show(value: object) -> str:
    """A value in a sentence, cut where it gets long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + "..." + text[-1]


def name_kind(value: object) -> str:
    """A value with its kind: text '5', the number 5, a list."""
    match value:
        case bool():
            return show(value)
        case str():
            return f"text {show(value)}"
        case int() | float():
            return f"the number {show(value)}"
        case list() | dict():
            return "a list" if isinstance(value, list) else "a table"
        case dt.date() | dt.time():
            return f"the date or time {value}"
    return show(value)


def either(kinds: Sequence[str]) -> str:
    """Kinds of media as a person says them: an image, or a video or a sound."""
    said = {"image": "an image", "video": "a video", "audio": "a sound"}
    return " or ".join(said.get(kind, kind) for kind in kinds)


def describe(hint: Any) -> str:
    """What a hint asks for: a whole number or 'auto'."""
    arms = [arm for arm in shapes.branches(hint) if shapes.origin(arm) is not Literal]
    named = dict.fromkeys(_describe_arm(arm) for arm in arms)
    listed = [show(value) for value in shapes.literals(hint)]
    if len(listed) > 1 and not named:
        return "one of " + ", ".join(listed)
    return " or ".join([*named, *listed])


def _describe_arm(hint: Any) -> str:
    if shapes.item(hint) is not None:
        return "a list"
    return KINDS.get(hint, "a table")


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say about a parameter that does not exist."""
    near = nearest_name(snake(key), known)
    if near:
        return f"unknown; did you mean `{near}`?"
    return "unknown; did you mean it in the `[job]` table?" if key in JobTable.model_fields else "unknown"


def not_allowed(value: object, allowed: Sequence[Any]) -> str:
    """What to say about a value that is not among the allowed ones."""
    listed = ", ".join(show(each) for each in allowed)
    near = nearest_value(value, allowed)
    if len(allowed) == 1 or near is None:
        return f"{show(value)} is not allowed (allowed: {listed})"
    return f"{show(value)} is not allowed; the nearest is {show(near)} (allowed: {listed})"


def nearest_value(value: object, allowed: Sequence[Any]) -> Any | None:
    """The allowed value nearest to a wrong one: by shape, by size or by spelling."""
    if isinstance(value, str):
        names = [each for each in allowed if isinstance(each, str)]
        return ratio.nearest(value, names) or nearest_name(value, names)
    numbers = [each for each in allowed if type(each) in (int, float)]
    if numbers and isinstance(value, int | float):
        return min(numbers, key=lambda each: abs(each - value))
    return None


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one is probably a slip of."""
    by_fold = {each.casefold(): each for each in known}
    if close := get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6):
        return by_fold[close[0]]
    return None


def snake(key: str) -> str:
    """`promptText` -> `prompt_text`: people paste keys from the API's documentation."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
