"""What Runway's answers say, as frozen records.

Anything optional that is missing or of a wrong type is `None`. Signed addresses are kept out of every
`repr`. Prices are whole credits, rounded up.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runway_watch.api.trouble import scrub
from runway_watch.errors import AnswerLost

_LARGEST = 10**12
_LONGEST_ID = 200
_ID = re.compile(r"[A-Za-z0-9._-]+")
_NAMES = ("name", "nodeName", "title", "label")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one upload. It is good for one try: a failed upload needs a new one."""

    upload_url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    uri: str


@dataclass(frozen=True, slots=True)
class Created:
    """A task that was made, and so may be paid for. `estimated` is the most that it may cost, in credits."""

    task_id: str
    estimated: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """How a task stands. `status` is Runway's word in capitals, whether we know it or not."""

    status: str
    progress: float | None = None  # 0 to 1
    outputs: tuple[str, ...] = field(default=(), repr=False)
    nodes: tuple[str, ...] = ()  # of a workflow: from which of its nodes each output is
    troubles: tuple[str, ...] = ()  # of a workflow: what went wrong at which of its nodes
    failure: str | None = None
    failure_code: str | None = None
    credits: int | None = None  # charged
    estimated: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What the account may do. A figure of None is no limit; a model that is missing is not known."""

    balance: int
    concurrency: Mapping[str, int | None]
    daily: Mapping[str, int | None]
    used_today: Mapping[str, int]


def _lost(what: str) -> AnswerLost:
    """For an answer with the status 200 that does not say what it should."""
    return AnswerLost(f"Runway's answer is lost: {what}", status=200)


def slot(answer: Mapping[str, Any]) -> Slot:
    """The answer to `POST /v1/uploads`; AnswerLost if it lacks one of its three parts."""
    url, fields, uri = answer.get("uploadUrl"), answer.get("fields"), answer.get("runwayUri")
    if not isinstance(url, str) or not isinstance(uri, str) or not isinstance(fields, dict):
        raise _lost("an upload slot without address, fields or URI")
    if not all(isinstance(value, str) for value in fields.values()):
        raise _lost("an upload slot with a field that is not text")
    return Slot(url, fields, uri)


def created(answer: Mapping[str, Any]) -> Created:
    """The answer to a create; AnswerLost if it does not name the task."""
    task_id = answer.get("id")
    if not isinstance(task_id, str) or not is_task_id(task_id):
        raise _lost("it does not name the task")
    routing = answer.get("routing")
    estimated = _price(answer, "estimatedCost")
    if estimated is None and isinstance(routing, dict):
        estimated = _price(routing, "estimatedCost")
    return Created(task_id, estimated)


def is_task_id(text: str) -> bool:
    """Whether the text can stand in a path as one step and in the ledger as a name. Runway's are UUIDs."""
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None and text.strip(".") != ""


def task(answer: Mapping[str, Any]) -> Task:
    """The answer to a poll; AnswerLost if it has no status."""
    status = answer.get("status")
    if not isinstance(status, str) or not status.strip():
        raise _lost("a task without a status")
    outputs = list(_outputs(answer.get("output")))
    return Task(
        status=status.strip().upper()[:64],
        progress=_share(answer.get("progress")),
        outputs=tuple(address for _, address in outputs),
        nodes=tuple(node for node, _ in outputs) if isinstance(answer.get("output"), dict) else (),
        troubles=tuple(_troubles(_table(answer.get("nodeErrors")))),
        failure=_word(answer.get("failure")),
        failure_code=_word(answer.get("failureCode")),
        credits=_price(answer, "cost"),
        estimated=_price(answer, "estimatedCost"),
    )


def account(answer: Mapping[str, Any]) -> Account:
    """The answer to `GET /v1/organization`; AnswerLost if it has no balance."""
    balance = _number(answer.get("creditBalance"))
    if balance is None:
        raise _lost("an account without a balance")
    tier = _table(answer.get("tier"))
    models, used = _table(tier.get("models")), _table(_table(answer.get("usage")).get("models"))
    return Account(
        balance=math.floor(balance),
        concurrency=dict(_limits(models, "maxConcurrentGenerations")),
        daily=dict(_limits(models, "maxDailyGenerations")),
        used_today={name: n for name, n in _limits(used, "dailyGenerations") if n is not None},
    )


def _limits(models: Mapping[str, Any], key: str) -> Iterator[tuple[str, int | None]]:
    """Each model's figure. A null is no limit; a figure of a wrong type must not become one."""
    for name, figures in models.items():
        value = _table(figures).get(key, ...)
        if value is None or _count(value) is not None:
            yield name, _count(value)


def _outputs(output: object, node: str = "") -> Iterator[tuple[str, str]]:
    """The addresses of a list, or of a workflow's table from node to list, in order; each with its node."""
    match output:
        case str():
            yield node, output
        case list():
            yield from ((node, address) for address in output if isinstance(address, str))
        case dict() if not node:
            for name, inner in output.items():
                yield from _outputs(inner, name)


def _troubles(errors: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each node of a workflow that failed."""
    for node, error in errors.items():
        said = _table(error)
        name, code = _word(said.get("nodeName")) or scrub(node), _word(said.get("failureCode"))
        yield f"{name}: {_word(said.get('message')) or 'failed'}{f' ({code})' if code else ''}"


def node_names(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The names that a workflow's author gave its nodes, by their ids, from `GET /v1/workflows/{id}`.

    The SDK types a node as an `object` only: what has an id and a name of some kind is taken, nothing else.
    """
    nodes = _table(answer.get("graph")).get("nodes")
    found = [_table(node) for node in nodes] if isinstance(nodes, list) else []
    named = ((node.get("id"), _name_of(node)) for node in found)
    return {node: name for node, name in named if isinstance(node, str) and name}


def _name_of(node: Mapping[str, Any]) -> str | None:
    places = (node, _table(node.get("data")))
    return next((word for place in places for key in _NAMES if (word := _word(place.get(key)))), None)


def _price(answer: Mapping[str, Any], key: str) -> int | None:
    price = _number(_table(answer.get(key)).get("credits"))
    return None if price is None or price < 0 else math.ceil(price)


def _number(value: object) -> float | int | None:
    """A JSON number that can be counted with; JSON as Python reads it knows NaN and Infinity too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 else math.floor(number)


def _share(value: object) -> float | None:
    number = _number(value)
    return None if number is None else min(1.0, max(0.0, float(number)))


def _word(value: object) -> str | None:
    return scrub(value) if isinstance(value, str) and value else None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
