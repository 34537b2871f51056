"""Says where each value of a request came from that no sidecar gave as it is.

It compares the parameters before and after each step of resolving, so it cannot tell another story than
what was done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runway_watch.catalogue import words
from runway_watch.catalogue.operations import Operation

DROPPED = "the dropped file"


@dataclass(frozen=True, slots=True)
class Steps:
    """The parameters on their way. Keys are only added, but for a `ratio` that may go at the end.

    Args:
        given: as the sidecars say.
        placed: with the dropped file in its slot, and the operation's model.
        filled: with the defaults.
        settled: with "auto" resolved.
    """

    given: Mapping[str, Any]
    placed: Mapping[str, Any]
    filled: Mapping[str, Any]
    settled: Mapping[str, Any]


def trace(row: Operation, steps: Steps, *, picture: tuple[int, int] | None) -> dict[str, str]:
    """Where each value came from, by key, if it is not just as a sidecar gave it.

    Args:
        row: the operation.
        steps: the parameters on their way.
        picture: width and height that `ratio = "auto"` was resolved by, in pixels.
    """
    return dict(_added(row, steps)) | dict(_settled(row, steps, picture))


def _added(row: Operation, steps: Steps) -> Iterator[tuple[str, str]]:
    for key, value in steps.filled.items():
        if key in steps.given:
            if value != steps.given[key]:
                yield key, f"{DROPPED} is put into it"
        elif key in steps.placed and key != "model":
            yield key, DROPPED
        elif key in row.defaults:
            yield key, _default(row, key, value)
        else:
            yield key, "the only value that there is"


def _default(row: Operation, key: str, value: object) -> str:
    usual = row.defaults[key]
    told = f"default of {row.name}"
    return told if value == usual else f"{told}: the allowed value nearest to {words.show(usual)}"


def _settled(row: Operation, steps: Steps, picture: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    for key in ("ratio", "duration"):
        before, after = steps.filled.get(key), steps.settled.get(key)
        if before == after:
            continue
        whose = "" if key in steps.given else f" (default of {row.name})"
        if after is None:
            yield key, f"{before}: left out, so the result has the picture's shape{whose}"
        elif key == "duration":
            yield key, f"{before} -> {after}, as long as what goes in{whose}"
        else:
            shape = f"nearest to {picture[0]}x{picture[1]}" if picture else "as there is no picture to go by"
            yield key, f"{before} -> {after}, {shape}{whose}"
