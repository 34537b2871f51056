"""Judges parameters by the published limits that the SDK's types cannot say: ranges, lengths, counts, shapes.

Lengths are UTF-16 code units, as Runway counts them: an emoji is two.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runway_watch.catalogue import media, published, words
from runway_watch.catalogue.published import Node, Spec
from runway_watch.catalogue.words import Path, Problem
from runway_watch.job import MediaFacts
from runway_watch.sidecar import TAG


def check(params: Mapping[str, Any], spec: Spec, facts: Mapping[str, MediaFacts]) -> Iterator[Problem]:
    """Everything beyond a published limit; a `file:` string without facts is not judged."""
    for node in published.walk(params, spec):
        for text in (*_of_value(node), *_of_file(node, facts)):
            yield Problem(node.path, text)


def told(spec: Spec) -> Iterator[str]:
    """The limits of one parameter in words, but for the values that it may have."""
    low, high = spec.get("min"), spec.get("max")
    if low is not None or high is not None:
        yield _span(low, high)
    if "exclusiveMin" in spec:
        yield f"more than {spec['exclusiveMin']}"
    for least, most, unit in _TOLD:
        if least in spec or most in spec:
            low, high = spec.get(least), spec.get(most)
            span = str(low) if low == high else _span(low, high)
            yield f"{span} {unit[span.rpartition(' ')[2] != '1']}"
    if "minSidePx" in spec:
        yield f"each side at least {spec['minSidePx']} pixels"
    if "totalSecondsMax" in spec:
        yield f"together at most {spec['totalSecondsMax']} s long"
    if "pattern" in spec:
        yield f"of the form {spec['pattern']}"


_TOLD = (
    ("minLength", "maxLength", ("character", "characters")),
    ("minItems", "maxItems", ("entry", "entries")),
    ("aspectMin", "aspectMax", ("wide to 1 high", "wide to 1 high")),
    ("secondsMin", "secondsMax", ("s long", "s long")),
)
"""The lower limit, the upper limit, and what they count, one and many."""


def tags(params: Mapping[str, Any]) -> Iterator[Problem]:
    """Tags that Runway would refuse, or could not tell apart."""
    for name, value in params.items():
        entries = value if isinstance(value, list) else []
        yield from _tags_of([((name, n, "tag"), e["tag"]) for n, e in enumerate(entries) if _is_tagged(e)])


def _is_tagged(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("tag"), str)


def _tags_of(tagged: Sequence[tuple[Path, str]]) -> Iterator[Problem]:
    count = Counter(tag for _, tag in tagged)
    seen = set()
    for path, tag in tagged:
        if not TAG.fullmatch(tag):
            rule = "3 to 16 small letters, digits or underscores, a letter first"
            yield Problem(path, f"{words.show(tag)} cannot be a tag: {rule}")
        elif count[tag] > 1 and tag in seen:
            yield Problem(path, f"{words.show(tag)} is the tag of another picture already")
        seen.add(tag)


def _of_value(node: Node) -> Iterator[str]:
    if node.spec is None:
        return
    match node.value:
        case bool():
            return
        case str():
            yield from _of_text(node.value, node.spec)
        case int() | float():
            yield from _of_number(node.value, node.spec)
        case list():
            yield from _of_count(len(node.value), node.spec)


def _of_text(text: str, spec: Spec) -> Iterator[str]:
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if length < spec.get("minLength", 0):
        yield "empty" if not text else f"{length} characters; at least {spec['minLength']} are needed"
    elif length > spec.get("maxLength", length):
        yield f"{length} characters; at most {spec['maxLength']} are allowed (an emoji counts as 2)"
    elif "pattern" in spec and not re.search(spec["pattern"], text):
        yield f"{words.show(text)} is not of the form {spec['pattern']}"
    yield from _of_choice(text, spec)


def _of_number(number: float, spec: Spec) -> Iterator[str]:
    low, high = spec.get("min"), spec.get("max")
    if (low is not None and number < low) or (high is not None and number > high):
        yield f"{number} is outside of what is allowed: {_span(low, high)}"
    elif "exclusiveMin" in spec and number <= spec["exclusiveMin"]:
        yield f"{number} is not allowed: more than {spec['exclusiveMin']}"
    yield from _of_choice(number, spec)


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _of_count(count: int, spec: Spec) -> Iterator[str]:
    low, high = spec.get("minItems", 0), spec.get("maxItems", count)
    if not low <= count <= high:
        allowed = f"at most {high}" if count > high else f"at least {low}"
        yield f"{count} {'entry' if count == 1 else 'entries'}; {allowed}"


def _of_choice(value: object, spec: Spec) -> Iterator[str]:
    allowed = [spec["const"]] if "const" in spec else spec.get("enum")
    if allowed is not None and value not in allowed:
        yield words.not_allowed(value, allowed)


def _of_file(node: Node, facts: Mapping[str, MediaFacts]) -> Iterator[str]:
    if node.media is None or not isinstance(node.value, str) or (known := facts.get(node.value)) is None:
        return
    name = node.value.removeprefix(media.FILE)
    if node.media and known.kind not in node.media.split("|"):
        wanted = node.media.replace("|", " or ")
        yield f"{name} is of kind {known.kind}; {wanted} is wanted here"
    elif known.width and known.height:
        yield from _of_picture(name, (known.width, known.height), node.window)


def _of_picture(name: str, size: tuple[int, int], window: Spec) -> Iterator[str]:
    wide, high = size
    low, top = window.get("aspectMin", 0), window.get("aspectMax", wide / high)
    if not low <= wide / high <= top:
        extreme = "wide" if wide / high > top else "tall"
        yield (
            f"{name} is too {extreme}: {wide}x{high} is {wide / high:.3g} wide to 1 high, "
            f"and {low} to {top} is allowed; crop it, or choose another model"
        )
    if min(size) < window.get("minSidePx", 0):
        yield f"{name} is too small: {wide}x{high}; each side needs at least {window['minSidePx']} pixels"
