"""`models`: what can be written in a sidecar, what it costs, and a sidecar to copy.

What is told of one model is that sidecar, with all the rest in comments. It is what validation goes by, so it
needs no configuration, no key and no network.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from runway_watch.catalogue import DEFAULT_OPERATION, OPERATIONS, Operation, find, published, rates, words
from runway_watch.catalogue.describing import Param, describe
from runway_watch.catalogue.operations import AUTO
from runway_watch.catalogue.sample import sample
from runway_watch.catalogue.sheets import NO_MODEL, Sheet, sheets
from runway_watch.catalogue.values import toml

SCHEMA = 1
_WIDEST = 44
"""Characters of a parameter's path up to which the others are aligned."""


class NotServed(LookupError):
    """There is no such operation, or no such model; the message says what there is."""


def choose(operation: str | None, model: str | None) -> list[Sheet]:
    """The models that are meant: all, those of an operation, or one.

    Raises:
        NotServed: with the nearest name.
    """
    if operation is None:
        return [sheet for row in OPERATIONS.values() for sheet in sheets(row)]
    row = OPERATIONS.get(operation) or find(operation)
    if row is None:
        raise NotServed(_no_operation(operation))
    found = sheets(row)
    if model is None:
        return found
    chosen = [sheet for sheet in found if model in (sheet.model, _form(sheet))]
    if not chosen:
        raise NotServed(_no_model(row, model, [sheet.model for sheet in found]))
    return chosen


def _no_operation(name: str) -> str:
    has_it = [row.name for row in OPERATIONS.values() for sheet in sheets(row) if sheet.model == name]
    if has_it:
        return f"{name} is a model, of {', '.join(has_it)}: name one of them before it"
    near = words.nearest_name(name, OPERATIONS)
    meant = f"; did you mean {near}?" if near else ""
    return f"there is no operation {words.show(name)}{meant} (there are {', '.join(OPERATIONS)})"


def _no_model(row: Operation, name: str, served: Sequence[str]) -> str:
    near = words.nearest_name(name, served)
    meant = f"; did you mean {near}?" if near else ""
    return f"{row.name} has no model {words.show(name)}{meant} (it has {', '.join(served)})"


def _form(sheet: Sheet) -> str:
    """By what a shape of an operation without models is told from its others: `mode=auto`."""
    return sheet.model.removeprefix(NO_MODEL).strip()


# -- for people ---------------------------------------------------------------------------------------------


def lines(chosen: Sequence[Sheet], *, width: int = 110) -> Iterator[str]:
    """The models as lines of text: one in full, several a line each.

    Args:
        chosen: the models.
        width: of the terminal, in characters.
    """
    if is_one(chosen):
        yield from _sheet(chosen[0], width)
        for other in chosen[1:]:  # another form of the same: one sidecar has one form
            yield from ("", *(_comment(line) for line in _sheet(other, width)))
        return
    for name, group in groupby(chosen, key=lambda sheet: sheet.row.name):
        found = list(group)
        yield f"{name}: {_files(found[0].row)}"
        widest = max(len(_named(sheet)) for sheet in found)
        yield from (f"  {_named(sheet):<{widest}}  {_price(sheet)}" for sheet in found)
        yield ""
    yield "`runway-watch models OPERATION MODEL` shows all that one takes, and a sidecar to copy"


def _price(sheet: Sheet) -> str:
    told = rates.in_words(sheet.entry)
    return "price unknown" if told == rates.UNKNOWN else told


def is_one(chosen: Sequence[Sheet]) -> bool:
    """Whether one model is meant, or one operation that has none."""
    rows = {sheet.row.name for sheet in chosen}
    return len(chosen) == 1 or (len(rows) == 1 and "model" not in chosen[0].given)


def _named(sheet: Sheet) -> str:
    is_one_of_many = sheet.is_default and "model" in sheet.given
    return f"{sheet.model} (default)" if is_one_of_many else sheet.model


def _files(row: Operation) -> str:
    needed, possible, made = published.files(row.listed)
    goes_in = f"{' + '.join(needed) or 'text'} -> {', '.join(made)}"
    more = f"; may take {', '.join(possible)}" if possible else ""
    return goes_in + more + "".join(f"; what a dropped {kind} asks for" for kind in _default_of(row))


def _default_of(row: Operation) -> list[str]:
    return [kind for kind, name in DEFAULT_OPERATION.items() if name == row.name]


def _sheet(sheet: Sheet, width: int) -> Iterator[str]:
    """All about a model, as text that is a sidecar: what is told stands in comments."""
    yield from (_comment(line) for line in _about(sheet, width - 2))
    yield ""
    yield from sample(sheet).text.splitlines()


def _comment(line: str) -> str:
    return f"# {line}".rstrip()


def _about(sheet: Sheet, width: int) -> Iterator[str]:
    yield f"{sheet.row.name}: {sheet.model}"
    yield from _wrapped("  files  ", _files(sheet.row), width)
    yield from _wrapped("  price  ", rates.in_words(sheet.entry), width)
    yield ""
    yield "parameters (* is needed; inside of another, where that is given)"
    params = describe(sheet)
    widest = max((len(p.path) for p in params if len(p.path) <= _WIDEST), default=0)
    for param in params:
        yield from _wrapped(
            f"  {'*' if param.required else ' '} {param.path:<{widest}}  ", _told(param), width
        )


def _wrapped(label: str, text: str, width: int) -> list[str]:
    """A text beside its label, over as many lines as it takes."""
    room = max(20, width - len(label))
    first, *more = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{label}{first}", *(f"{'':<{len(label)}}{line}" for line in more)]


def _told(param: Param) -> str:
    dropped = f"filled by a dropped {' or '.join(param.dropped)}" if param.dropped else ""
    listed = f"{param.kind}: {', '.join(map(toml, param.allowed))}" if param.allowed else param.kind
    theirs = "" if param.theirs is None else f"Runway's default {toml(param.theirs)}"
    parts = [listed, param.when, *param.limits, dropped, _ours(param), theirs, param.note]
    return "; ".join(filter(None, parts))


def _ours(param: Param) -> str:
    """What is sent where a sidecar leaves it out."""
    if param.default is None or param.path == "model":
        return ""
    told = f"default {toml(param.default)}"
    if param.default == AUTO and AUTO not in param.allowed:
        return f"{told}: {_AUTO.get(param.path, AUTO)}"
    return told


_AUTO = {"ratio": "the allowed one nearest to the picture", "duration": "as long as what goes in"}


# -- for programs -------------------------------------------------------------------------------------------


def document(chosen: Sequence[Sheet]) -> dict[str, Any]:
    """The models with all that is known of them."""
    by_row = groupby(chosen, key=lambda sheet: sheet.row.name)
    return {"schema": SCHEMA, "operations": [_operation(list(group)) for _, group in by_row]}


def _operation(found: Sequence[Sheet]) -> dict[str, Any]:
    row = found[0].row
    needed, possible, made = published.files(row.listed)
    return {
        "operation": row.name,
        "needs": list(needed),
        "takes": list(possible),
        "makes": list(made),
        "default_for": _default_of(row),
        "models": [_model(sheet) for sheet in found],
    }


def _model(sheet: Sheet) -> dict[str, Any]:
    given = sample(sheet)
    return {
        "model": sheet.given.get("model"),
        "form": _form(sheet) if "model" not in sheet.given else "",
        "default": sheet.is_default,
        "price": rates.in_words(sheet.entry),
        "parameters": [_param(param) for param in describe(sheet)],
        "sidecar": given.text,
        "drop": given.kind,
    }


def _param(param: Param) -> Mapping[str, Any]:
    return asdict(param)
