"""A model's published prices in words: `12 credits per second`. "unknown" where none is published."""

from collections.abc import Iterator, Mapping
from typing import Any

from runway_watch.catalogue.published import Spec

UNKNOWN = "unknown"

_UNITS: Mapping[str, str] = {
    "base": "credits",
    "perOutputSecond": "credits per second",
    "perImage": "credits per image",
    "perOutputFrame": "credits per frame",
    "first4Seconds": "credits for the first 4 s",
    "perExtraSecond": "credits for each further second",
    "perInputVideoSecond": "credits per second of film that goes in",
    "inputVideoSecondsCap": "s of that count at most",
    "perImageAbove4096px": "credits if a side of the result is above 4096 px",
    "withoutDuration": "credits without a duration",
    "startFrame": "for a start frame",
    "perReference": "for each reference",
    "perReferenceImage": "for each reference image",
    "perReferencePerImage": "for each reference and image",
    "imagesPerCall": "images a time",
    "addPerSecond": "more per second by output_format",
    "min": "credits at least",
}
"""What a figure under each key of a price list is for, in the order in which they are told."""

_SAYS_NOTHING = frozenset({"src", "note", "unconfirmed"})
_WORDS = {"audio": "with sound", "noAudio": "silent"}


def in_words(entry: Spec | None) -> str:
    """What is published about the price of one model, as a line.

    Args:
        entry: the model's published entry; None for a model that is not known.
    """
    tariffs = (entry or {}).get("credits")
    if tariffs is None:
        return UNKNOWN
    doubt = " (not confirmed)" if tariffs.get("unconfirmed") else ""
    return ("; ".join(_parts(tariffs)) or UNKNOWN) + doubt


def _parts(tariffs: Spec) -> Iterator[str]:
    yield from (_told(tariffs[key], unit) for key, unit in _UNITS.items() if key in tariffs)
    for key, value in tariffs.items():
        if key in _SPANS:
            yield _span(value, _SPANS[key])
        elif key not in _UNITS and key not in _SAYS_NOTHING:
            yield _told(value, key)


def _told(value: Any, unit: str) -> str:
    if value == 1:
        return f"1 {unit.replace('credits', 'credit')}"
    return f"{value:g} {unit}" if isinstance(value, int | float) else f"{unit}: {_figures(value)}"


def _figures(value: Any) -> str:
    """A pair below 4K and at 4K, or figures by size, quality or sound, in words."""
    match value:
        case [below, at_4k]:
            return f"{below:g} (4K: {at_4k:g})"
        case Mapping():
            return ", ".join(f"{_WORDS.get(key, key)} {_figures(each)}" for key, each in value.items())
        case int() | float():
            return f"{value:g}"
    return str(value)


_SPANS = {
    "perCharacters": "characters",
    "perInputSeconds": "s that go in",
    "perOutputSeconds": "s that come out",
}


def _span(span: Spec, unit: str) -> str:
    """Prices such as one credit for every 50 characters begun."""
    amount = span.get("chars") or span["seconds"]
    return f"{_told(span['credits'], 'credits')} for each {amount:g} {unit}, or part of them"
