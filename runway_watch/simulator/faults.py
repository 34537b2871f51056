"""Which requests go wrong, and how: rules that tests set, in order, counted. No I/O.

A rule is a JSON object: `on` names the place (create, upload_slot, upload_form, task, output, organization,
delete, * for all), `match` narrows it by model, endpoint or task, `after` lets that many go by, `times` is
how many are hit (null for all, 1 by default), `probability` hits by chance, and `do` says what happens;
`faulty.py` lists what that can be.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runway_watch.simulator.schema import Json

PLACES = ("create", "upload_slot", "upload_form", "task", "output", "organization", "delete", "*")
DEEDS = frozenset(
    {
        *(
            "status",
            "headers",
            "body",
            "body_base64",
            "status_after",
            "reset_before",
            "reset_after",
            "reset_at",
        ),
        *("stall", "stall_after", "drip", "truncate", "chunked", "garbage", "merge", "no_id"),
        *("fail_task", "failure", "run_seconds", "task_status", "empty_output", "node_error"),
    }
)
KEYS = frozenset({"on", "match", "after", "times", "probability", "do"})


@dataclass
class Rule:
    """One rule and how often it has been met."""

    on: str
    do: Json
    match: Json
    after: int = 0
    times: int | None = 1
    probability: float = 1.0
    met: int = 0
    hits: int = 0

    def fits(self, place: str, facts: Mapping[str, Any]) -> bool:
        """Whether the rule is about this request at all."""
        return self.on in (place, "*") and all(facts.get(name) == value for name, value in self.match.items())


def parse_rule(raw: Any) -> Rule:
    """The rule in a JSON object. Raises ValueError with a sentence: a rule with a typo would test nothing."""
    if not isinstance(raw, dict) or raw.get("on") not in PLACES or not isinstance(raw.get("do"), dict):
        raise ValueError(f"a rule needs `on` (one of {', '.join(PLACES)}) and `do` (an object)")
    unknown = (raw.keys() - KEYS) | (raw["do"].keys() - DEEDS)
    if unknown:
        raise ValueError(f"unknown in a rule: {', '.join(sorted(unknown))}")
    numbers = {name: raw[name] for name in ("after", "times", "probability") if name in raw}
    return Rule(raw["on"], raw["do"], raw.get("match") or {}, **numbers)


class Faults:
    """The rules in force; the first that fits and is due decides."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Rule] = []
        self._random = random.Random(seed)  # noqa: S311 - chance that can be repeated, not a secret

    def pick(self, place: str, facts: Mapping[str, Any]) -> Json:
        """What goes wrong with this request: a `do`, empty for nothing."""
        for rule in self.rules:
            if rule.fits(place, facts) and self._due(rule):
                rule.hits += 1
                return rule.do
        return {}

    def _due(self, rule: Rule) -> bool:
        rule.met += 1
        if rule.met <= rule.after or (rule.times is not None and rule.hits >= rule.times):
            return False
        return rule.probability >= 1 or self._random.random() < rule.probability
