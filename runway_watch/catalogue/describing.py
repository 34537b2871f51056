"""What can be written in a sidecar, as data: every parameter of a model, from the types that it is judged by.

It takes the SDK's types and the published limits apart just as validation does, so it knows of no parameter
that is refused, and of every one that is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from runway_watch.catalogue import defaults, limits, shapes, slots, values, words
from runway_watch.catalogue.sheets import Seen, Sheet, only

ANY = "image|video|audio"
_FEW = 60
"""Characters of a list of values that is still short."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter, or one inside of another.

    Args:
        path: as in `prompt_image[].uri`; `*` stands for any key.
        required: whether a request is none without it; inside of another, whether that is none without it.
        kind: what it has to be, in words.
        allowed: the values that it may have, where they are listed.
        limits: what else is demanded, in words.
        default: what is sent where a sidecar leaves it out; None where nothing is.
        theirs: what Runway takes where nothing is sent, as far as that is published.
        media: the kinds of media that it stands for, `image|video`; "" for what is no media.
        dropped: the kinds of dropped files that fill it.
        when: for which of several forms of the table around it that holds; "" for all.
        note: what else is published.
    """

    path: str
    required: bool
    kind: str
    allowed: Sequence[Any] = ()
    limits: Sequence[str] = ()
    default: Any = None
    theirs: Any = None
    media: str = ""
    dropped: Sequence[str] = ()
    when: str = ""
    note: str = ""

    @property
    def rule(self) -> str:
        """What it may be, in short: a few values, or how many they are, and the limits."""
        few = ", ".join(map(values.toml, self.allowed))
        many = f"one of {len(self.allowed)}"
        listed = [few if len(few) <= _FEW else many] if len(self.allowed) > 1 else []
        return "; ".join([*listed, *self.limits])


def describe(sheet: Sheet) -> list[Param]:
    """Every parameter of a model, what is required first, each with what is inside of it."""
    seen = Seen.of(sheet)
    ours = defaults.fill(sheet.shape, sheet.given, defaults=sheet.row.defaults, spec=seen.spec)
    dropped = _dropped(sheet)
    return [
        replace(param, default=ours.get(param.path), dropped=dropped.get(param.path, ()))
        for param in _table((sheet.shape,), "", seen)
    ]


def _dropped(sheet: Sheet) -> Mapping[str, Sequence[str]]:
    """Which kinds of dropped files fill which parameters."""
    found: dict[str, list[str]] = {}
    for kind in sheet.row.slots:
        for spot in slots.takers(sheet.row, sheet.shape, kind, {}):
            found.setdefault(".".join(spot.path), []).append(kind)
    return found


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of a table, in one of the forms that the table may have."""

    arm: Any
    field: shapes.Field
    seen: Seen

    def is_like(self, other: "_Key") -> bool:
        """Whether it is the same with the same meaning, be it what tells several forms apart."""
        one, two = self.field, other.field
        return one.name == two.name and (_is_same(one.hint, two.hint) or bool(only(one) and only(two)))


def _table(arms: Sequence[Any], path: str, seen: Seen) -> Iterator[Param]:
    """The keys of a table that has one of these forms, required ones first."""
    keys = [_Key(arm, f, seen.member(arm, f.name)) for arm in arms for f in shapes.fields(arm).values()]
    for key in sorted(keys, key=lambda each: (each.field.name != "model", not each.field.required)):
        alike = [other for other in keys if key.is_like(other)]
        if alike[0] is key:
            when = "" if len(alike) == len(arms) else _when([other.arm for other in alike], arms)
            yield from _key(alike, f"{path}.{key.field.name}".removeprefix("."), when)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two hints mean the same: the SDK has a type of its own for each place."""
    if one == other or not (shapes.is_table(one) and shapes.is_table(other)):
        return bool(one == other)
    mine, theirs = shapes.fields(one), shapes.fields(other)
    return mine.keys() == theirs.keys() and all(_is_same(mine[n].hint, theirs[n].hint) for n in mine)


def _when(having: Sequence[Any], arms: Sequence[Any]) -> str:
    """By what those of several forms are told that have a key."""
    apart: dict[str, list[str]] = {}
    for arm in having:
        for field in shapes.fields(arm).values():
            if only(field):
                apart.setdefault(field.name, []).append(values.toml(only(field)[0]))
    if apart:
        return "with " + ", ".join(f"{name} = {' or '.join(each)}" for name, each in apart.items())
    mine = {name for arm in having for name in shapes.fields(arm)}
    return "instead of " + ", ".join(
        dict.fromkeys(n for arm in arms for n in shapes.fields(arm) if n not in mine)
    )


def _key(alike: Sequence[_Key], path: str, when: str) -> Iterator[Param]:
    field, seen = alike[0].field, alike[0].seen
    spec = seen.spec
    kinds = "|".join(dict.fromkeys(key.seen.media or ANY for key in alike))
    is_media = seen.media is not None and any(arm in (str, object) for arm in shapes.branches(field.hint))
    old = spec.get("deprecatedValues", ())
    listed = dict.fromkeys(v for key in alike for v in shapes.literals(key.field.hint) if v not in old)
    yield Param(
        path,
        required=field.required,
        kind=_kind(field.hint, kinds if is_media else ""),
        allowed=tuple(listed) or tuple(spec.get("enum", ())),
        limits=tuple(limits.told(spec)),
        theirs=spec.get("default"),
        media=kinds if is_media else "",
        when=when,
        note=spec.get("note", ""),
    )
    yield from _inside(field.hint, path, seen)


def _kind(hint: Any, media: str) -> str:
    """What has to be written, in words: `image or a list`, `a whole number or 'auto'`."""
    arms = [arm for arm in shapes.branches(hint) if shapes.origin(arm) is not Literal]
    if media:
        named = media.replace("|", " or ")
        return " or ".join([named, *(words.describe(arm) for arm in arms if arm not in (str, object))])
    if not arms:
        return words.KINDS.get(type(shapes.literals(hint)[0]), "a value")
    return " or ".join(dict.fromkeys(words.describe(arm) for arm in arms))


_NAMED = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}


def _inside(hint: Any, path: str, seen: Seen) -> Iterator[Param]:
    arms = shapes.branches(hint)
    if tables := [arm for arm in arms if shapes.is_table(arm)]:
        yield from _table(tables, path, seen)
    for arm in arms:
        if (inner := shapes.item(arm)) is not None:
            yield from _inside(inner, f"{path}[]", seen.element("items"))
        if (inner := shapes.values(arm)) is not None:
            yield from _inside(inner, f"{path}.*", seen.element("values"))
        if arm is object:
            yield from _published(path, seen)


def _published(path: str, seen: Seen) -> Iterator[Param]:
    """The keys of a table about which only the published limits say anything."""
    for name, spec in seen.spec.get("params", {}).items():
        kind = spec.get("media", "").replace("|", " or ") or _NAMED.get(spec.get("type", ""), "a value")
        yield Param(
            f"{path}.{words.snake(name)}",
            required=bool(spec.get("required")),
            kind=kind,
            allowed=tuple(spec.get("enum", [spec["const"]] if "const" in spec else ())),
            limits=tuple(limits.told(spec)),
            media=spec.get("media", ""),
        )
