"""What a generation costs, in credits: the published prices where they are known, a plain 10 where not."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runway_watch.simulator.schema import Branch, Json

UNKNOWN = 10.0
INPUT_SECONDS = 10.0  # media that come in are not probed; a plain length stands for all
AUTO_SECONDS = 5.0  # what a duration of "auto" turns out to be
FRAMES_PER_SECOND = 24
TIERS = (480, 720, 768, 1080, 1440, 2160)


@dataclass(frozen=True)
class Price:
    """`estimate` is reserved when the task is made, `final` is what a finished one has cost."""

    estimate: int
    final: int


def price(branch: Branch, body: Json) -> Price:
    """The price of one body; only a duration of "auto" makes the two figures differ."""
    asked = _asked(branch, body, "duration")
    rule = branch.params.get("duration", {})
    most = rule.get("max", 15) if asked == "auto" else asked
    seconds = float(most) if isinstance(most, int | float) else AUTO_SECONDS
    final = AUTO_SECONDS if asked == "auto" else seconds
    return Price(_total(branch, body, seconds), _total(branch, body, final))


def output_count(branch: Branch, body: Json) -> int:
    """How many files one task makes."""
    inner = body.get("input") if isinstance(body.get("input"), dict) else {}
    for name in ("outputCount", "numVariants"):
        count = (inner or {}).get(name, _asked(branch, body, name))
        if isinstance(count, int) and count > 0:
            return min(count, 10)
    return int((branch.credits or {}).get("imagesPerCall", 1))


def _asked(branch: Branch, body: Json, name: str) -> Any:
    return body.get(name, branch.params.get(name, {}).get("default"))


def _total(branch: Branch, body: Json, seconds: float) -> int:
    rates = branch.credits
    if not rates:
        return math.ceil(UNKNOWN)
    usage = _usage(branch, body, seconds)
    total: float = sum(
        _rate(rates[name], branch, body) * many for name, many in usage.items() if name in rates
    )
    total += sum(_spans(rates[name], measure(usage)) for name, measure in SPANS.items() if name in rates)
    return math.ceil(max(total, float(rates.get("min", 0))))


def _usage(branch: Branch, body: Json, seconds: float) -> dict[str, float]:
    """How many of each priced thing a body asks for, by the price list's own names."""
    references = len(body.get("referenceImages") or []) + len(body.get("references") or [])
    images = output_count(branch, body)
    return {
        "base": 1,
        "startFrame": 1 if "promptImage" in body else 0,
        "perOutputSecond": seconds,
        "perInputVideoSecond": INPUT_SECONDS,
        "perOutputFrame": INPUT_SECONDS * FRAMES_PER_SECOND,
        "perReference": references + ("promptImage" in body),
        "perReferenceImage": references + (isinstance(body.get("promptImage"), list)),
        "perReferencePerImage": references * images,
        "perImage": images,
        "first4Seconds": 1,
        "perExtraSecond": max(0.0, seconds - 4),
        "seconds": seconds,
        "chars": len(str(body.get("promptText") or "")),
    }


SPANS: dict[str, Callable[[dict[str, float]], float]] = {
    "perCharacters": lambda usage: usage["chars"],
    "perInputSeconds": lambda usage: INPUT_SECONDS,
    "perOutputSeconds": lambda usage: usage["seconds"],
}


def _spans(span: Json, measured: float) -> float:
    """Prices such as one credit for every 50 characters begun."""
    return float(math.ceil(measured / (span.get("chars") or span["seconds"])) * span["credits"])


def _rate(rate: Any, branch: Branch, body: Json) -> float:
    if isinstance(rate, int | float):
        return float(rate)
    if isinstance(rate, list):  # [up to 2K, 4K]
        return float(rate[-1] if _short_side(branch, body) > 1440 else rate[0])
    if isinstance(rate, dict):
        return _rate(_pick(rate, branch, body), branch, body)
    # A sentence such as "3.4 to 30 by resolution": the estimate is the most that a task may charge.
    figures = re.findall(r"\d+(?:\.\d+)?", str(rate).partition("(")[0])
    return max(map(float, figures), default=UNKNOWN)


def _pick(rates: Json, branch: Branch, body: Json) -> Any:
    if "noAudio" in rates:
        return rates["noAudio" if _asked(branch, body, "audio") is False else "audio"]
    side = _short_side(branch, body)
    tier = next((tier for tier in TIERS if side <= tier), 2160)
    sized = {720: "1k", 1080: "1k", 1440: "2k", 2160: "4k"}.get(tier, "1k")
    quality = str(_asked(branch, body, "quality"))
    for wish in (
        quality,
        str(_asked(branch, body, "resolution")).lower(),
        f"{tier}p",
        sized,
        f"{sized} {quality}",
    ):
        for name, rate in rates.items():
            if wish == name or wish in name.split("/"):
                return rate
    return list(rates.values())[-1]


def _short_side(branch: Branch, body: Json) -> int:
    sides = re.fullmatch(r"(\d+):(\d+)", str(_asked(branch, body, "ratio")))
    if sides and int(sides[1]) > 100:
        return min(int(sides[1]), int(sides[2]))
    named = re.search(
        r"(\d+)(p|k)\b", str(_asked(branch, body, "resolution") or _asked(branch, body, "ratio")).lower()
    )
    if named is None:
        return 720
    return int(named[1]) if named[2] == "p" else {1: 1024, 2: 1440}.get(int(named[1]), 2160)
