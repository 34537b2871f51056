"""Variations: one drop, several generations - what each of them asks for, and its seed.

`variations = N` in `[job]` asks for the same N times, with seeds of their own where the model takes one.
Each `[[variation]]` table asks for one generation, and its keys replace those at the top level. Seeds follow
from what is asked for and from nothing else: the same drop asks for the same. Pure.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runway_watch import catalogue
from runway_watch.catalogue import Request
from runway_watch.errors import Refusal
from runway_watch.sidecar import MOST_VARIATIONS, OURS, JobTable
from runway_watch.wish import wish_of

KEY = "variation"
SEEDS = 2**32
"""Runway's seeds are 0 to 4294967295, for every model that takes one (runway-models.json)."""

Params = Mapping[str, Any]

_PROBLEM = re.compile(r"`(?P<path>[^`]*)`(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parameters as the sidecar has them.

    Args:
        each: of each generation that a table, or the sidecar as a whole, asks for.
        tables: those of the variations, if it has any.
    """

    each: Sequence[Params]
    tables: Sequence[Params] = ()


def unfold(params: Params, table: JobTable, *, name: str, lay: Callable[[Params], Params]) -> Wanted:
    """Take the `[[variation]]` tables out of a sidecar's parameters.

    Args:
        params: of all layers together.
        table: the `[job]` table.
        name: what to call the sidecar in messages.
        lay: lays the keys of one variation over what is asked for without it.

    Raises:
        Refusal: `sidecar.invalid`, with all that is wrong about them.
    """
    given = params.get(KEY, [])
    if not isinstance(given, list) or not all(isinstance(own, Mapping) for own in given):
        raise _invalid(name, [f"`{KEY}`: must be tables, each written as [[{KEY}]]"])
    problems = [
        f"`{KEY}[{k}].{key}`: stands at the top only, and counts for all variations"
        for k, own in enumerate(given)
        for key in sorted(OURS & own.keys())
    ]
    if given and table.variations is not None:
        problems.append(f"`job.variations`: there are [[{KEY}]] tables too; keep one of both")
    if len(given) > MOST_VARIATIONS:
        problems.append(f"`{KEY}`: {len(given)} tables; at most {MOST_VARIATIONS} are allowed")
    if problems:
        raise _invalid(name, problems)
    none: Params = {}
    return Wanted([lay(own) for own in given or (none,)], given)


def requests(
    wanted: Wanted,
    resolve: Callable[[Params], Request],
    *,
    count: int,
    contents: Mapping[str, str],
) -> list[Request]:
    """What each generation is to send, in their order.

    Args:
        wanted: what the sidecar says.
        resolve: makes a complete request of parameters; Refusal when they are no good.
        count: how often it is wanted, where there are no tables.
        contents: the SHA-256 of each "file:NAME", for the seeds.

    Raises:
        Refusal: what is wrong, for all variations at once.
    """
    if not wanted.tables:
        return _again_and_again(resolve(wanted.each[0]), count, contents)
    found: list[Request] = []
    refusals: dict[int, Refusal] = {}
    for k, params in enumerate(wanted.each):
        try:
            found.append(resolve(params))
        except Refusal as refusal:
            refusals[k] = refusal
    if refusals:
        raise _as_one(refusals, wanted.tables)
    return found


def apart(requested: Sequence[Params]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What complete parameters have in common, and what each has beside that."""
    first, *others = requested
    common = {
        key: value
        for key, value in first.items()
        if all(key in other and _same(other[key], value) for other in others)
    }
    return common, [{key: v for key, v in each.items() if key not in common} for each in requested]


def _again_and_again(request: Request, count: int, contents: Mapping[str, str]) -> list[Request]:
    """The same several times, each with a seed of its own where there can be one."""
    given = request.params.get("seed")
    if count == 1 or (given is None and not catalogue.takes(request.operation, request.params, "seed")):
        return [request] * count
    if given is not None and type(given) is not int:  # for a model that nobody knows
        return [request] * count
    first = given if given is not None else int(wish_of(request.operation, request.params, contents)[:8], 16)
    seeds = [(first + k) % SEEDS for k in range(count)]
    return [replace(request, params={**request.params, "seed": seed}) for seed in seeds]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are sent as the same: 5 is not 5.0, and true is not 1."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _as_one(refusals: Mapping[int, Refusal], tables: Sequence[Params]) -> Refusal:
    """All that is wrong, each where it stands: in a table, or at the top level and told once."""
    places: dict[str, list[int]] = {}
    for k, refusal in refusals.items():
        for problem in refusal.problems or (refusal.message,):
            places.setdefault(_placed(problem, k, tables[k]), []).append(k)
    told = [_of(problem, where, len(tables)) for problem, where in places.items()]
    first = next(iter(refusals.values()))
    kinds = {refusal.code for refusal in refusals.values()}
    code, hint = (first.code, first.hint) if len(kinds) == 1 else ("params.invalid", "Mend the sidecar.")
    message = told[0] if len(told) == 1 else f"{len(told)} things to mend in the sidecar, first: {told[0]}"
    return Refusal(code, message, hint=hint, problems=told)


def _placed(problem: str, k: int, own: Params) -> str:
    """A problem by the path that a person finds it under, if the k-th table has the key."""
    found = _PROBLEM.fullmatch(problem)
    if found is None or re.split(r"[.\[]", found["path"], maxsplit=1)[0] not in own:
        return problem
    return f"`{KEY}[{k}].{found['path']}`{found['rest']}"


def _of(problem: str, where: Sequence[int], count: int) -> str:
    """A problem with whose it is, where that is not told by its path and not all have it."""
    if problem.startswith(f"`{KEY}[") or len(where) == count:
        return problem
    return f"{problem} (in {', '.join(f'{KEY}[{k}]' for k in where)})"


def _invalid(name: str, problems: Sequence[str]) -> Refusal:
    what = problems[0] if len(problems) == 1 else f"{len(problems)} things are wrong with its variations"
    hint = "Mend the sidecar where it lies, and save it."
    return Refusal("sidecar.invalid", f"{name} cannot be used: {what}.", hint=hint, problems=problems)
