"""The effective request of a drop: every value that counts in the end, and where it came from.

It is told from what admission itself found, and by the code that makes the request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runway_watch import catalogue, drops
from runway_watch.sidecar import OURS
from runway_watch.stages.asking import Asked
from runway_watch.stages.desk import Findings

NOT_KEPT = "not kept"
_LONGEST = 72
"""Characters of a text; a prompt is recognised by its beginning."""
_WIDEST = 60
"""Characters of a value to whose end the origins of all are aligned."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A request, complete as far as it could be completed.

    Args:
        operation: its name.
        params: Runway's parameters, media as file names.
        origins: who gave each of them, by key.
        job: the `[job]` table, without the operation.
        job_origins: who gave each of its keys; the operation's too.
        left_out: what was given and does not count, and why.
    """

    operation: str
    params: Mapping[str, Any]
    origins: Mapping[str, str]
    job: Mapping[str, Any]
    job_origins: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    def asks(self) -> Iterator[str]:
        """Operation, model, and every parameter with its origin."""
        model = self.params.get("model")
        named = f"{self.operation} with {model}" if isinstance(model, str) else self.operation
        head = (named, self.job_origins.get("operation", ""))
        yield from _aligned([head, *_cells(self.params, self.origins)])

    def options(self) -> Iterator[str]:
        """The `[job]` table, each key with its origin."""
        yield from _aligned([*_cells(self.job, self.job_origins)])


def of(findings: Findings) -> Effective | None:
    """The request that admission had before it, however far it came; None without a readable sidecar."""
    asked = findings.asked
    if asked is None:
        return None
    found = catalogue.unfold(
        asked.operation,
        {key: value for key, value in asked.params.items() if key not in OURS},
        dropped=asked.group.media,
        media=findings.facts,
        tag=findings.table.tag,
    )
    read = findings.table.model_dump(mode="json", exclude_defaults=True)
    given, traced = asked.merged.origins, found.origins
    origins = {key: ": ".join(filter(None, (given.get(key), traced.get(key)))) for key in found.params}
    left_out = [f"{left.key}, of {left.layer}: {left.why}" for left in asked.left_out]
    left_out += [f"{key}: {why}" for key, why in traced.items() if key not in found.params]
    return Effective(
        operation=asked.operation,
        params=found.params,
        origins=origins,
        job={key: read.get(key, value) for key, value in asked.job.items() if key != "operation"},
        job_origins={"operation": _of_kind(asked), **asked.merged.job_origins},
        left_out=tuple(left_out),
    )


def plain(value: Any) -> str:
    """A value as it might stand in a sidecar, long texts cut."""
    return catalogue.toml(_cut(value))


def _of_kind(asked: Asked) -> str:
    kind = drops.media_kind(asked.group.media) if asked.group.media else None
    return f"what a dropped {kind} asks for" if kind else "what is asked for where nothing else is named"


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _cut(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cut(each) for each in value]
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST].rstrip()}... ({len(value)} characters)"
    return value


def _cells(table: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"{key} = {plain(value)}", origins.get(key, "")) for key, value in table.items())


def _aligned(cells: list[tuple[str, str]]) -> Iterator[str]:
    """Values with their origins in a column, as comments."""
    width = max((len(value) for value, _ in cells if len(value) <= _WIDEST), default=0)
    for value, origin in cells:
        yield f"{value:<{width}}  # {origin}" if origin else value
