"""Media in parameters: which strings are media, where they may come from, and how they become URIs."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from runway_watch.catalogue import published, words
from runway_watch.catalogue.published import Node, Spec
from runway_watch.catalogue.words import Problem
from runway_watch.job import DROPPABLE

FILE = "file:"
"""A local file: relative to the sidecar's folder."""

_NEVER_IN_A_URL = frozenset("\\ \t\r\n")  # readers of URLs disagree about these, so a host could be disguised


def strings(params: Mapping[str, Any], spec: Spec | None = None) -> Iterator[Node]:
    """Every string in the parameters that stands for media, in order."""
    return (
        node
        for node in published.walk(params, spec)
        if node.media is not None and isinstance(node.value, str)
    )


def references(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Every distinct `file:` string that stands for media, in order."""
    found = (node.value for node in strings(settle(params)) if node.value.startswith(FILE))
    return tuple(dict.fromkeys(found))


def rebased(params: Mapping[str, Any], up: int) -> Mapping[str, Any]:
    """The parameters with every `file:` string as it reads from so many folders further down."""
    names = references(params) if up else ()
    if not names:
        return params
    return replace(params, {name: FILE + "../" * up + name.removeprefix(FILE) for name in names})


def settle(value: Any) -> Any:
    """A copy of parameters that shares nothing with them: plain dicts and lists all the way down."""
    if isinstance(value, Mapping):
        return {key: settle(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [settle(each) for each in value]
    return value


def check(
    params: Mapping[str, Any], spec: Spec | None, *, hosts: Collection[str], names: Collection[str] = ()
) -> Iterator[Problem]:
    """Media that does not come from a file, a Runway upload or an allowed host.

    `names` are the files dropped: one of them written bare is surely meant.
    """
    allowed = {host.casefold() for host in hosts}
    for node in strings(params, spec):
        if text := _refusal(node.value, names):
            yield Problem(node.path, text)
        elif (host := _foreign_host(node.value)) is not None and not (host and host in allowed):
            yield Problem(node.path, f"media from {host or 'this address'} is not allowed", host=True)
        elif text := _length(node.value):
            yield Problem(node.path, text)


def _refusal(text: str, names: Collection[str]) -> str | None:
    scheme, colon, rest = text.partition(":")
    if text.startswith((FILE, "https://", "runway://")):
        return "names no file" if text == FILE else None
    if text in names or (not colon and PurePosixPath(text).suffix.lower() in DROPPABLE):
        return f"{words.show(text)} is no address; did you mean `{FILE}{text}`?"
    if colon and (rest.startswith("//") or scheme == "data"):
        return f"{scheme}: is not accepted; use `file:NAME`, `runway://` or `https://` from an allowed host"
    return f"{words.show(text)} is no media; use `file:NAME`, `runway://` or `https://` from an allowed host"


def _foreign_host(text: str) -> str | None:
    """The host of an https address; "" where it is not beyond doubt; None for what is no such address."""
    if not text.startswith("https://"):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    doubtful = "@" in parts.netloc or not _NEVER_IN_A_URL.isdisjoint(text)
    return "" if doubtful else (parts.hostname or "")


def _length(text: str) -> str | None:
    limits = published.media_string().get(text.partition(":")[0])
    if limits is None or limits["minLength"] <= len(text) <= limits["maxLength"]:
        return None
    return f"{len(text)} characters; such an address has {limits['minLength']} to {limits['maxLength']}"


def replace(params: Mapping[str, Any], uris: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with every `file:` string replaced from `uris`; KeyError for one that is missing."""
    found = settle(params)
    for node in strings(params):
        if node.value.startswith(FILE):
            _put(found, node.path, uris[node.value])
    return dict(found)


def _put(params: Any, path: words.Path, value: str) -> None:
    for step in path[:-1]:
        params = params[step]
    params[path[-1]] = value
