"""Tells a sidecar that is complete alone from one whose picture has not arrived yet. Never raises."""

import re
from collections.abc import Mapping
from typing import Any

from runway_watch.catalogue import media, shapes
from runway_watch.catalogue.operations import Operation


def awaits(row: Operation, params: Mapping[str, Any], *, tag: str) -> bool:
    """Whether these parameters need, or speak of, a dropped file that is not there."""
    given = media.settle(params)
    if "model" in row.defaults:
        given.setdefault("model", row.defaults["model"])
    shape = shapes.shape_for(row.params, given) or shapes.shape_for(row.params, row.defaults)
    known = shapes.fields(shape) if shape else {}
    slots = [known[name] for names in row.slots.values() for name in names if name in known]
    if not any(slot.name in given for slot in slots) and any(slot.required for slot in slots):
        return True
    return any(_has_room(slot, given) for slot in slots) and _speaks_of(given, tag)


def _has_room(slot: shapes.Field, given: Mapping[str, Any]) -> bool:
    return slot.name not in given or isinstance(given[slot.name], list)


def _speaks_of(given: Mapping[str, Any], tag: str) -> bool:
    prompt = given.get("prompt_text")
    if not isinstance(prompt, str) or not re.search(rf"(?<![\w@])@{re.escape(tag)}(?!\w)", prompt):
        return False
    entries = [entry for value in given.values() if isinstance(value, list) for entry in value]
    return not any(isinstance(entry, dict) and entry.get("tag") == tag for entry in entries)
