"""Reads a price list: what each of its lines comes to, and which of a line's keys apply to a request.

Of several that may apply, the dearest counts.

Keys speak of sound (`audio`, `noAudio`), of a size (`720p`, `2k`, `4MP`, `1k/2k`), of a quality (`high`), or
of several (`2k medium`). A pair of numbers is the price below 4K and at 4K.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runway_watch.catalogue.traits import Traits

Part = Callable[[Mapping[str, Any], Traits], float | None]

_SIZE = re.compile(r"(\d+)(p|k|mp)")
_SLACK = 1.1
"""Sizes of one tier differ a little in area: 992:432 is sold as 480p, 1296:864 as 1k."""
_ABOVE_4_MP = " above 4 MP"
_SOURCE = re.compile(r"(up to|above) 4 MP source")
_MP_4 = 4_000_000
_LARGE = 4096
"""The longest side, in pixels, beyond which an upscaled picture costs more."""


_FILMS_AS_OUTPUT = re.compile(r"reference video billed at the output rate, capped at (\d+) s")


def spelled_out(tariffs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A price list with what its note alone says: films that go in may cost as much as what comes out."""
    found = _FILMS_AS_OUTPUT.search(str(tariffs.get("note", "")))
    if found is None:
        return tariffs
    more = {"perInputVideoSecond": tariffs["perOutputSecond"], "inputVideoSecondsCap": int(found[1])}
    return {**tariffs, **more}


def total(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    """What a request costs by a price list that is spelled out; None where a figure is missing."""
    parts = [_part(tariffs, traits) for tells, _part in _PARTS if not tells.isdisjoint(tariffs)]
    known = [part for part in parts if part is not None]
    return float(tariffs.get("base", 0)) + sum(known) if parts and len(known) == len(parts) else None


def _images(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    each = dearest(tariffs["perImage"], traits)
    if each is not None and "perImageAbove4096px" in tariffs and (traits.grown or _LARGE + 1) > _LARGE:
        each = float(tariffs["perImageAbove4096px"])
    if each is None:
        return None
    for_each = float(tariffs.get("perReferencePerImage", 0)) * traits.images
    return (each + for_each) * traits.outputs + float(tariffs.get("perReferenceImage", 0)) * traits.images


def _output_seconds(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    if traits.asked is None and "withoutDuration" in tariffs:
        return float(tariffs["withoutDuration"])
    rate = dearest(tariffs["perOutputSecond"], traits)
    if rate is None or traits.seconds is None:
        return None
    rate += surcharge(tariffs.get("addPerSecond", {}), traits)
    once = float(tariffs.get("startFrame", 0)) * min(traits.images, 1)
    for_each = float(tariffs.get("perReference", 0) + tariffs.get("perReferenceImage", 0))
    return rate * traits.seconds + once + for_each * traits.images


def _input_seconds(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    """Film that goes in is paid by its length; where that is not known, the cap counts."""
    rate = dearest(tariffs["perInputVideoSecond"], traits) if traits.videos else 0
    cap = tariffs.get("inputVideoSecondsCap")
    seconds = traits.put_in if traits.put_in is not None else cap
    if rate and seconds is None:
        return None
    pictures = 0 if "perOutputSecond" in tariffs else float(tariffs.get("perReferenceImage", 0))
    return (rate or 0) * min(seconds or 0, cap or math.inf) + pictures * traits.images


def _frames(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    rate = dearest(tariffs["perOutputFrame"], traits)
    return None if rate is None or traits.frames is None else math.ceil(rate * traits.frames)


def _first_seconds(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
    first, more = (dearest(tariffs[key], traits) for key in ("first4Seconds", "perExtraSecond"))
    if first is None or more is None or traits.seconds is None:
        return None
    return first + more * max(0.0, traits.seconds - 4)


def _spans(key: str, of: Callable[[Traits], float | None]) -> Part:
    """Prices such as one credit for every 50 characters begun."""

    def part(tariffs: Mapping[str, Any], traits: Traits) -> float | None:
        span, amount = tariffs[key], of(traits)
        if amount is None:
            return None
        return float(math.ceil(amount / (span.get("chars") or span["seconds"])) * span["credits"])

    return part


_PARTS: tuple[tuple[frozenset[str], Part], ...] = (
    (frozenset({"perImage"}), _images),
    (frozenset({"perOutputSecond"}), _output_seconds),
    (frozenset({"perInputVideoSecond"}), _input_seconds),
    (frozenset({"perOutputFrame"}), _frames),
    (frozenset({"first4Seconds"}), _first_seconds),
    (frozenset({"perCharacters"}), _spans("perCharacters", lambda traits: traits.letters)),
    (frozenset({"perInputSeconds"}), _spans("perInputSeconds", lambda traits: traits.put_in)),
    (frozenset({"perOutputSeconds"}), _spans("perOutputSeconds", lambda traits: traits.seconds)),
)
"""By which key of a price list which part of the price is told."""


def dearest(line: Any, traits: Traits) -> float | None:
    """The highest price in a line that may apply to the request; None for a line without a number."""
    match line:
        case int() | float():
            return line
        case str():  # "3.4 to 30 by resolution", what stands in brackets explains
            told = line.partition("(")[0]
            return max((float(number) for number in re.findall(r"\d+(?:\.\d+)?", told)), default=None)
        case [below, at_4k]:
            return float(at_4k if _may_be_4k(traits) else below)
        case Mapping():
            prices = [dearest(line[key], traits) for key in line if _applies(key, line, traits)]
            return max((each for each in prices if each is not None), default=None)
    return None


def _may_be_4k(traits: Traits) -> bool:
    """4K, as the sizes of gpt_image_2 group themselves: a long side from 3200 on, or 8 megapixels."""
    return traits.size is None or max(traits.size) >= 3200 or (traits.pixels or 0) >= 8_000_000


def _applies(key: str, line: Iterable[str], traits: Traits) -> bool:
    if found := _SOURCE.fullmatch(key):
        return traits.source is None or (traits.source > _MP_4) == (found[1] == "above")
    names = {word for each in line for word in _words(each)}
    return any(all(_fits(word, names, traits) for word in one.split()) for one in key.lower().split("/"))


def _words(key: str) -> list[str]:
    return key.lower().replace("/", " ").split()


def _fits(word: str, names: set[str], traits: Traits) -> bool:
    if word in ("audio", "noaudio"):
        return traits.audio is None or traits.audio == (word == "audio")
    if _SIZE.fullmatch(word):
        return _tier([name for name in names if _SIZE.fullmatch(name)], traits) in (None, word)
    return traits.quality not in names or traits.quality == word


def _tier(sizes: list[str], traits: Traits) -> str | None:
    """The size that the request will be sold as; None if it leaves that open."""
    if traits.resolution in sizes:
        return traits.resolution
    if traits.resolution or traits.pixels is None:
        return None
    rising = sorted(sizes, key=_area)
    return next((name for name in rising if traits.pixels <= _area(name) * _SLACK), rising[-1])


def _area(name: str) -> float:
    found = _SIZE.fullmatch(name)
    number, unit = (int(found[1]), found[2]) if found else (0, "")
    return {"p": number * number * 16 / 9, "k": (number * 1024) ** 2, "mp": number * 2**20}.get(unit, 0)


def surcharge(line: Mapping[str, float], traits: Traits) -> float:
    """Credits per second on top for the request's output format.

    A format that no key names is one of the costly kind that the list only describes (`10-bit/HDR/EXR`).
    """
    wanted = traits.output_format
    if wanted in (None, "mp4"):
        return 0
    small = traits.pixels is not None and traits.pixels <= _MP_4
    possible = [key for key in line if not (small and key.endswith(_ABOVE_4_MP))]
    named = [key for key in possible if wanted in key.removesuffix(_ABOVE_4_MP).split("|")]
    return max((line[key] for key in named or possible), default=0)
