"""The JSON body that leaves: the SDK's aliases at every depth, just as the SDK's own client writes it."""

from collections.abc import Mapping
from typing import Any

from runway_watch.catalogue import media, shapes
from runway_watch.catalogue.operations import Operation


def body(row: Operation, params: Mapping[str, Any], uris: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as in a sidecar -> the body of the create request.

    Keys that the SDK does not know stay as they are. Like the SDK's client, this goes through every
    alternative of a union, so it also spells the known keys of a model that the SDK does not know.

    Args:
        row: the operation.
        params: complete parameters, media as `file:NAME`.
        uris: the upload of each `file:` string.

    Raises:
        KeyError: a `file:` string has no upload.
    """
    found: dict[str, Any] = _spell(media.replace(media.settle(params), uris), row.params)
    return found


def _spell(value: Any, hint: shapes.Hint) -> Any:
    for arm in shapes.branches(hint):
        value = _spell_as(value, arm)
    return value


def _spell_as(value: Any, hint: shapes.Hint) -> Any:
    if isinstance(value, dict):
        if shapes.is_table(hint):
            return _spell_table(value, hint)
        inner = shapes.values(hint)
        return value if inner is None else {key: _spell(each, inner) for key, each in value.items()}
    inner = shapes.item(hint) if isinstance(value, list) else None
    return value if inner is None else [_spell(each, inner) for each in value]


def _spell_table(table: Mapping[str, Any], shape: shapes.Hint) -> dict[str, Any]:
    known = shapes.fields(shape)
    return {
        known[key].wire if key in known else key: _spell(each, known[key].hint) if key in known else each
        for key, each in table.items()
    }
