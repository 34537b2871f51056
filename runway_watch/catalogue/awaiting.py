"""Tells a sidecar that is complete alone from one whose picture has not arrived yet. Never raises."""

import re
from collections.abc import Mapping
from typing import Any

from runway_watch.catalogue import media, slots
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.refining import shape_of


def awaits(row: Operation, params: Mapping[str, Any], *, tag: str) -> bool:
    """Whether these parameters need, or speak of, a dropped file that is not there."""
    given = row.with_model(media.settle(params))
    shape = shape_of(row, given) or shape_of(row, row.defaults)
    if shape is None:
        return False
    found = [spot for kind in row.slots for spot in slots.spots(row, shape, kind, given)]
    if any(_is_missing(spot, row) for spot in found) or slots.leaves_open(row, shape, given):
        return True
    return any(_has_room(spot) for spot in found) and _speaks_of(given, tag)


def _is_missing(spot: slots.Spot, row: Operation) -> bool:
    """Whether the request is none without it."""
    return spot.value is None and spot.field.required and spot.path[0] not in row.defaults


def _has_room(spot: slots.Spot) -> bool:
    return spot.value is None or isinstance(spot.value, list)


def _speaks_of(given: Mapping[str, Any], tag: str) -> bool:
    prompt = given.get("prompt_text")
    if not isinstance(prompt, str) or not re.search(rf"(?<![\w@])@{re.escape(tag)}(?!\w)", prompt):
        return False
    entries = [entry for value in given.values() if isinstance(value, list) for entry in value]
    return not any(isinstance(entry, dict) and entry.get("tag") == tag for entry in entries)
