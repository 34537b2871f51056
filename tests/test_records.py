"""The records beside a job parse back, and hold exactly the keys that are promised."""

import time
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch import records
from runway_watch.decide import doubt
from runway_watch.job import Generation, Output, Place, Reference, State, Verdict
from tests.samples import NOW, VERDICT, call, item, job

S = State
FILE = {"sha256": "a" * 64, "size": 4000, "mtime_ns": 1_700_000_000_000_000_000}
FILM = Output(".j1-1-1.part", ".mp4", "f" * 64, 9000)
DONE = call(
    state=S.RETIRING,
    task_id="task-1",
    status="SUCCEEDED",
    credits=60,
    submitted_at=NOW + 5,
    ended_at=NOW + 47.25,
    tries=1,
    outputs=(FILM,),
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def result(*calls: Generation, **changes: Any) -> dict[str, Any]:
    filed = job(place=Place.PROCESSING, target=Place.DONE, target_name="cat (2)", name="cat", **changes)
    outputs = {c.n: [f"cat (2).out-{c.n}.mp4"] if c.outputs else [] for c in calls}
    return tomllib.loads(records.result(filed, calls, outputs, at=NOW + 50))


def error(*calls: Generation, verdict: Verdict = VERDICT) -> dict[str, Any]:
    return tomllib.loads(records.error(job(), calls, verdict))


def test_a_result_has_the_contracts_keys_and_values() -> None:
    assert result(DONE, wish="w" * 64) == {
        "schema": 1,
        "job": "j1",
        "status": "done",
        "operation": "image_to_video",
        "input": "cat (2).png",
        "input_sha256": "a" * 64,
        "accepted_at": at(0),
        "submitted_at": at(5),
        "finished_at": at(50),
        "credits": 60,
        "request": {"model": "gen4.5", "prompt_image": "file:cat.png", "duration": 5},
        "generation": [
            {
                "task_id": "task-1",
                "status": "SUCCEEDED",
                "credits": 60,
                "seconds": 42.2,
                "outputs": ["cat (2).out-1.mp4"],
                "output_sha256": ["f" * 64],
                "submitted_at": at(5),
                "tries": 1,
            }
        ],
        "ledger": {
            "wish": "w" * 64,
            "dropped_as": "cat",
            "price": 60,
            "sweeps": 0,
            "file": [
                {**FILE, "suffix": ".png", "dropped_as": "cat.png"},
                {**FILE, "suffix": ".prompt.toml", "dropped_as": "cat.prompt.toml"},
            ],
            "reference": [],
        },
    }


def test_of_several_generations_each_is_told_and_their_credits_are_added() -> None:
    failed = call(n=2, state=S.RETIRING, task_id="task-2", status="FAILED", credits=5, submitted_at=NOW + 2)
    refused = Verdict("poll", "task.safety", "No.", failure_code="SAFETY.INPUT.TEXT")
    found = result(DONE, Generation(**{**_fields(failed), "verdict": refused}))
    assert (found["credits"], found["submitted_at"]) == (65, at(2))
    second = found["generation"][1]
    assert (second["failure_code"], second["outputs"], "seconds" in second) == (
        "SAFETY.INPUT.TEXT",
        [],
        False,
    )


def _fields(generation: Generation) -> dict[str, Any]:
    return {name: getattr(generation, name) for name in Generation.__dataclass_fields__}


def test_a_sidecar_alone_is_the_input_itself() -> None:
    found = result(DONE, inputs=(item(".prompt.toml"),), media_suffix="")
    assert found["input"] == "cat (2).prompt.toml"


ERROR_KEYS = [
    *("schema", "job", "status", "stage", "code", "message", "hint", "problems"),
    *("retryable", "attempts", "charged", "credits"),
]
OURS = ["operation", "accepted_at", "generation", "request", "ledger"]
"""What an error holds besides, for a ledger that is lost; tables come last in TOML."""


def test_an_error_has_the_contracts_keys() -> None:
    assert list(error(call())) == [*ERROR_KEYS, *OURS]
    full = Verdict("poll", "task.safety", "No.", failure_code="SAFETY", http_status=400, problems=("a", "b"))
    found = error(call(state=S.RETIRING, task_id="t9", attempt=2, tries=3), verdict=full)
    assert list(found) == [*ERROR_KEYS, "task_id", "failure_code", "http_status", *OURS]
    assert (found["attempts"], found["problems"], found["task_id"]) == (3, ["a", "b"], "t9")


@pytest.mark.parametrize(
    ("changes", "charged"),
    [
        ({}, "no"),
        ({"credits": 5, "submitted_at": NOW, "ended_at": NOW + 9}, "yes"),
        ({"submitted_at": NOW, "ended_at": NOW + 9}, "no"),  # Runway refunds what failed
        ({"submitted_at": NOW}, "unknown"),
        ({"credits": 5, "submitted_at": NOW}, "unknown"),
        ({"credits": 5}, "yes"),
    ],
)
def test_charged_says_whether_it_cost_anything(changes: dict[str, Any], charged: str) -> None:
    assert error(call(**changes))["charged"] == charged


def test_one_doubtful_call_makes_it_unknown_and_no_call_makes_it_no() -> None:
    assert records.charged([DONE, call(n=2, submitted_at=NOW)]) == "unknown"
    assert records.charged([DONE, call(n=2)]) == "yes"
    assert records.charged([]) == "no"


def test_a_held_record_says_since_when_and_what_to_do() -> None:
    verdict = doubt("timeout", 504)
    found = tomllib.loads(records.held(job(), verdict, since=NOW))
    assert found == {
        "schema": 1,
        "job": "j1",
        "status": "held",
        "code": "submit.uncertain",
        "message": verdict.message,
        "hint": verdict.hint,
        "since": at(0),
        "http_status": 504,
    }


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.lists(TEXT, max_size=3))
def test_whatever_runway_says_parses_back(message: str, hint: str, problems: list[str]) -> None:
    found = error(call(), verdict=Verdict("poll", "internal", message, hint=hint, problems=tuple(problems)))
    assert (found["message"], found["hint"], found["problems"]) == (message, hint, problems)


def test_half_a_letter_in_runways_words_stops_no_record() -> None:
    found = error(call(), verdict=Verdict("poll", "internal", "a\ud800b", problems=("\udfff",)))
    assert (found["message"], found["problems"]) == ("a?b", ["?"])


def test_values_that_toml_does_not_know_are_left_out_at_every_depth() -> None:
    found = result(DONE, params={"a": None, "b": [{"c": None, "d": (1, None)}]})
    assert found["request"] == {"b": [{"d": [1]}]}


@pytest.mark.parametrize(
    ("raw", "owner"),
    [
        (b'job = "j1"', "j1"),
        (b"job = 7", None),
        (b"", None),
        (b"a = " + b"[" * 3000, None),
        (b"\xff", None),
        (b'job = "j1"\n' + b"#" * records.MOST_BYTES, None),
    ],
)
def test_a_record_names_its_job_and_what_is_no_record_names_none(raw: bytes, owner: str | None) -> None:
    assert records.owner_of(raw) == owner


# -- read back ----------------------------------------------------------------------------------------------

STYLE = Reference("_refs/style.jpg", "5" * 64, 7000, "image/jpeg")
REFUSED = Verdict(
    "poll",
    "task.safety",
    "No.",
    hint="Change it.",
    problems=("a", "b"),
    failure_code="SAFETY",
    http_status=400,
)


def test_a_result_reads_back_as_it_was() -> None:
    filed = job(
        place=Place.DONE, target=Place.DONE, target_name="cat", references={"file:_refs/style.jpg": STYLE}
    )
    found = records.read(records.result(filed, [DONE], {1: ["cat.out.mp4"]}, at=NOW + 50).encode())
    assert (found.job, found.verdict, found.request) == (filed.id, None, filed.params)
    assert (found.accepted_at, found.finished_at) == (at(0), at(50))
    assert [file.model_dump() for file in found.ledger.file] == [
        {**FILE, "suffix": i.suffix, "dropped_as": i.dropped_as} for i in filed.inputs
    ]
    [reference] = found.ledger.reference
    assert reference.model_dump() == {"written": "file:_refs/style.jpg", **asdict(STYLE)}
    [told] = found.generation
    assert (told.outputs, told.output_sha256, told.credits) == (["cat.out.mp4"], [FILM.sha256], 60)


@pytest.mark.parametrize("verdict", [VERDICT, REFUSED])
def test_an_error_reads_back_as_it_was(verdict: Verdict) -> None:
    failed = call(state=S.RETIRING, task_id="t", submitted_at=NOW, tries=2)
    found = records.read(records.error(job(sweeps=2, wish="w"), [failed], verdict).encode())
    assert found.verdict == verdict
    assert (found.charged, found.ledger.sweeps, found.ledger.wish) == ("unknown", 2, "w")
    assert (found.generation[0].tries, found.generation[0].seconds) == (2, None)


def test_a_held_record_reads_back_with_its_evidence() -> None:
    seen = {"balance_before": 100, "balance_after": 40, "looked_before": "2026-11-20T12:00:00+00:00"}
    found = records.read(records.held(job(), doubt("timeout", 504), since=NOW, evidence=seen).encode())
    assert (found.verdict, found.since, found.evidence) == (doubt("timeout", 504), at(0), seen)


@given(TEXT, st.lists(TEXT, max_size=3), st.dictionaries(TEXT, TEXT | st.integers(-9, 9), max_size=4))
def test_whatever_a_person_writes_reads_back(
    message: str, problems: list[str], params: dict[str, Any]
) -> None:
    verdict = Verdict("admit", "params.invalid", message, problems=tuple(problems))
    name = message.replace("/", "").replace("\0", "")  # no file is called so
    found = records.read(records.error(job(params=params, dropped_as=name), [call()], verdict).encode())
    assert (found.verdict, found.request, found.ledger.dropped_as) == (verdict, params, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 2\njob = 'j1'\nstatus = 'done'",
        'schema = 1\nstatus = "done"',
        'schema = 1\njob = "../j1"\nstatus = "done"',
        'schema = 1\njob = "j1"\nstatus = "gone"',
        'schema = 1\njob = "j1"\nstatus = "done"\ncredits = "many"',
        'schema = 1\njob = "j1"\nstatus = "done"\naccepted_at = 2026-11-20T12:00:00',
        'schema = 1\njob = "j1"\nstatus = "done"\n[[ledger.file]]\nsuffix = "/../x"',
        'schema = 1\njob = "j1"\nstatus = "done"\n[ledger]\ndropped_as = "../../x"',
        'schema = 1\njob = "j1"\nstatus = "done"\ncredits = -60',
        'schema = 1\njob = "j1"\nstatus = "done"\ncredits = 9223372036854775808',
        'schema = 1\njob = "j1"\nstatus = "done"\n[[generation]]\ncredits = 9223372036854775807',
        "schema = 1\na = " + "[" * 5000,
        ".".join("a" * 20_000) + " = 1",
        ".".join(['"a"'] * 20_000) + " = 1",
        "not TOML",
    ],
)
def test_what_is_no_record_of_ours_is_refused_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        records.read(text.encode())
    assert time.perf_counter() - began < 1
