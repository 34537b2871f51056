"""A sidecar to copy for every model: valid as it is, and with any one of its commented lines.

What a request needs stands in it, with what is sent anyway; all else is a comment, a line for each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runway_watch.catalogue import defaults, rules, shapes, slots, values, words
from runway_watch.catalogue.describing import Param, describe
from runway_watch.catalogue.operations import AUTO, DEFAULT_OPERATION
from runway_watch.catalogue.sheets import Seen, Sheet

_COLUMN = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """A sidecar to copy.

    Args:
        text: the TOML.
        kind: of the file that has to be dropped with it: image, video or audio; "" for none.
        operation: as its `[job]` table names it, or need not.
    """

    text: str
    kind: str
    operation: str


def sample(sheet: Sheet) -> Sample:
    """A sidecar for this model."""
    kind, filled = _dropped(sheet)
    operation = sheet.row.name.replace("{id}", values.ANY_ID)
    lines = [*_head(sheet, kind, filled), *_body(sheet, filled)]
    if DEFAULT_OPERATION.get(kind) != operation:
        lines += ["", "[job]", f"operation = {values.toml(operation)}"]
    return Sample("\n".join(lines) + "\n", kind, operation)


def _dropped(sheet: Sheet) -> tuple[str, str]:
    """The kind of file that has to be dropped, and the parameter that it fills; "" for none."""
    for kind in sheet.row.slots:
        for spot in slots.takers(sheet.row, sheet.shape, kind, {}):
            needed = spot.field.required and spot.path[0] not in sheet.row.defaults
            if needed and not values.can_be_written(spot.field.hint):
                return kind, spot.path[0]
    return "", ""


def _head(sheet: Sheet, kind: str, filled: str) -> Iterator[str]:
    yield f"# {sheet.row.name} with {sheet.model}".replace(" with (no model)", "")
    if kind:
        example = f"NAME{values.ENDINGS[kind]}"
        yield f"# Save it as NAME.prompt.toml beside {example}: what is dropped is the `{filled}`."
        return
    yield "# Save it as NAME.prompt.toml; nothing has to be dropped with it."
    takes: dict[str, list[str]] = {}
    for each in sheet.row.slots:
        for spot in slots.takers(sheet.row, sheet.shape, each, {})[:1]:
            takes.setdefault(".".join(spot.path), []).append(each)
    for path, kinds in takes.items():
        yield f"# Dropped with it, {words.either(kinds)} goes into `{path}`."


def _body(sheet: Sheet, filled: str) -> Iterator[str]:
    seen, told = Seen.of(sheet), {param.path: param for param in describe(sheet)}
    fields = sorted(shapes.fields(sheet.shape).values(), key=lambda f: (f.name != "model", not f.required))
    ours = _sent_anyway(sheet, seen)
    lines: list[tuple[str, str]] = []
    for field in fields:
        inner = seen.member(sheet.shape, field.name)
        if field.name in (filled, rules.DRAFT) or inner.spec.get("deprecated"):
            continue
        if field.name in ours and not _is_unsure(field, ours[field.name]):
            lines.append((field.name, f"{field.name} = {values.toml(ours[field.name])}"))
        else:
            lines += _lines(field, field.name, inner, is_needed=field.required)
    for path, line in sorted(lines, key=lambda each: each[1].startswith("#")):
        note = _note(told.get(path))
        yield f"{line:<{_COLUMN}}  # {note}" if note else line


def _sent_anyway(sheet: Sheet, seen: Seen) -> dict[str, Any]:
    """What is sent even if a sidecar holds nothing but what its model needs."""
    known, usual = shapes.fields(sheet.shape).values(), sheet.row.defaults
    fields = [field for field in known if field.required and field.name not in usual]
    needed = {f.name: values.value(f.hint, f.name, seen.member(sheet.shape, f.name)) for f in fields}
    filled = defaults.fill(sheet.shape, {**needed, **sheet.given}, defaults=usual, spec=seen.spec)
    return {name: value for name, value in filled.items() if name in sheet.given or name not in needed}


def _is_unsure(field: shapes.Field, value: object) -> bool:
    """Whether it can only be sent when the length of a film is known, which takes a library to tell."""
    return field.name == "duration" and value == AUTO and AUTO not in shapes.literals(field.hint)


def _lines(field: shapes.Field, path: str, seen: Seen, *, is_needed: bool) -> Iterator[tuple[str, str]]:
    """A line for a parameter, or for each key of one that is a table without several forms."""
    arms = shapes.branches(field.hint)
    inner = list(shapes.fields(arms[0]).values()) if len(arms) == 1 and shapes.is_table(arms[0]) else []
    if inner and (is_needed or not any(each.required for each in inner)):
        needs = {each.name for each in inner if each.required} or {_main(inner)}
        for each in sorted(inner, key=lambda one: one.name not in needs):
            needed = is_needed and each.name in needs
            yield from _lines(each, f"{path}.{each.name}", seen.member(arms[0], each.name), is_needed=needed)
        return
    line = f"{path} = {values.toml(values.value(field.hint, values.named(path), seen))}"
    yield path, line if is_needed else f"# {line}"


def _main(inner: Sequence[shapes.Field]) -> str:
    """What stands in a table that has to be there and needs nothing: what it is about, if it says so."""
    names = [field.name for field in inner]
    return next((name for name in names if name.startswith("prompt")), names[0])


def _note(param: Param | None) -> str:
    return "" if param is None else param.rule
