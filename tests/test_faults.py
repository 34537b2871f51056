"""Runway and the way there go wrong in every manner that its simulator knows; the daemon makes it good.

Each fault ends with all invariants: nothing lost, nothing paid for twice, nothing half under a final name.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.forked import run
from tests.harness import Runway, Site, eventually

ONCE = ("run", "--once")
BIG = json.dumps({"id": "x" * 10_000_000})


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what comes of it.

    Args:
        on: the place.
        do: the deed.
        ends: the job's state in the end.
        paid: how many tasks there are on the bill.
        times: how often it goes wrong; None for always.
        code: of the record beside a job that did not work.
    """

    on: str
    do: Mapping[str, Any]
    ends: str = "done"
    paid: int = 1
    times: int | None = 1
    code: str = ""


DOUBT = "submit.uncertain"
FILM, SVG = {"Content-Type": "video/mp4"}, {"Content-Type": "image/svg+xml"}
GZIP = {"Content-Encoding": "gzip", "Content-Type": "video/mp4"}

FAULTS: Mapping[str, Fault] = {
    # 8: answers
    "500 before the work": Fault("create", {"status": 500}, "held", 0, code=DOUBT),
    "502 after the work": Fault("create", {"status_after": 502}, "held", code=DOUBT),
    "503 before the work": Fault("create", {"status": 503}),
    "504 after the work": Fault("create", {"status_after": 504}, "held", code=DOUBT),
    "429 with a wait": Fault("create", {"status": 429, "headers": {"Retry-After": "1"}}),
    "429 with nonsense": Fault("create", {"status": 429, "headers": {"Retry-After": "-7"}}),
    "a page of HTML": Fault("create", {"garbage": True}, "held", code=DOUBT),
    "half an answer": Fault("create", {"truncate": True}, "held", code=DOUBT),
    "an answer without an id": Fault("create", {"no_id": True}, "held", code=DOUBT),
    "an id that is a number": Fault("create", {"merge": {"id": 7}}, "held", code=DOUBT),
    "an id that is empty": Fault("create", {"merge": {"id": ""}}, "held", code=DOUBT),
    "ten megabytes of answer": Fault("create", {"status_after": 200, "body": BIG}, "held", code=DOUBT),
    "a slot refused for a moment": Fault("upload_slot", {"status": 503}),
    # 9: connections
    "a reset before the work": Fault("create", {"reset_before": True}, "held", 0, code=DOUBT),
    "a reset after the work": Fault("create", {"reset_after": True}, "held", code=DOUBT),
    "a reset in an upload": Fault("upload_form", {"reset_at": 20_000}),
    "a reset after an upload": Fault("upload_form", {"reset_after": True}),
    "an upload refused": Fault("upload_form", {"status": 403}),
    "a slot without an answer": Fault("upload_slot", {"garbage": True}),
    "uploads that never work": Fault(
        "upload_form", {"status": 403}, "failed", 0, times=None, code="retries.exhausted"
    ),
    # 10: polling
    "polls that are lost": Fault("task", {"reset_before": True}, times=7),
    "polls that are refused": Fault("task", {"status": 500}, times=7),
    "polls of HTML": Fault("task", {"garbage": True}, times=7),
    "throttled for long": Fault("task", {"task_status": "THROTTLED"}, times=12),
    "pending for long": Fault("task", {"task_status": "PENDING"}, times=12),
    "an unknown status": Fault("task", {"task_status": "MUSING"}, times=5),
    "a status that is no word": Fault("task", {"merge": {"status": 3}}, times=5),
    "cancelled by somebody": Fault(
        "task", {"task_status": "CANCELLED"}, "failed", times=None, code="task.cancelled"
    ),
    "cancelled in the other spelling": Fault(
        "task", {"task_status": "CANCELED"}, "failed", times=None, code="task.cancelled"
    ),
    "a task that is not known for a moment": Fault("task", {"status": 404}, times=8),
    "a task that is forgotten": Fault("task", {"status": 404}, "failed", times=None, code="task.lost"),
    "nothing came out": Fault("task", {"empty_output": True}, "failed", times=None, code="output.incomplete"),
    # 11: outputs
    "an output of nothing": Fault("output", {"truncate": 0}),
    "an output of nothing, well ended": Fault("output", {"truncate": 0, "chunked": True}),
    "an output cut short": Fault("output", {"truncate": 1000}),
    "an output cut short, well ended": Fault("output", {"truncate": 1000, "chunked": True}),
    # Some server's excuse, and not what Runway made: it may pass, and fetching again costs nothing.
    "an output that is a page for a moment": Fault("output", {"garbage": True}),
    "an output that is a page": Fault(
        "output", {"garbage": True}, "failed", code="retries.exhausted", times=None
    ),
    "an output of a kind that nobody knows": Fault(
        "output", {"status": 200, "headers": FILM, "body": "MZ \x01"}, "failed", code="output.unsafe"
    ),
    "an output that can hold a script": Fault(
        "output",
        {"status": 200, "headers": SVG, "body": "<svg onload='x()'/>"},
        "failed",
        code="output.unsafe",
    ),
    "an output that leads elsewhere": Fault(
        "output", {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}
    ),
    "an output in gzip": Fault(
        "output", {"status": 200, "headers": GZIP, "body_base64": base64.b64encode(b"\x1f\x8b" * 99).decode()}
    ),
    "an output that was deleted": Fault(
        "output", {"status": 404}, "failed", times=None, code="retries.exhausted"
    ),
    # Failures by code
    "a failure that may pass": Fault(
        "create", {"fail_task": "INTERNAL.BAD_OUTPUT.CODE01"}, "failed", code="task.bad_output"
    ),
    "a refusal that costs": Fault(
        "create", {"fail_task": "SAFETY.INPUT.IMAGE"}, "failed", code="task.safety"
    ),
    "a failure without a code": Fault("create", {"fail_task": None}, paid=2),
    "a provider that is away": Fault("create", {"fail_task": "THIRD_PARTY.UNAVAILABLE"}, paid=2),
}


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    stand_in.change(key=stand_in.key, credits=10_000_000, daily=None, concurrency=20)
    return Site(tmp_path, stand_in)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_at_runway_costs_time_but_no_file_and_no_money(site: Site, name: str) -> None:
    fault = FAULTS[name]
    site.runway.fault(fault.on, fault.do, times=fault.times)
    site.drop("sub/cat.png")
    assert run(site, *ONCE) == (fault.ends != "done")
    site.verify()
    assert site.counts() == {fault.ends: 1}
    assert len(site.paid()) == fault.paid
    assert site.runway.hits()[0] >= 1
    if fault.code:
        record = {"held": ("processing", "held"), "failed": ("failed", "error")}[fault.ends]
        assert site.record(record[0], f"sub/cat.{record[1]}.toml")["code"] == fault.code


def test_answers_that_are_lost_for_good_are_not_paid_for_without_end(site: Site) -> None:
    site.configure(uncertain="resubmit")
    site.runway.fault("create", {"status_after": 502}, times=None)
    site.drop("cat.png")
    assert run(site, *ONCE) == 1
    site.verify()
    assert (site.counts(), len(site.paid())) == ({"held": 1}, 3)


def test_a_task_that_keeps_failing_is_not_paid_for_without_end(site: Site) -> None:
    site.runway.fault("create", {"fail_task": "INTERNAL"}, times=None)
    site.drop("cat.png")
    assert run(site, *ONCE) == 1
    site.verify()
    assert (site.counts(), len(site.paid())) == ({"failed": 1}, 3)
    error = site.record("failed", "cat.error.toml")
    assert (error["code"], error["retryable"], error["attempts"]) == ("task.internal", True, 3)


def test_a_wrong_key_costs_time_and_not_the_batch(site: Site) -> None:
    site.runway.change(key="key_" + "f" * 128)
    for n in range(3):
        site.drop(f"{n}.png")
    assert run(site, *ONCE) == 1
    assert (site.files("failed"), len(site.files("processing"))) == ([], 6)
    site.runway.change(key=site.runway.key)
    site.verify()


def test_an_empty_account_costs_time_and_not_the_batch(site: Site) -> None:
    site.runway.change(credits=10)
    site.drop("cat.png")
    assert run(site, *ONCE) == 1
    assert (site.files("failed"), site.paid()) == ([], [])
    site.verify()


def test_a_daemon_goes_on_by_itself_when_runway_is_back(site: Site) -> None:
    for place in ("create", "upload_slot", "upload_form", "task", "output", "organization"):
        site.runway.fault(place, {"status": 503}, times=2)
    for n in range(4):
        site.drop(f"{n}.png")
    with site.daemon() as daemon:
        site.reaches(done=4)
        assert daemon.stop() == 0
    assert len(site.paid()) == 4
    site.verify()


def test_a_stalled_answer_blocks_nobody_else(site: Site) -> None:
    first = site.drop("first.png")
    site.runway.fault("create", {"stall_after": 4})
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("submitting") == 1 and site.runway.hits() == [1])
        site.drop("second.png")
        site.reaches(submitting=1, done=1)
        site.reaches(done=2)
        assert daemon.stop() == 0
    assert first in {task["body"]["promptText"] for task in site.paid()}
    site.verify()


def test_a_slow_drip_of_an_output_can_be_stopped_and_is_fetched_anew(site: Site) -> None:
    site.runway.fault("output", {"drip": 0.5})
    site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(collecting=1)
        eventually(lambda: site.runway.hits() == [1])
        assert daemon.stop() == 0  # within the 30 s that systemd allows
    site.verify()
    assert run(site, *ONCE) == 0
    site.verify()
    assert (site.counts(), len(site.paid())) == ({"done": 1}, 1)


def test_a_file_that_changed_after_it_was_accepted_is_not_sent(site: Site) -> None:
    site.runway.fault("upload_slot", {"status": 503}, times=2)
    site.configure(settle_timeout=600)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.files("processing") == ["cat.png", "cat.prompt.toml"])
        path = site.root / "processing/cat.png"
        site.mend(path, path.read_bytes()[:-20] + bytes(20))
        site.reaches(failed=1)
        assert daemon.stop() == 0
    assert site.record("failed", "cat.error.toml")["code"] == "asset.changed"
    assert not site.paid()
