"""People and machines move files while the daemon works: nothing is paid for twice, nothing comes apart."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import Runway, Site, eventually, sidecar, simulator, unique

ONCE = ("run", "--once")
PAIR = ("cat.png", "cat.prompt.toml")


@pytest.fixture(scope="module")
def slow() -> Iterator[Runway]:
    with simulator(seconds=4) as runway:
        yield runway


@pytest.fixture(scope="module")
def quick() -> Iterator[Runway]:
    with simulator() as runway:
        yield runway


def change(site: Site, statement: str) -> None:
    """Change the ledger while no daemon runs."""
    with closing(sqlite3.connect(site.ledger)) as db, db:
        db.execute(statement)


def work_off(site: Site) -> int:
    """Work until nothing can go on; its exit code."""
    return site.cli(*ONCE).returncode


def test_files_of_a_running_job_that_go_to_the_inbox_are_taken_back_to_it(
    tmp_path: Path, slow: Runway
) -> None:
    site = Site(tmp_path, slow)
    site.drop()
    with site.daemon() as daemon:
        site.reaches(running=1)
        site.back_to_inbox("processing", *PAIR)
        eventually(lambda: daemon.events("files.returned"), what="the files were noticed")
        site.drop("dog.png")
        site.reaches(done=2)
        assert daemon.stop() == 0
    assert len(site.paid()) == 2
    assert {*PAIR, "cat.out.mp4", "cat.result.toml"} <= set(site.files("done"))
    site.verify()


def test_other_files_under_the_name_of_a_running_job_whose_files_have_gone_are_another_job(
    tmp_path: Path, slow: Runway
) -> None:
    site = Site(tmp_path, slow)
    site.drop()
    with site.daemon() as daemon:
        site.reaches(running=1)
        for name in PAIR:
            (site.root / "processing" / name).rename(tmp_path / name)
        site.drop()
        site.reaches(done=2)
        assert daemon.stop() == 0
        assert daemon.events("files.returned") == []
    assert len(site.paid()) == 2
    assert [name for name in site.files("done") if name.endswith(".mp4")] == [
        "cat (2).out.mp4",
        "cat.out.mp4",
    ]


def test_files_that_left_before_anybody_knew_of_a_doubt_are_no_word_to_pay_again(
    tmp_path: Path, slow: Runway
) -> None:
    site = Site(tmp_path, slow)
    slow.fault("create", {"stall_after": 60})
    site.drop()
    with site.daemon() as daemon:
        site.reaches(submitting=1)
        eventually(lambda: slow.hits() == [1])
        daemon.kill()
    slow.well()
    site.back_to_inbox("processing", *PAIR)
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("files.returned"), what="the files were noticed")
        eventually(lambda: set(site.files("processing")) == {*PAIR, "cat.held.toml"})
        assert site.counts() == {"held": 1}
        site.back_to_inbox("processing", *PAIR)  # now it is one
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 2
    site.verify()


def test_files_that_left_before_an_answer_was_lost_go_back_and_are_held(tmp_path: Path, slow: Runway) -> None:
    site = Site(tmp_path, slow)
    slow.fault("create", {"status_after": 502, "stall_after": 1})
    site.drop()
    with site.daemon() as daemon:
        eventually(lambda: slow.hits() == [1])
        site.back_to_inbox("processing", *PAIR)
        eventually(lambda: daemon.events("files.returned"), what="the files were noticed")
        site.reaches(held=1)
        daemon.looks(3)
        assert set(site.files("processing")) == {*PAIR, "cat.held.toml"}
        assert daemon.stop() == 0
    slow.well()
    assert len(site.paid()) == 1
    site.verify()


def test_files_that_left_before_a_job_failed_are_filed_with_it(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    quick.fault("create", {"fail_task": "SAFETY.INPUT.TEXT"})
    site.drop()
    with site.daemon() as daemon:
        site.reaches(running=1)
        for name in PAIR:
            (site.root / "processing" / name).rename(tmp_path / name)
        site.reaches(failed=1)
        for name in PAIR:
            (tmp_path / name).rename(site.root / "inbox" / name)
        eventually(lambda: daemon.events("files.returned"), what="the files were noticed")
        daemon.looks(3)
        assert site.counts() == {"failed": 1}
        assert set(site.files("failed")) == {*PAIR, "cat.error.toml"}
        site.back_to_inbox("failed", *PAIR)
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 2
    site.verify()


@pytest.mark.parametrize("place", ["failed", "processing"])
@pytest.mark.parametrize("poison", ["a = " + "[" * 3000, ""])
def test_a_strangers_record_stops_nobody(tmp_path: Path, quick: Runway, place: str, poison: str) -> None:
    site = Site(tmp_path, quick)
    quick.fault("create", {"status": 400} if place == "failed" else {"reset_after": True})
    site.drop()
    assert work_off(site) == 1
    quick.well()
    [record] = [name for name in site.files(place) if name.endswith((".error.toml", ".held.toml"))]
    path = site.root / place / record
    path.unlink()
    if poison:
        path.write_text(poison)
    else:
        path.mkdir()
    site.back_to_inbox(place, *PAIR)
    site.drop("dog.png")
    assert work_off(site) == 0
    assert site.counts() == {"done": 2}


def test_a_record_that_comes_along_to_the_inbox_goes_away(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    quick.fault("create", {"status": 400})
    site.drop()
    assert work_off(site) == 1
    quick.well()
    site.back_to_inbox("failed", "cat.error.toml", *PAIR)
    assert work_off(site) == 0
    assert (site.files("inbox"), site.counts()) == ([], {"done": 1})


def test_a_drop_that_vanished_before_it_was_paid_for_is_dropped_again(tmp_path: Path, slow: Runway) -> None:
    site = Site(tmp_path, slow)
    slow.fault("upload_slot", {"status": 503}, times=None)
    site.drop()
    with site.daemon() as daemon:
        site.reaches(uploading=1)
        for name in PAIR:
            (site.root / "processing" / name).rename(tmp_path / name)
        site.reaches(failed=1)
        slow.well()
        for name in PAIR:
            (tmp_path / name).rename(site.root / "inbox" / name)
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


def test_plan_and_explain_say_what_becomes_of_files_that_left_a_running_job(
    tmp_path: Path, slow: Runway
) -> None:
    site = Site(tmp_path, slow)
    site.drop()
    with site.daemon() as daemon:
        site.reaches(running=1)
        assert daemon.stop() == 0
    site.back_to_inbox("processing", *PAIR)
    assert "is running as" in site.cli("plan").stdout
    assert "they go back to it" in site.cli("explain", str(site.root / "inbox/cat.png")).stdout
    site.mend(site.root / "inbox/cat.prompt.toml", sidecar(unique()))  # another wish, and another job
    assert "is running as" not in site.cli("plan").stdout
    assert "price: 60 credits at most" in site.cli("plan").stdout
    assert "they go back to it" not in site.cli("explain", str(site.root / "inbox/cat.png")).stdout


def test_files_that_go_back_before_anything_was_paid_are_judged_anew(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    site.drop(text="[job]\nnot_before = 2100-01-01T00:00:00Z")
    assert work_off(site) == 0
    assert site.counts() == {"ready": 1}
    (before,) = site.rows("SELECT id FROM jobs")
    site.mend(site.root / "processing/cat.prompt.toml", sidecar(unique()))
    site.back_to_inbox("processing", *PAIR)
    assert work_off(site) == 0
    assert site.counts() == {"done": 1}
    assert site.rows("SELECT id FROM jobs") == [before]
    assert len(site.paid()) == 1
    site.verify()


def test_a_record_that_finds_its_name_taken_leaves_the_files_together(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick, {"settle_timeout": 600})
    for place in ("done", "failed"):
        (site.root / place).mkdir()
        for kind in ("result", "error"):
            (site.root / place / f"cat.{kind}.toml").symlink_to("/nowhere")
    site.drop()
    site.drop("dog.png", text="ratoi = 1")
    (site.root / "failed/dog.error.toml").write_text("# somebody's notes\n")
    assert work_off(site) == 1
    assert site.counts() == {"done": 1, "failed": 1}
    done, failed = set(site.files("done")), set(site.files("failed"))
    assert {"cat (2).png", "cat (2).prompt.toml", "cat (2).out.mp4", "cat (2).result.toml"} <= done
    assert {"dog (2).png", "dog (2).prompt.toml", "dog (2).error.toml", "dog.error.toml"} <= failed


def test_a_new_date_on_a_failed_file_buys_nothing(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick, {"sweep": 0.2})
    site.drop(text="ratoi = 1")
    assert work_off(site) == 1
    for name in PAIR:
        os.utime(site.root / "failed" / name)
    with site.daemon() as daemon:
        eventually(lambda: len(daemon.events("daemon.started")) == 1)
        site.drop("dog.png")
        site.reaches(failed=1, done=1)
        daemon.looks(4)
        assert not [line for line in daemon.lines() if line.get("path") == "cat.png"]
    assert site.counts() == {"failed": 1, "done": 1}


def test_a_sidecar_that_is_mended_where_it_lies_is_taken_up_by_the_sweep(
    tmp_path: Path, quick: Runway
) -> None:
    site = Site(tmp_path, quick, {"sweep": 0.2})
    site.drop(text="ratoi = 1")
    assert work_off(site) == 1
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("daemon.started"))
        site.mend(site.root / "failed/cat.prompt.toml", sidecar(unique()))
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert site.files("failed") == []
    assert len(site.paid()) == 1
    site.verify()


def test_one_broken_folder_default_stops_the_sweep_of_no_other_folder(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick, {"sweep": 0.2})
    site.drop("a/cat.png", text="ratoi = 1")
    site.drop("b/cat.png", text="ratoi = 1")
    assert work_off(site) == 1
    (site.root / "inbox/a/_folder.prompt.toml").write_text("broken = ")
    for folder in ("a", "b"):
        site.mend(site.root / f"failed/{folder}/cat.prompt.toml", sidecar(unique()))
    with site.daemon():
        site.reaches(failed=1, done=1)
    assert site.files("failed") == ["a/cat.error.toml", "a/cat.png", "a/cat.prompt.toml"]


def test_a_failure_that_was_charged_is_not_bought_again(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    site.drop()
    quick.fault("create", {"fail_task": "INTERNAL.X"})
    quick.fault("task", {"merge": {"cost": {"credits": 60}}}, times=None)
    try:
        assert work_off(site) == 1
    finally:
        quick.well()
    assert len(site.paid()) == 1
    record = site.record("failed", "cat.error.toml")
    assert (record["code"], record["charged"], record["credits"]) == ("task.internal", "yes", 60)


def test_an_unknown_failure_is_tried_once_more_and_no_further(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    site.drop()
    quick.fault("create", {"fail_task": "SOMETHING.NEW"}, times=None)
    try:
        assert work_off(site) == 1
    finally:
        quick.well()
    assert len(site.paid()) == 2
    assert site.counts() == {"failed": 1}


def test_a_task_of_another_key_is_waited_for_and_not_called_lost(tmp_path: Path, slow: Runway) -> None:
    site = Site(tmp_path, slow)
    site.drop()
    with site.daemon() as daemon:
        site.reaches(running=1)
        daemon.kill()
    change(site, "UPDATE generations SET account = 'another'")
    slow.fault("task", {"status": 404}, times=None)
    try:
        assert work_off(site) == 1
    finally:
        slow.well()
    assert site.counts() == {"running": 1}
    change(site, "UPDATE generations SET due_at = 0")
    assert work_off(site) == 0
    assert site.counts() == {"done": 1}
    assert len(site.paid()) == 1


def test_a_drop_whose_files_leave_while_it_is_accepted_costs_nothing(tmp_path: Path, quick: Runway) -> None:
    site = Site(tmp_path, quick)
    site.put("sub/cat.prompt.toml", sidecar(unique(), '[job]\noperation = "text_to_image"'), counts=False)
    (site.root / "processing").mkdir()
    blocked = site.root / "processing/sub"
    blocked.write_text("no folder, so nothing can be moved into it")
    assert work_off(site) == 1
    assert site.counts() == {"ready": 1}
    (site.root / "inbox/sub/cat.prompt.toml").unlink()
    blocked.unlink()
    assert work_off(site) == 1
    assert site.counts() == {"failed": 1}
    assert site.record("failed", "sub/cat.error.toml")["code"] == "asset.changed"
    assert site.paid() == []
