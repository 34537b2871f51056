"""What a price may depend on, read from a request: sizes, lengths, counts. Pure.

Where the request leaves something open, the most that the model allows stands in for it; where nobody knows,
it is None. Text that is to be spoken is taken to last as long as people need for it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from runway_watch.catalogue import media, published, ratio
from runway_watch.catalogue.published import Node, Spec
from runway_watch.job import MediaFacts

_T = TypeVar("_T")

_NAMED_SIZE = re.compile(r"(?:auto_)?(\d+[pk])")
_SPOKEN_A_SECOND = 10
"""Letters: slow speech. What is said in a second has 12 to 15."""

_SOUND_SECONDS = 60.0
"""A sound whose length its model chooses itself; no limit is published."""

Facts = Mapping[str, MediaFacts]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a price may depend on; None where nobody knows. Seconds, pixels, counts.

    Args:
        seconds: how long the output is.
        asked: the duration that was asked for.
        put_in: how long the films and sounds are together that go in.
        frames: how many pictures the film has that goes in.
        letters: of the text that is to be spoken.
        source: pixels of the film or picture that goes in.
        grown: the longest side of what comes out of an upscaler.
        is_guess: nobody can know how long the output will be.
    """

    seconds: float | None
    outputs: int
    images: int
    videos: int
    audio: bool | None
    quality: str | None
    resolution: str | None
    size: tuple[int, int] | None
    output_format: str | None
    asked: float | None = None
    put_in: float | None = None
    frames: float | None = None
    letters: int = 0
    source: int | None = None
    grown: int | None = None
    is_guess: bool = False

    @property
    def pixels(self) -> int | None:
        """The area of one output."""
        return None if self.size is None else self.size[0] * self.size[1]


def measure(entry: Spec, params: Mapping[str, Any], facts: Facts) -> Traits:
    """The traits of a request to the model with this published entry."""
    nodes = list(media.strings(params, {"params": entry["params"]}))
    kinds = [_kind(node, facts) for node in nodes]
    lengths = list(_lengths(nodes, facts))
    named = _NAMED_SIZE.fullmatch(str(_asked(entry, params, "resolution", "ratio") or "").lower())
    size = ratio.size(params.get("ratio"))
    speech = len(_spoken(params).encode("utf-16-le", "surrogatepass")) // 2
    seconds, is_guess = _seconds(entry, params, lengths, speech)
    main = next((known for node in nodes if (known := facts.get(node.value)) and known.width), None)
    return Traits(
        seconds=seconds,
        outputs=_outputs(entry, params),
        images=kinds.count("image"),
        videos=kinds.count("video"),
        audio=_typed(params.get("audio"), bool),
        quality=_typed(params.get("quality"), str),
        resolution=named[1] if named else None,
        # A small W:H such as 16:9 is a shape, not a size.
        size=size if size and min(size) >= 64 else None,
        output_format=_typed(params.get("output_format"), str),
        asked=_number(params.get("duration")),
        put_in=None if None in lengths or not lengths else sum(filter(None, lengths)),
        frames=None if params.get("fps_boost") else _frames(nodes, facts),  # how many more is not published
        letters=speech,
        source=None if main is None or not main.height or not main.width else main.width * main.height,
        grown=_grown(entry, params, main),
        is_guess=is_guess,
    )


def has_length(entry: Spec, params: Mapping[str, Any]) -> bool:
    """Whether a film, a sound or text that is spoken goes in."""
    nodes, inner = media.strings(params, {"params": entry["params"]}), params.get("input")
    is_speech = isinstance(inner, dict) and inner.get("type") == "speech"
    return is_speech or _is_spoken(entry) or any(node.media != "image" for node in nodes)


def _asked(entry: Spec, params: Mapping[str, Any], *names: str) -> object:
    """The first of these that the request says, else the first for which Runway's default is published."""
    specs = (entry["params"].get(published.camel(name), {}) for name in names)
    usual = (spec["default"] for spec in specs if "default" in spec)
    return next((params[name] for name in names if params.get(name)), next(usual, None))


def _kind(node: Node, facts: Facts) -> str | None:
    known = facts.get(node.value)
    return known.kind if known else node.media


def _lengths(nodes: list[Node], facts: Facts) -> Iterator[float | None]:
    """How long each film or sound lasts; the longest that is allowed where nobody knows."""
    for node in nodes:
        if _kind(node, facts) != "image":
            known = facts.get(node.value)
            longest: float | None = node.window.get("secondsMax")
            yield known.seconds if known and known.seconds else longest


def _seconds(
    entry: Spec, params: Mapping[str, Any], lengths: list[float | None], speech: int
) -> tuple[float | None, bool]:
    """The longest output: a length that the model chooses itself may be its maximum."""
    inner = params.get("input")
    asked = [params.get("duration"), inner.get("duration") if isinstance(inner, dict) else None]
    settings = params.get("provider_settings")
    shots = params.get("shots") or (settings.get("multi_prompt") if isinstance(settings, dict) else None)
    listed = shots if isinstance(shots, list) else []
    shot_seconds = sum(_number(shot.get("duration")) or 0 for shot in listed if isinstance(shot, dict))
    if said := max([*(_number(each) or 0 for each in asked), shot_seconds]):
        return said, False
    spec = entry["params"].get("duration", {})
    longest: float | None = spec.get("max", spec.get("default"))
    if longest is not None or (spec and not lengths):
        return longest, False
    if lengths:
        return (None if None in lengths else max(filter(None, lengths))), False
    return (speech / _SPOKEN_A_SECOND if _is_spoken(entry) else _SOUND_SECONDS), True


def _is_spoken(entry: Spec) -> bool:
    return "voice" in entry["params"] or "speech" in entry["params"]


def _spoken(params: Mapping[str, Any]) -> str:
    """The text that a voice is to say."""
    speech = params.get("speech")
    text = speech.get("text") if isinstance(speech, dict) else params.get("prompt_text")
    return text if isinstance(text, str) else ""


def _outputs(entry: Spec, params: Mapping[str, Any]) -> int:
    said = _asked(entry, params, "output_count", "num_variants")
    usual = (entry.get("credits") or {}).get("imagesPerCall", 1)
    return max(1, said if type(said) is int else usual)


def _frames(nodes: list[Node], facts: Facts) -> float | None:
    known = [facts.get(node.value) for node in nodes]
    counts = [f.seconds * f.fps for f in known if f and f.seconds and f.fps]
    return math.ceil(sum(counts)) if counts else None


def _grown(entry: Spec, params: Mapping[str, Any], main: MediaFacts | None) -> int | None:
    factor = _asked(entry, params, "scale_factor")
    if main is None or not main.width or not main.height or type(factor) is not int:
        return None
    return max(main.width, main.height) * factor


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _typed(value: object, kind: type[_T]) -> _T | None:
    return value if isinstance(value, kind) else None
