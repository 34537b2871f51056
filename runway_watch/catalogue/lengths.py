"""Judges films and sounds by the limits of models to their length, their frames and their size.

`runway-models.json` has most of them; what it only has in words stands in `_MORE`, with where it is from.
What nobody has looked into, for want of a library, is not judged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runway_watch.catalogue import media, published
from runway_watch.catalogue.published import Node, Spec
from runway_watch.catalogue.words import Problem
from runway_watch.job import MediaFacts

_SLACK = 0.05
"""Seconds by which a film may be longer, or shorter: 30 s at 29.97 frames are 30.03 s."""

_MORE: Mapping[tuple[str, str], Mapping[str, Spec]] = {
    ("/v1/video_to_video", "aleph2"): {"video_uri": {"fpsMax": 30}},  # docs, aleph2
    ("/v1/video_to_video", "seedance2_5"): {
        # SDK 5.24.0, docs: input and reference at least 480p, together at most 30 s
        "prompt_video": {"secondsMax": 30, "minSidePx": 480},
        "reference_videos": {"minSidePx": 480},
    },
    ("/v1/video_to_hdr", "ruby"): {"video_uri": {"maxSidePx": 4095}},  # third-party notes, 2026
    ("/v1/text_to_video", "grok_imagine_1_5"): {
        "reference_audio": {"secondsMin": 3, "secondsMax": 15},  # SDK 5.24.0, of each clip
    },
}
_TOGETHER: Mapping[tuple[str, str], tuple[tuple[str, ...], float]] = {
    ("/v1/video_to_video", "seedance2_5"): (("prompt_video", "reference_videos"), 30.0),  # SDK 5.24.0
}
_MOST_UPSCALED = 25_300_000
"""Pixels of an upscaled picture (docs, magnific)."""


def check(
    path: str, params: Mapping[str, Any], spec: Spec, facts: Mapping[str, MediaFacts]
) -> Iterator[Problem]:
    """Everything beyond a limit of the operation created at `path`, for the model that is named."""
    which = (path, str(params.get("model", "")))
    more = _MORE.get(which, {})
    for node in media.strings(params, spec):
        found = facts.get(node.value)
        if found is not None:
            name = str(node.path[0])
            limits = {**_own(spec, name), **more.get(name, {})}
            if texts := list(_of_one(node, found, limits)):
                yield Problem(node.path, "; ".join(texts))  # of several for one place the first would be told
    for name in params:
        most = _own(spec, name).get("totalSecondsMax")
        if most is not None:
            yield from _of_all((name,), params, most, facts)
    if which in _TOGETHER:
        names, most = _TOGETHER[which]
        yield from _of_all(names, params, most, facts)
    if path == "/v1/image_upscale":
        yield from _upscaled(params, facts)


def _own(spec: Spec, name: str) -> Spec:
    found: Spec = spec.get("params", {}).get(published.camel(name), {})
    return found


def _of_one(node: Node, facts: MediaFacts, limits: Spec) -> Iterator[str]:
    name = node.value.removeprefix(media.FILE)
    low, high = limits.get("secondsMin", 0), limits.get("secondsMax")
    seconds = facts.seconds
    if seconds is not None and high is not None and seconds > high + _SLACK:
        yield f"{name} lasts {_told(seconds)}; at most {high} s are allowed: shorten it to {high} s"
    elif seconds is not None and seconds < low - _SLACK:
        yield f"{name} lasts {_told(seconds)}; at least {low} s are needed: take a longer one"
    if facts.fps is not None and "fpsMax" in limits and facts.fps > limits["fpsMax"] + _SLACK:
        most = limits["fpsMax"]
        yield f"{name} has {facts.fps:.4g} frames a second; at most {most} are allowed: save it with {most}"
    yield from _of_sides(name, facts, limits)


def _of_sides(name: str, facts: MediaFacts, limits: Spec) -> Iterator[str]:
    if not facts.width or not facts.height or facts.kind != "video":
        return
    sides = f"{facts.width}x{facts.height}"
    least, most = limits.get("minSidePx", 0), limits.get("maxSidePx")
    if min(facts.width, facts.height) < least:
        yield f"{name} is too small: {sides}; each side needs at least {least} pixels"
    if most is not None and max(facts.width, facts.height) > most:
        yield f"{name} is too large: {sides}; a side may have {most} pixels at most"


def _told(seconds: float) -> str:
    return f"{seconds:.1f} s"


def _of_all(
    names: tuple[str, ...], params: Mapping[str, Any], most: float, facts: Mapping[str, MediaFacts]
) -> Iterator[Problem]:
    within = {name: params[name] for name in names if name in params}
    found = {node.value: facts[node.value] for node in media.strings(within) if node.value in facts}
    seconds = {file: each.seconds for file, each in found.items() if each.seconds is not None}
    total = sum(seconds.values())
    if total > most + _SLACK:
        listed = ", ".join(f"{file.removeprefix(media.FILE)} {_told(each)}" for file, each in seconds.items())
        text = f"all together last {_told(total)}; at most {most:g} s are allowed ({listed})"
        yield Problem((names[-1] if names[-1] in params else names[0],), text)


def _upscaled(params: Mapping[str, Any], facts: Mapping[str, MediaFacts]) -> Iterator[Problem]:
    factor = params.get("scale_factor", 2)
    for node in media.strings(params):
        found = facts.get(node.value)
        if found is None or not found.width or not found.height or type(factor) is not int:
            continue
        if found.width * found.height * factor * factor > _MOST_UPSCALED:
            fits = [n for n in (2, 4, 8, 16) if found.width * found.height * n * n <= _MOST_UPSCALED]
            advice = f"the largest `scale_factor` for it is {fits[-1]}" if fits else "use a smaller picture"
            text = (
                f"{node.value.removeprefix(media.FILE)} would become "
                f"{found.width * factor}x{found.height * factor}, over 25.3 million pixels; {advice}"
            )
            yield Problem(node.path, text)
