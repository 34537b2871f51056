"""Reads one line of the price list: which of its keys apply to a request, and the dearest of those.

Keys speak of sound (`audio`, `noAudio`), of a size (`720p`, `2k`, `4MP`, `1k/2k`), of a quality (`high`), or
of several (`2k medium`). A pair of numbers is the price below 4K and at 4K.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SIZE = re.compile(r"(\d+)(p|k|mp)")
_SLACK = 1.1
"""Sizes of one tier differ a little in area: 992:432 is sold as 480p, 1296:864 as 1k."""
_ABOVE_4_MP = " above 4 MP"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a price may depend on; None where the request leaves it open. Seconds, pixels, counts."""

    seconds: float | None
    outputs: int
    images: int
    videos: int
    audio: bool | None
    quality: str | None
    resolution: str | None
    size: tuple[int, int] | None
    output_format: str | None

    @property
    def pixels(self) -> int | None:
        """The area of one output."""
        return None if self.size is None else self.size[0] * self.size[1]


def dearest(line: Any, traits: Traits) -> float | None:
    """The highest price in a line that may apply to the request; None for a line without a number."""
    match line:
        case int() | float():
            return line
        case str():  # "3.4 to 30 by resolution"
            return max((float(number) for number in re.findall(r"\d+(?:\.\d+)?", line)), default=None)
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
    small = traits.pixels is not None and traits.pixels <= 4_000_000
    possible = [key for key in line if not (small and key.endswith(_ABOVE_4_MP))]
    named = [key for key in possible if wanted in key.removesuffix(_ABOVE_4_MP).split("|")]
    return max((line[key] for key in named or possible), default=0)
