"""Cancelling a job in every state: it stops, its files lie in failed/, and the money is told as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Runway, Site, eventually, simulator

ONCE = ("run", "--once")


@pytest.fixture
def runway() -> Iterator[Runway]:
    with simulator(concurrency=1, seconds=3.0) as stand_in:
        yield stand_in


@pytest.fixture
def site(runway: Runway, tmp_path: Path) -> Site:
    return Site(tmp_path, runway)


def accepted(site: Site) -> None:
    """Wait until a drop is accepted and its files have come: on their way nothing can be cancelled."""
    eventually(lambda: site.rows("SELECT state, target FROM jobs") == [("ready", None)], what="it is ready")


def cancelled(site: Site, name: str = "cat", *, seconds: float = 3) -> dict[str, object]:
    """Cancel by a file's path and wait for its record, which has to come within so many seconds."""
    said = site.cli("cancel", str(site.root / "processing" / f"{name}.png"))
    assert said.returncode == 0, said
    eventually(lambda: f"{name}.error.toml" in site.files("failed"), seconds=seconds)
    eventually(lambda: f"{name}.held.toml" not in site.files("processing"), what="it is held no more")
    record = site.record("failed", f"{name}.error.toml")
    assert (record["code"], record["status"]) == ("cancelled", "failed")
    return record


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_what_has_not_begun_is_cancelled_for_nothing(site: Site, running: bool) -> None:
    assert site.cli("pause").returncode == 0
    site.drop("cat.png")
    with site.daemon() as daemon:
        accepted(site)
        if not running:
            assert daemon.stop() == 0
        assert cancelled(site)["charged"] == "no"
        site.reaches(cancelled=1)
    assert site.runway.bill()["tasks"] == []
    site.verify()


def test_what_waits_at_runway_is_deleted_there_and_refunded(site: Site) -> None:
    site.drop("first.png")
    with site.daemon():
        eventually(lambda: site.counts() == {"running": 1})
        site.drop("cat.png")
        eventually(lambda: site.counts() == {"running": 2})
        record = cancelled(site)
        assert (record["charged"], record["credits"]) == ("no", 0)
        assert "usage page" in str(record["hint"])
        site.reaches(cancelled=1, done=1)
    assert [task["credits"] for task in site.runway.bill()["tasks"]] == [60, 0]
    site.verify()


def test_what_may_have_begun_while_it_was_deleted_is_not_called_free(site: Site) -> None:
    rules: list[dict[str, Any]] = [
        {"on": "create", "do": {"run_seconds": 60}},
        {"on": "task", "do": {"task_status": "THROTTLED"}, "times": None},  # as it was a moment before
        {"on": "delete", "do": {"stall": 2.5}},
    ]
    site.runway.faults(rules)
    site.drop("cat.png")
    with site.daemon():
        eventually(lambda: site.counts() == {"running": 1})
        record = cancelled(site, seconds=15)
        assert (record["charged"], record["credits"]) == ("unknown", 0)
        assert "usage page" in str(record["hint"])
    assert [(task["status"], task["credits"]) for task in site.paid()] == [("CANCELLED", 60)]
    assert site.rows("SELECT credits, reserved FROM charges") == [(None, 60)]  # it counts in the day's budget
    site.verify()


def test_what_runs_at_runway_is_left_there_and_its_result_can_still_be_fetched_for_nothing(
    site: Site,
) -> None:
    site.drop("cat.png")
    with site.daemon():
        eventually(lambda: any(t["status"] == "RUNNING" for t in site.runway.bill()["tasks"]))
        record = cancelled(site)
        assert record["charged"] == "unknown"
        assert "retry" in str(record["hint"])
        assert site.cli("retry", "--all").returncode == 0
        site.reaches(done=1)
    assert len(site.paid()) == 1
    assert site.record("done", "cat.result.toml")["credits"] == 60
    site.verify()


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_held_job_is_cancelled_and_its_charge_stays_unknown(site: Site, running: bool) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: "cat.held.toml" in site.files("processing"))
        if not running:
            assert daemon.stop() == 0
        assert cancelled(site)["charged"] == "unknown"
    assert site.files("processing") == []
    site.verify()


def test_what_was_cancelled_and_moved_back_to_the_inbox_runs_as_the_same_job(site: Site) -> None:
    site.cli("pause")
    site.drop("cat.png")
    with site.daemon():
        accepted(site)
        job = cancelled(site)["job"]
        site.cli("resume")
        site.back_to_inbox("failed", "cat.png", "cat.prompt.toml")
        site.reaches(done=1)
    assert site.record("done", "cat.result.toml")["job"] == job
    site.verify()


def test_what_is_over_or_unknown_cannot_be_cancelled_and_that_is_said(site: Site) -> None:
    site.runway.change(seconds=0.2)
    site.drop("cat.png")
    assert site.cli(*ONCE).returncode == 0
    said = site.cli("cancel", str(site.root / "done/cat.png"), "nobody")
    assert said.returncode == 1
    assert "is done" in said.stdout
    assert "nobody: no such job" in said.stdout
    site.verify()


def test_a_cancel_of_which_runway_could_not_be_told_says_so(site: Site) -> None:
    site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(running=1)
        assert daemon.stop() == 0
    site.runway.fault("*", {"status": 502}, times=None)
    done = site.cli("cancel", str(site.root / "processing/cat.png"))
    assert (done.returncode, "Runway could not be asked about it" in done.stdout) == (0, True)
    assert site.record("failed", "cat.error.toml")["charged"] == "unknown"
    site.runway.well()
    assert "a person cancelled it" in site.cli("explain", str(site.root / "failed/cat.png")).stdout


def test_a_cancelled_doubt_is_still_one(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 1
    assert site.cli("cancel", str(site.root / "processing/cat.png")).returncode == 0
    assert "may pay a second time" in site.record("failed", "cat.error.toml")["hint"]
    told = site.cli("retry", "--dry-run", str(site.root / "failed/cat.png")).stdout
    assert "perhaps for the second time" in told


def test_the_sweep_brings_nothing_back_that_was_cancelled(site: Site) -> None:
    site.configure(sweep=0.3)
    site.cli("pause")
    site.drop("cat.png")
    with site.daemon() as daemon:
        accepted(site)
        cancelled(site)
        site.cli("resume")
        daemon.looks(4)
        assert site.counts() == {"cancelled": 1}
    site.verify()
