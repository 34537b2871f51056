"""What becomes of a picture, or a source film, whose shape is not that of the ratio.

The server would crop it from the centre and say nothing (docs, assets/inputs). Here that is named, or the
picture is padded, or the drop is refused, as `[job] fit` says. Pure arithmetic, pixels throughout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Any, Literal

from runway_watch.catalogue import media, ratio, words
from runway_watch.catalogue.published import Node
from runway_watch.catalogue.words import Problem
from runway_watch.job import MediaFacts
from runway_watch.sides import padding

Fit = Literal["crop", "pad", "refuse"]

_FRAMES = frozenset({"prompt_image", "prompt_video", "video_uri", "character", "first_frame"})
"""Parameters that the output takes its picture from. References may have any shape."""

_ROLES = {"reference_images": ("first", "last"), "reference_videos": ("source",)}
"""The same within `input`, where entries of lists say what they are for."""

_LEAST = 0.01
"""Of a side, in all; less is nothing that anybody would see, and ratios are rounded to whole pixels."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is known of the shapes of a request's files, by their `file:NAME`.

    Args:
        problems: why it is refused.
        cropped: what Runway will cut off, in words.
        pads: the shapes that pictures are to be padded to, "16:9".
        media: the files' facts, as they will be.
    """

    problems: tuple[Problem, ...] = ()
    cropped: Mapping[str, str] = field(default_factory=dict)
    pads: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, MediaFacts] = field(default_factory=dict)


def fitted(
    params: Mapping[str, Any], facts: Mapping[str, MediaFacts], *, fit: Fit, allowed: tuple[Any, ...] = ()
) -> Fitted:
    """Compare every frame with the ratio.

    Args:
        params: complete parameters, the ratio resolved.
        facts: what is known about each `file:NAME`.
        fit: what the drop wants.
        allowed: the ratios that the model has.
    """
    wanted = ratio.size(_ratio(params))
    if wanted is None:
        return Fitted(media=facts)
    problems: list[Problem] = []
    cropped: dict[str, str] = {}
    pads: dict[str, str] = {}
    known = dict(facts)
    for node, found in _frames(params, facts):
        lost = loss((found.width or 0, found.height or 0), wanted)
        if not lost:
            continue
        if fit == "refuse" or (fit == "pad" and found.kind != "image"):
            problems.append(Problem(node.path, _refused(node.value, found, (wanted, lost), fit, allowed)))
        elif fit == "pad":
            pads[node.value] = shape = spelled(wanted)
            _, (width, height) = padding((found.width or 0, found.height or 0), shape)
            known[node.value] = replace(found, width=width, height=height)
        else:
            cropped[node.value] = lost
    return Fitted(tuple(problems), cropped, pads, known)


def loss(picture: tuple[int, int], wanted: tuple[int, int]) -> str:
    """What is cut off a picture to give it another shape: "12 % left and right", of its side at each end.

    "" where that is nothing, or next to it.
    """
    wide, high = picture[0] * wanted[1], picture[1] * wanted[0]
    if min(wide, high) <= 0 or abs(1 - min(wide, high) / max(wide, high)) < _LEAST:
        return ""
    part = 50 * (1 - min(wide, high) / max(wide, high))
    where = "left and right" if wide > high else "top and bottom"
    return f"{max(1, round(part))} % {where}"


def _ratio(params: Mapping[str, Any]) -> object:
    inner = params.get("input")
    return inner.get("aspect_ratio") if isinstance(inner, Mapping) else params.get("ratio")


def spelled(size: tuple[int, int]) -> str:
    """A shape in the smallest whole numbers: (1280, 720) -> "16:9"."""
    common = gcd(*size)
    return f"{size[0] // common}:{size[1] // common}"


def _frames(params: Mapping[str, Any], facts: Mapping[str, MediaFacts]) -> Iterator[tuple[Node, MediaFacts]]:
    seen: set[str] = set()
    for node in media.strings(params):
        found = facts.get(node.value)
        if found is None or not found.width or not found.height or node.value in seen:
            continue
        if _is_frame(params, node):
            seen.add(node.value)
            yield node, found


def _is_frame(params: Mapping[str, Any], node: Node) -> bool:
    """Whether the output begins or ends with it: in a list it says so, and what does not is a reference."""
    match node.path:
        case ("input", str(name), int(at), "uri"):
            return params["input"][name][at].get("role") in _ROLES.get(name, ())
        case _:
            return node.path[0] in _FRAMES and _is_placed(params, node)


def _is_placed(params: Mapping[str, Any], node: Node) -> bool:
    value = params[str(node.path[0])]
    if not isinstance(value, list):
        return True
    entry = value[int(node.path[1])]
    return isinstance(entry, dict) and "position" in entry


def _refused(
    file: str,
    found: MediaFacts,
    told: tuple[tuple[int, int], str],
    fit: Fit,
    allowed: tuple[Any, ...],
) -> str:
    (wide, high), lost = told
    name, own = file.removeprefix(media.FILE), (found.width or 0, found.height or 0)
    asked, short = f"{wide}:{high}", spelled((wide, high))
    text = (
        f"{name} is {own[0]}x{own[1]} ({spelled(own)}), and the ratio is {asked}"
        f"{f' ({short})' if short != asked else ''}: Runway would cut off {lost}"
    )
    if fit == "pad":
        return f'{text}; a film cannot be padded: crop it yourself, or say `fit = "crop"` in [job]'
    near = ratio.closest(own, allowed)
    advice = f"the nearest ratio is {words.show(near)}" if near and near != asked else "crop it"
    return f'{text}, and [job] has `fit = "refuse"`; {advice}'
