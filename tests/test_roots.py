"""Jobs of a folder that is no longer in the configuration: in nobody's way, and not forgotten."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.harness import Site, eventually, obstruct, picture, sidecar, simulator, unique

APPOINTED = "[job]\nnot_before = 2099-01-01T00:00:00"


def watch(site: Site, name: str, **settings: object) -> None:
    """Let another folder stand in the configuration in place of the one before."""
    site.root = site.base / name
    (site.root / "inbox").mkdir(parents=True, exist_ok=True)
    site.configure(**settings)


def test_jobs_of_a_folder_that_nobody_watches_keep_no_others_from_their_turn(site: Site) -> None:
    watch(site, "old", in_flight=1)
    for n in range(9):
        site.drop(f"{n}.png", text=APPOINTED)
    assert site.cli("run", "--once").returncode == 0
    with closing(sqlite3.connect(site.ledger)) as db:
        db.execute("UPDATE generations SET due_at = 1")
        db.commit()
    watch(site, "new")
    site.drop("dog.png")
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"ready": 9, "done": 1}
    assert len(site.paid()) == 1
    watch(site, "old")
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 10}


def test_a_task_of_a_folder_that_nobody_watches_gives_its_slot_back_and_is_fetched_when_it_returns(
    site: Site,
) -> None:
    site.runway.change(seconds=1.5)
    watch(site, "old", in_flight=1, submit_ahead=0)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"running": 1})
        assert daemon.stop() == 0
    site.runway.change(seconds=0.3)
    watch(site, "new")
    site.drop("dog.png")
    with site.daemon() as daemon:
        site.reaches(collecting=1, done=1)
        assert daemon.stop() == 0
    assert not site.files("processing")
    watch(site, "old")
    assert site.cli("run", "--once").returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 2}, 2)
    assert "cat.out.mp4" in site.files("done")


def test_a_root_under_a_new_path_goes_on_with_its_jobs_and_a_copy_of_it_takes_none(tmp_path: Path) -> None:
    with simulator(seconds=2) as runway:
        site, image, text = Site(tmp_path, runway), picture(), sidecar(unique())
        site.put("cat.png", image)
        site.put("cat.prompt.toml", text)
        assert site.cli("run", "--once").returncode == 0
        site.drop("dog.png")
        with site.daemon() as daemon:
            site.reaches(done=1, running=1)
            assert daemon.stop() == 0
        site.root.rename(tmp_path / "moved")
        site.root = tmp_path / "moved"
        site.configure()
        site.put("again.png", image)
        site.put("again.prompt.toml", text)
        assert site.cli("run", "--once").returncode == 0
        assert (site.counts(), len(runway.bill()["tasks"])) == ({"done": 3}, 2)
        site.verify()
        shutil.copytree(site.root, tmp_path / "copy")
        with site.config.open("a") as file:
            file.write(f'[[watch]]\nroot = "{tmp_path / "copy"}"\n')
        assert site.cli("run", "--once").returncode == 0
        assert (site.counts(), len(runway.bill()["tasks"])) == ({"done": 3}, 2)


def test_a_result_that_nobody_fetches_keeps_no_outage_open(site: Site) -> None:
    site.runway.change(seconds=1.0)
    site.drop("a.png")
    with site.daemon() as daemon:
        site.reaches(running=1)
        assert daemon.stop() == 0
    watch(site, "other")
    with site.daemon():
        site.reaches(collecting=1)
        outage(site)
        eventually(lambda: site.counts().get("done") == 3, what="the end of the outage")
        assert site.rows(OPEN) == []


def test_a_result_that_a_broken_folder_takes_not_keeps_no_outage_open(site: Site) -> None:
    site.runway.change(seconds=1.0)
    site.drop("a.png")
    broken = site.root
    with site.config.open("a") as file:
        file.write(f'[[watch]]\nroot = "{site.base / "other"}"\nsettle_seconds = 0.05\nscan_seconds = 0.5\n')
    (site.base / "other/inbox").mkdir(parents=True)
    with site.daemon() as daemon:
        site.reaches(running=1)
        (broken / "processing").rename(broken / "processing.away")
        mended = obstruct(broken / "processing")
        site.reaches(collecting=1)
        site.root = site.base / "other"
        outage(site)
        eventually(lambda: site.counts().get("done") == 3, what="the end of the outage")
        mended()
        (broken / "processing.away").rename(broken / "processing")
        site.reaches(done=4)
        assert daemon.stop() == 0


OPEN = "SELECT scope FROM holds WHERE reason = 'outage' AND ended_at IS NULL"


def outage(site: Site) -> None:
    """Let nothing that new drops need answer for a while."""
    for place in ("upload_slot", "task", "organization"):
        site.runway.fault(place, {"status": 502}, times=None)
    for n in range(3):
        site.drop(f"new {n}.png")
    eventually(lambda: ("all",) in site.rows(OPEN))
    site.runway.well()
