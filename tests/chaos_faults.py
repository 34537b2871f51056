"""What can go wrong at Runway and on the way there: each fault by its name, as rules of the simulator.

The numbers are those of the list of faults that have to be survived. A fault goes wrong wherever it can: the
places are create, upload_slot, upload_form, task, output and organization.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

Deed = Mapping[str, Any]
Rule = Mapping[str, Any]

CREATE, SLOT, FORM, TASK, OUTPUT, ACCOUNT = PLACES = (
    *("create", "upload_slot", "upload_form", "task", "output", "organization"),
)
JSON_PLACES = (CREATE, SLOT, TASK, ACCOUNT)
LIMITED = (CREATE, SLOT, FORM, TASK, ACCOUNT)

FILM = "gen4.5"
UNPAID = PLACES[1:]
"""Where a 503 may come after the work: as the answer to a create it means "turned away"."""

BIG = json.dumps({"id": "x" * 2_000_000})
"""More than is read of an answer; ten times as much is no other case."""

PROGRAM = base64.b64encode(b"\x7fELF" + bytes(2000)).decode()
STALL = 0.4
DRIP = 0.002

PASSING = ("INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY.UNAVAILABLE", None)
FINAL = ("INTERNAL.BAD_OUTPUT.CODE01", "ASSET.INVALID", "NOBODY.KNOWS.THIS")
REFUSED = ("SAFETY.INPUT.TEXT", "SAFETY.OUTPUT", "INPUT_PREPROCESSING.SAFETY.TEXT", "THIRD_PARTY.SAFETY")


def _at(places: tuple[str, ...], **deed: Any) -> list[Rule]:
    return [{"on": place, "do": deed} for place in places]


def _turned_away(wait: str | None) -> list[Rule]:
    return _at(LIMITED, status=429, headers={} if wait is None else {"Retry-After": wait})


def _errors() -> dict[str, list[Rule]]:
    before = {f"{code} before the work": _at(PLACES, status=code) for code in (500, 502, 503, 504)}
    after = {f"{code} after the work": _at(PLACES, status_after=code) for code in (500, 502, 504)}
    return before | after | {"503 after the work": _at(UNPAID, status_after=503)}


def _failures() -> dict[str, list[Rule]]:
    return {f"failure {code}": _at((CREATE,), fail_task=code) for code in (*PASSING, *FINAL, *REFUSED)}


FAULTS: Mapping[str, list[Rule]] = {
    # 7: turned away
    "429 with seconds": _turned_away("1"),
    "429 with a date": _turned_away(formatdate(time.time() + 2, usegmt=True)),
    "429 with 0": _turned_away("0"),
    "429 with a negative wait": _turned_away("-5"),
    "429 without a wait": _turned_away(None),
    "429 with a year": _at((CREATE,), status=429, headers={"Retry-After": "31536000"}),
    # 8: answers
    **_errors(),
    "a page of HTML": _at(PLACES, garbage=True),
    "JSON cut short": _at(JSON_PLACES, truncate=True),
    "JSON cut short, well ended": _at(JSON_PLACES, truncate=True, chunked=True),
    "no id": _at((CREATE, TASK), no_id=True),
    "an id of a wrong type": _at((CREATE, TASK), merge={"id": 7}),
    "too much JSON": _at(JSON_PLACES, status_after=200, body=BIG),
    # 9: connections
    "a reset before the body": _at(PLACES, reset_before=True),
    "a reset in the upload": _at((FORM,), reset_at=600),
    "a reset before the answer": _at(PLACES, reset_after=True),
    "a stall before the work": _at(PLACES, stall=STALL),
    "a stall before the answer": _at(PLACES, stall_after=STALL),
    "a slow drip": [
        *_at((CREATE, SLOT, TASK), drip=DRIP),
        *_at((ACCOUNT,), drip=0),  # it is long enough
        {"on": OUTPUT, "do": {"drip": 0}, "match": {"model": FILM}},
    ],
    # 10: polls
    "THROTTLED": _at((TASK,), task_status="THROTTLED"),
    "an unknown status": _at((TASK,), task_status="MUSING"),
    "a task that is not known for once": _at((TASK,), status=404),
    "success without an output": _at((TASK,), empty_output=True),
    "a status that goes back": _at((TASK,), task_status="PENDING"),
    # 11: outputs
    "an output's address expired": _at((OUTPUT,), status=403),
    "an output cut short": _at((OUTPUT,), truncate=True),
    "an output cut short, well ended": _at((OUTPUT,), truncate=True, chunked=True),
    "an output of nothing": _at((OUTPUT,), truncate=0),
    "an output of nothing, well ended": _at((OUTPUT,), truncate=0, chunked=True),
    "an output that is a program": _at((OUTPUT,), status=200, body_base64=PROGRAM),
    # A task that fails
    **_failures(),
}

RARE = frozenset(f"failure {code}" for code in REFUSED)
"""Five of these in a row hold everything until a person looks."""

ALONE = frozenset({"429 with a year"})
"""No mixed run waits for this."""


def families() -> dict[str, list[Rule]]:
    """The same, with all errors before the work, all after it, and all failures of tasks taken together."""
    found: dict[str, list[Rule]] = {}
    for name, rules in FAULTS.items():
        family = name.split()[0] if name.startswith("failure") else re.sub(r"^5\d\d", "5xx", name)
        found.setdefault(family, []).extend(rules)
    return found


def mixed(probability: float) -> list[Rule]:
    """All that may happen at once, each at a random request of its place; what is rare a tenth as often."""
    return [
        {**rule, "times": None, "probability": probability * (0.1 if name in RARE else 1)}
        for name, rules in FAULTS.items()
        for rule in rules
        if name not in ALONE
    ]
