"""Judges parameters by rules between them, which Runway publishes in words only: frames, shots, drafts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from runway_watch.catalogue import published
from runway_watch.catalogue.published import Spec
from runway_watch.catalogue.words import Problem

_FRAMES = "prompt_image"
DRAFT = "draft_task_id"
"""It stands alone: a draft is finished as it was begun (SDK 5.24.0, seedance2_5)."""


def check(params: Mapping[str, Any], spec: Spec) -> Iterator[Problem]:
    """Everything that does not go together."""
    yield from _of_frames(params, spec)
    yield from _of_shots(params)
    yield from _of_draft(params)


def _of_frames(params: Mapping[str, Any], spec: Spec) -> Iterator[Problem]:
    """Frames have a `position`, references have none (notes of the models' `promptImage`)."""
    entries = params.get(_FRAMES)
    if not isinstance(entries, list):
        return
    note = str((published.member(spec, _FRAMES, params) or {}).get("note", ""))
    places = Counter(entry.get("position") if isinstance(entry, dict) else None for entry in entries)
    frames = [place for place in places if place is not None]
    if "cannot be mixed" in note and frames and None in places:
        yield Problem((_FRAMES,), "frames, which have a `position`, and references, without one, do not mix")
    elif "needs a first frame" in note and "last" in frames and "first" not in frames:
        yield Problem((_FRAMES,), "a last frame needs a first one")
    elif twice := [place for place in frames if places[place] > 1]:
        yield Problem((_FRAMES,), f"more than one has the position {twice[0]!r}")


def shot_seconds(params: Mapping[str, Any]) -> int | None:
    """How long all shots of a film last together; None where there are none, or nobody knows."""
    shots = params.get("shots")
    if not isinstance(shots, list) or not shots:
        return None
    lengths = [shot.get("duration") for shot in shots if isinstance(shot, dict)]
    known = [length for length in lengths if type(length) is int]
    return sum(known) if len(known) == len(shots) else None


def _of_shots(params: Mapping[str, Any]) -> Iterator[Problem]:
    """They are as long together as the film (SDK 5.24.0, recipes.multi_shot_video)."""
    together, duration = shot_seconds(params), params.get("duration")
    if together is not None and type(duration) is int and together != duration:
        yield Problem(("shots",), f"{together} s together, and `duration` is {duration}")


def _of_draft(params: Mapping[str, Any]) -> Iterator[Problem]:
    if DRAFT in params:
        for name in sorted(params.keys() - {DRAFT, "model"}):
            yield Problem((name,), f"cannot be said beside `{DRAFT}`, which stands alone")
