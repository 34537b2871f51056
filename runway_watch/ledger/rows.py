"""Records to rows and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from runway_watch.job import (
    Generation,
    How,
    Input,
    Job,
    Output,
    Place,
    Preparation,
    Reference,
    State,
    Verdict,
)

_PLAIN = (int, float, bool, type(None))
_WORDS = (State, Place, How)
_RECORDS = (Input, Output, Preparation, Reference, Verdict)


def from_job(job: Job) -> dict[str, Any]:
    """A job's row."""
    return {field.name: plain(getattr(job, field.name)) for field in fields(job)}


def from_generation(generation: Generation) -> dict[str, Any]:
    """A generation's row, without what it has of its job."""
    return {field.name: plain(getattr(generation, field.name)) for field in fields(generation)}


def row_of(job: Job, generation: Generation) -> dict[str, Any]:
    """A generation's row."""
    return from_generation(generation) | {"priority": job.priority, "accepted_at": job.accepted_at}


def plain(value: Any) -> Any:
    """A record's value as the database takes it: records become tables, tuples lists, enums their word."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, _WORDS):
        return value.value
    if isinstance(value, _RECORDS):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    # Text; dates and times of a sidecar. JSON can hold half a surrogate pair, a database cannot.
    return str(value).encode(errors="replace").decode()


def to_job(row: Mapping[str, Any]) -> Job:
    """The job of a row that has all of the table's columns."""
    values = {field.name: row[field.name] for field in fields(Job)}
    values |= {
        "place": Place(row["place"]),
        "target": Place(row["target"]) if row["target"] else None,
        "state": State(row["state"]),
        "inputs": tuple(Input(**item) for item in row["inputs"]),
        "references": {key: Reference(**item) for key, item in row["references"].items()},
        "verdict": _verdict(row["verdict"]),
        "prepared": {key: _preparation(item) for key, item in row["prepared"].items()},
    }
    return Job(**values)


def to_generation(row: Mapping[str, Any]) -> Generation:
    """The generation of a row that has all of the table's columns."""
    values = {field.name: row[field.name] for field in fields(Generation)}
    values |= {
        "state": State(row["state"]),
        "outputs": tuple(Output(**item) for item in row["outputs"]),
        "remarks": tuple(row["remarks"]),
        "prepared": {key: _preparation(item) for key, item in row["prepared"].items()},
        "verdict": _verdict(row["verdict"]),
    }
    return Generation(**values)


def _preparation(table: Mapping[str, Any]) -> Preparation:
    return Preparation(**{**table, "how": How(table["how"]), "steps": tuple(table["steps"])})


def _verdict(table: Mapping[str, Any] | None) -> Verdict | None:
    return Verdict(**{**table, "problems": tuple(table["problems"])}) if table else None
