"""What a request costs at the most, in credits, by Runway's published price list.

Where several prices could apply - a resolution or a quality left open - the dearest counts; where none is
published, the dearest known of the same operation. The server's own `estimatedCost` has the last word.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runway_watch.catalogue import published, tariff
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.published import Spec
from runway_watch.catalogue.traits import Facts, Traits, has_length, measure

_MEDIA = ("file:", "https:", "runway:")
_NOTHING: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Price:
    """The most credits that a request should cost.

    Args:
        credits: None if nobody knows.
        note: how sure that is.
        is_known: whether it is this request's own price, rather than what is kept ready for want of one.
    """

    credits: int | None
    note: str = ""
    is_known: bool = True


def price(row: Operation, params: Mapping[str, Any], facts: Facts = _NOTHING) -> Price:
    """The price of complete parameters; `facts` are of the files that go in, by `file:NAME`."""
    whom = row.model(params)
    entry = published.entry(row.listed, params)
    if entry is not None and "credits" in entry:
        traits = measure(entry, params, facts)
        known = _total(tariff.spelled_out(entry["credits"]), traits)
        if known is not None:
            return Price(known, _doubt(whom, entry, traits))
        return Price(None, f"{whom} is paid for by a length that is not known", is_known=False)
    others = published.models(row.listed).values()
    dearest = [cost for other in others if (cost := _cost(other, params, facts)) is not None]
    if not dearest:
        return Price(None, f"the price of {whom} is not published", is_known=False)
    note = f"the price of {whom} is not published; the dearest known of {row.name} is assumed"
    return Price(max(dearest), note, is_known=False)


def _doubt(whom: str, entry: Spec, traits: Traits) -> str:
    if entry["credits"].get("unconfirmed"):
        return f"the price of {whom} is not confirmed"
    is_by_length = any(key.startswith("perOutputSecond") for key in entry["credits"])
    return "how long it will be is estimated" if traits.is_guess and is_by_length else ""


_BY_LENGTH = frozenset({"perInputVideoSecond", "perInputSeconds", "perOutputFrame", "perOutputSeconds"})


def is_by_length(row: Operation, params: Mapping[str, Any]) -> bool:
    """Whether the price depends on how long that is which goes in, which the parameters do not say.

    Where no price is published it may, if anything goes in that has a length.
    """
    entry = published.entry(row.listed, params) or {"params": {}}
    tariffs = tariff.spelled_out(entry.get("credits", {}))
    if not tariffs:
        return has_length(entry, params)
    as_long = "perOutputSecond" in tariffs and "duration" not in entry["params"]
    return as_long or not _BY_LENGTH.isdisjoint(tariffs)


_NO_MATTER = frozenset({"prompt_text", "negative_prompt", "seed", "content_moderation", "tag", "subject"})
"""Parameters that a price list of Runway's speaks of by their length at the most."""


def kind(row: Operation, params: Mapping[str, Any], listed: int | None) -> str:
    """What has one price: the operation and everything that a price may depend on, media by their number.

    What depends on lengths, of media or of text, shows in `listed`, what the price list says: as far as
    those lengths are known (see `is_by_length`).
    """
    return json.dumps([row.name, listed, _costly(params)], sort_keys=True, default=str)


def _costly(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _costly(item) for key, item in value.items() if key not in _NO_MATTER}
    if isinstance(value, list | tuple):
        return [_costly(item) for item in value]
    return "media" if isinstance(value, str) and value.startswith(_MEDIA) else value


def _cost(entry: Spec, params: Mapping[str, Any], facts: Facts) -> int | None:
    """The credits by one model's price list; None where that cannot be said."""
    tariffs = tariff.spelled_out(entry.get("credits", {}))
    return _total(tariffs, measure(entry, params, facts)) if tariffs else None


def _total(tariffs: Mapping[str, Any], traits: Traits) -> int | None:
    total = tariff.total(tariffs, traits)
    # A sum of tenths such as 6.8 x 5 may come out a hair above the whole number that it is.
    return None if total is None else max(math.ceil(round(total, 6)), tariffs.get("min", 0))
