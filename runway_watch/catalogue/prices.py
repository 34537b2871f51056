"""What a request costs at the most, in credits, by Runway's published price list.

Where several prices could apply - a resolution or a quality left open - the dearest counts; where none is
published, the dearest known of the same operation. The server's own `estimatedCost` has the last word.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from runway_watch.catalogue import media, published, ratio, tariff
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.published import Spec
from runway_watch.catalogue.tariff import Traits

_T = TypeVar("_T")

_MEDIA = ("file:", "https:", "runway:")
_NAMED_SIZE = re.compile(r"(?:auto_)?(\d+[pk])")


@dataclass(frozen=True, slots=True)
class Price:
    """The most credits that a request should cost; None if nobody knows. `note` says how sure that is."""

    credits: int | None
    note: str = ""


def price(row: Operation, params: Mapping[str, Any]) -> Price:
    """The price of complete parameters."""
    whom = str(params.get("model", row.name))
    entry = published.entry(row.path, params)
    known = None if entry is None else _cost(entry, params)
    if entry is not None and known is not None:
        unsure = f"the price of {whom} is not confirmed" if entry["credits"].get("unconfirmed") else ""
        return Price(known, unsure)
    dearest = [
        cost for other in published.models(row.path).values() if (cost := _cost(other, params)) is not None
    ]
    if not dearest:
        return Price(None, f"the price of {whom} is not published")
    note = f"the price of {whom} is not published; the dearest known of {row.name} is assumed"
    return Price(max(dearest), note)


_NO_MATTER = frozenset({"prompt_text", "negative_prompt", "seed", "content_moderation", "tag", "subject"})
"""Parameters that no price list of Runway's speaks of."""


def kind(row: Operation, params: Mapping[str, Any]) -> str:
    """What has one price: the operation and everything that a price may depend on, media by their number."""
    return json.dumps([row.name, _costly(params)], sort_keys=True, default=str)


def _costly(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _costly(item) for key, item in value.items() if key not in _NO_MATTER}
    if isinstance(value, list | tuple):
        return [_costly(item) for item in value]
    return "media" if isinstance(value, str) and value.startswith(_MEDIA) else value


def _cost(entry: Spec, params: Mapping[str, Any]) -> int | None:
    """The credits by one model's price list; None where that cannot be said."""
    tariffs = entry.get("credits")
    if tariffs is None:
        return None
    request = _measure(entry, params)
    total = _by_image(tariffs, request) if "perImage" in tariffs else _by_second(tariffs, request)
    # A sum of tenths such as 6.8 x 5 may come out a hair above the whole number that it is.
    return None if total is None else max(math.ceil(round(total, 6)), tariffs.get("min", 0))


def _by_image(tariffs: Spec, request: Traits) -> float | None:
    each = tariff.dearest(tariffs["perImage"], request)
    if each is None:
        return None
    for_each = float(tariffs.get("perReferencePerImage", 0)) * request.images
    return (each + for_each) * request.outputs + float(tariffs.get("perReferenceImage", 0)) * request.images


def _by_second(tariffs: Spec, request: Traits) -> float | None:
    rate = tariff.dearest(tariffs.get("perOutputSecond"), request)
    if rate is None or request.seconds is None:
        return None
    rate += tariff.surcharge(tariffs.get("addPerSecond", {}), request)
    once = float(tariffs.get("startFrame", 0)) * min(request.images, 1)
    for_each = float(tariffs.get("perReference", 0) + tariffs.get("perReferenceImage", 0))
    return rate * request.seconds + once + for_each * request.images + _by_input(tariffs, request)


def _by_input(tariffs: Spec, request: Traits) -> float:
    """Video that goes in is paid by its length, which is not known here: the cap counts."""
    rate = tariff.dearest(tariffs.get("perInputVideoSecond"), request) if request.videos else None
    return (rate or 0) * float(tariffs.get("inputVideoSecondsCap", 0))


def _measure(entry: Spec, params: Mapping[str, Any]) -> Traits:
    kinds = [node.media for node in media.strings(params, {"params": entry["params"]})]
    named = _NAMED_SIZE.fullmatch(str(params.get("resolution") or params.get("ratio") or "").lower())
    size = ratio.size(params.get("ratio"))
    return Traits(
        seconds=_seconds(entry, params),
        outputs=_whole(params.get("output_count")) or 1,
        images=kinds.count("image"),
        videos=kinds.count("video"),
        audio=_typed(params.get("audio"), bool),
        quality=_typed(params.get("quality"), str),
        resolution=named[1] if named else None,
        # A small W:H such as 16:9 is a shape, not a size.
        size=size if size and min(size) >= 64 else None,
        output_format=_typed(params.get("output_format"), str),
    )


def _seconds(entry: Spec, params: Mapping[str, Any]) -> float | None:
    """The longest output: a length that the model chooses itself may be its maximum."""
    longest: float | None = entry["params"].get("duration", {}).get("max")
    settings = params.get("provider_settings")
    shots = settings.get("multi_prompt") if isinstance(settings, dict) else None
    shot_seconds = sum(_whole(shot.get("duration")) or 0 for shot in shots or () if isinstance(shot, dict))
    return max(_whole(params.get("duration")) or 0, shot_seconds) or longest


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _typed(value: object, kind: type[_T]) -> _T | None:
    return value if isinstance(value, kind) else None
