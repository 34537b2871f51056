"""Shares that go and come back: nothing is lost, nothing is taken for empty, nobody else is stopped."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import PLACES, Daemon, Runway, Site, eventually, simulator

HOLD = "SELECT message FROM holds WHERE reason = 'share' AND ended_at IS NULL"

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    with simulator() as runway:
        yield runway


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    """Two watches: the site's root, and `other`."""
    stand_in.well()
    stand_in.change(seconds=1.0, concurrency=20)
    site = Site(tmp_path, stand_in)
    (tmp_path / "other/inbox").mkdir(parents=True)
    watch_also(site, tmp_path / "other")
    return site


def watch_also(site: Site, root: Path) -> None:
    """Have the daemon serve one more root."""
    with site.config.open("a") as file:
        file.write(f'[[watch]]\nroot = "{root}"\nsettle_seconds = 0.05\nscan_seconds = 0.5\n')


@contextmanager
def at(site: Site, root: Path) -> Iterator[None]:
    """Drop and look below another root."""
    before, site.root = site.root, root
    try:
        yield
    finally:
        site.root = before


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def mounted(site: Site) -> Iterator[Path]:
    """The folder that is mounted at the site's root."""
    backing = site.base / "backing"
    site.root.rename(backing)
    site.root.mkdir()
    run("mount", "--bind", backing, site.root)
    yield backing
    subprocess.run(["umount", "-l", site.root], capture_output=True)


def held(site: Site) -> str:
    """Why the share is held; "" when it is not."""
    found = site.rows(HOLD)
    return str(found[0][0]) if found else ""


def the_other_goes_on(site: Site, name: str) -> None:
    """A drop below the other root is done, meanwhile."""
    with at(site, site.base / "other"):
        site.drop(name)
        eventually(lambda: f"{Path(name).stem}.out.mp4" in site.files("done"), what="the other watch")


def busy(site: Site, count: int = 5) -> None:
    """Have jobs in all stages below the site's root."""
    for n in range(count):
        site.drop(f"{n}.png")
    eventually(lambda: len(site.paid()) >= 2, what="paid calls")


def everything_is_done(site: Site, daemon: Daemon, count: int) -> None:
    site.reaches(done=count)
    assert len(site.paid()) == count
    assert held(site) == ""
    assert daemon.stop() == 0
    assert not [line for line in daemon.lines() if line["event"] in ("work.broken", "daemon.broken")]


@needs_mounts
def test_a_share_that_is_unmounted_is_held_and_goes_on_when_it_is_mounted_again(
    site: Site, mounted: Path
) -> None:
    with site.daemon() as daemon:
        busy(site)
        run("umount", "-l", site.root)
        eventually(lambda: held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        assert not list(site.root.iterdir())
        assert "failed" not in site.counts()
        run("mount", "--bind", mounted, site.root)
        everything_is_done(site, daemon, 6)
        assert len(daemon.events("share.lost")) == len(daemon.events("share.returned")) == 1


@needs_mounts
def test_a_daemon_that_starts_before_its_share_waits_for_it_and_makes_no_folder(
    site: Site, mounted: Path
) -> None:
    with site.daemon() as daemon:
        busy(site, 3)
        assert daemon.stop() == 0
    run("umount", "-l", site.root)
    with site.daemon() as daemon:
        eventually(lambda: held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        assert not list(site.root.iterdir())
        run("mount", "--bind", mounted, site.root)
        site.reaches(done=4)
        daemon.stop()
    run("umount", "-l", site.root)
    assert site.cli("run", "--once").returncode == 1
    assert not list(site.root.iterdir())


def test_a_root_that_is_renamed_and_made_anew_is_not_taken_for_an_empty_one(site: Site) -> None:
    with site.daemon() as daemon:
        busy(site)
        site.root.rename(site.base / "away")
        site.root.mkdir()
        eventually(lambda: held(site), seconds=10, what="the hold")
        for place in PLACES:
            (site.root / place).mkdir()
        eventually(lambda: "none of the files" in held(site), seconds=10, what="what it is held for")
        the_other_goes_on(site, "dog.png")
        assert "failed" not in site.counts()
        shutil.rmtree(site.root)
        (site.base / "away").rename(site.root)
        everything_is_done(site, daemon, 6)


def test_a_root_made_anew_with_nothing_under_way_is_served_where_it_is(site: Site) -> None:
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(done=1)
        site.root.rename(site.base / "away")
        (site.root / "inbox").mkdir(parents=True)
        eventually(lambda: daemon.events("share.lost"), seconds=10)
        site.drop("dog.png")
        site.reaches(done=2)
        assert site.files("done") == ["dog.out.mp4", "dog.png", "dog.prompt.toml", "dog.result.toml"]
        assert daemon.stop() == 0


def test_hints_come_from_the_new_root_too(site: Site) -> None:
    config = site.config.read_text().replace("scan_seconds = 0.5", "scan_seconds = 3600")
    site.config.write_text(config)
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(done=1)
        looks = len(daemon.events("inbox.scanned"))
        site.root.rename(site.base / "away")
        (site.root / "inbox").mkdir(parents=True)
        eventually(lambda: daemon.events("share.returned"), seconds=10)
        eventually(lambda: len(daemon.events("inbox.scanned")) > looks)
        site.drop("dog.png")
        site.reaches(done=2)


@needs_mounts
def test_a_share_that_becomes_read_only_is_held_until_it_can_be_written_to(site: Site, mounted: Path) -> None:
    with site.daemon() as daemon:
        busy(site)
        run("mount", "-o", "remount,bind,ro", site.root)
        eventually(lambda: "read-only" in held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        run("mount", "-o", "remount,bind,rw", site.root)
        everything_is_done(site, daemon, 6)


def test_what_is_cancelled_lets_another_folder_take_the_place_of_the_root(site: Site) -> None:
    site.runway.change(seconds=60)
    with site.daemon() as daemon:
        site.drop("cat.png")
        eventually(lambda: site.counts() == {"running": 1})
        site.root.rename(site.base / "away")
        for place in PLACES:
            (site.root / place).mkdir(parents=True)
        eventually(lambda: "none of the files" in held(site), seconds=10, what="the hold")
        [(job,)] = site.rows("SELECT id FROM jobs")
        assert site.cli("cancel", job).returncode == 0
        site.reaches(cancelled=1)
        eventually(lambda: not held(site), what="the end of the hold")
        daemon.stop()


def test_a_root_that_was_never_there_is_waited_for_and_the_others_are_served(site: Site) -> None:
    missing = site.base / "missing"
    watch_also(site, missing)
    with site.daemon() as daemon:
        eventually(lambda: str(missing) in held(site), what="the hold")
        the_other_goes_on(site, "dog.png")
        assert not missing.exists()
        missing.mkdir()
        eventually((missing / "inbox").is_dir, what="the four folders")
        eventually(lambda: not held(site), what="the end of the hold")
        assert daemon.stop() == 0


def test_a_hold_of_a_root_that_nobody_watches_any_more_ends(site: Site) -> None:
    watch_also(site, site.base / "missing")
    assert site.cli("run", "--once").returncode == 1
    assert held(site)
    site.configure()
    assert site.cli("run", "--once").returncode == 0
    assert not held(site)


def test_a_minute_in_which_the_daemon_was_stopped_is_no_trouble_of_the_share(site: Site) -> None:
    site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(done=1)
        daemon.process.send_signal(signal.SIGSTOP)
        stopped: Any = lambda: Path(f"/proc/{daemon.process.pid}/stat").read_text().split()[2] == "T"  # noqa: E731
        eventually(stopped)
        clock = os.times().elapsed
        eventually(lambda: os.times().elapsed - clock > 12, what="twelve seconds")
        daemon.process.send_signal(signal.SIGCONT)
        site.drop("dog.png")
        site.reaches(done=2)
        assert not daemon.events("share.lost")
