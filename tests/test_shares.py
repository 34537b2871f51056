"""Shares that go and come back: nothing is lost, nothing is taken for empty, nobody else is stopped."""

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runway_watch.daemon.sentry import LOOK_SECONDS
from tests.harness import PLACES, Daemon, Runway, Site, eventually, picture, sidecar, unique
from tests.mounting import bind, detach, mountpoint, needs_mount, remount
from tests.passthrough import Share, needs_fuse, passthrough

HOLD = "SELECT message FROM holds WHERE reason = 'share' AND ended_at IS NULL"


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
    site.others.append(root)
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


@pytest.fixture
def mounted(site: Site) -> Iterator[Path]:
    """The folder that is mounted at the site's root."""
    backing = site.base / "backing"
    site.root.rename(backing)
    with mountpoint(site.root):
        bind(backing, site.root)
        yield backing


@pytest.fixture
def share(site: Site) -> Iterator[Share]:
    """A network drive at the site's root."""
    backing = site.base / "backing"
    site.root.rename(backing)
    with passthrough(backing, site.root) as share:
        yield share


def held(site: Site) -> str:
    """Why the share is held; "" when it is not."""
    found = site.rows(HOLD)
    return str(found[0][0]) if found else ""


def the_other_goes_on(site: Site, *names: str) -> None:
    """Drops below the other root are done, meanwhile."""
    films = {f"{Path(name).stem}.out.mp4" for name in names}
    with at(site, site.base / "other"):
        for name in names:
            site.drop(name)
        eventually(lambda: films <= set(site.files("done")), what="the other watch")


def busy(site: Site, count: int = 5) -> None:
    """Have jobs in all stages below the site's root."""
    for n in range(count):
        site.drop(f"{n}.png")
    eventually(lambda: len(site.paid()) >= 2, what="paid calls")


def everything_is_done(site: Site, daemon: Daemon, count: int) -> None:
    site.reaches(done=count)
    assert len(site.paid()) == count
    eventually(lambda: held(site) == "", what="the end of the hold")
    assert daemon.stop() == 0
    assert not [line for line in daemon.lines() if line["event"] in ("work.broken", "daemon.broken")]


@needs_mount
def test_a_share_that_is_unmounted_is_held_and_goes_on_when_it_is_mounted_again(
    site: Site, mounted: Path
) -> None:
    with site.daemon() as daemon:
        busy(site)
        detach(site.root)
        eventually(lambda: held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        assert not list(site.root.iterdir())
        assert "failed" not in site.counts()
        bind(mounted, site.root)
        everything_is_done(site, daemon, 6)
        assert len(daemon.events("share.lost")) == len(daemon.events("share.returned")) == 1


@needs_mount
def test_a_daemon_that_starts_before_its_share_waits_for_it_and_makes_no_folder(
    site: Site, mounted: Path
) -> None:
    with site.daemon() as daemon:
        busy(site, 3)
        assert daemon.stop() == 0
    detach(site.root)
    with site.daemon() as daemon:
        eventually(lambda: held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        assert not list(site.root.iterdir())
        bind(mounted, site.root)
        site.reaches(done=4)
        daemon.stop()
    detach(site.root)
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


def test_a_name_that_was_used_before_makes_no_strange_folder_the_right_one(site: Site) -> None:
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(done=1)
        site.runway.change(seconds=60)
        site.drop("dog.png")
        eventually(lambda: site.counts() == {"done": 1, "running": 1})
        site.root.rename(site.base / "away")
        for place in PLACES:
            (site.root / place).mkdir(parents=True)
        eventually(lambda: "none of the files" in held(site), seconds=10, what="the hold")
        site.put("cat.png", picture(), counts=False)
        site.put("dog.png", picture(), counts=False)
        several_looks_change_nothing(daemon)
        assert "none of the files" in held(site)
        assert site.counts()["done"] == 1
        daemon.stop()


def several_looks_change_nothing(daemon: Daemon) -> None:
    """The sentry looks at the root a few times more, and it stays away."""
    before = time.monotonic()
    eventually(lambda: time.monotonic() - before > 3 * LOOK_SECONDS)
    assert not daemon.events("share.returned")


def test_the_same_drop_elsewhere_waits_for_a_result_that_is_only_away(site: Site) -> None:
    image, text = picture(), sidecar(unique())
    with site.daemon() as daemon:
        site.put("cat.png", image)
        site.put("cat.prompt.toml", text)
        site.reaches(done=1)
        site.runway.change(seconds=60)
        site.drop("dog.png")
        eventually(lambda: site.counts() == {"done": 1, "running": 1})
        paid = len(site.runway.bill()["tasks"])
        site.root.rename(site.base / "away")
        for place in PLACES:
            (site.root / place).mkdir(parents=True)
        eventually(lambda: "none of the files" in held(site), seconds=10, what="the hold")
        with at(site, site.base / "other"):
            site.put("again.png", image)
            site.put("again.prompt.toml", text)
        eventually(lambda: site.counts().get("collecting") == 1, what="the drop that shares")
        several_looks_change_nothing(daemon)
        assert len(site.runway.bill()["tasks"]) == paid
        shutil.rmtree(site.root)
        (site.base / "away").rename(site.root)
        eventually(lambda: site.counts() == {"done": 2, "running": 1}, what="the shared result")
        assert len(site.runway.bill()["tasks"]) == paid
        daemon.stop()


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


@needs_mount
def test_a_share_that_becomes_read_only_is_held_until_it_can_be_written_to(site: Site, mounted: Path) -> None:
    with site.daemon() as daemon:
        busy(site)
        remount(site.root, "ro")
        eventually(lambda: "read-only" in held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        remount(site.root, "rw")
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


# -- a network drive that fails ----------------------------------------------------------------------------


@needs_fuse
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_share_that_answers_with_errors_is_held_until_it_is_well(
    site: Site, share: Share, code: int
) -> None:
    with site.daemon() as daemon:
        busy(site)
        share.fail(code)
        eventually(lambda: held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        assert "failed" not in site.counts()
        share.heal()
        everything_is_done(site, daemon, 6)
    site.verify()


@needs_fuse
def test_a_share_that_hangs_stops_neither_the_other_nor_the_daemon(site: Site, share: Share) -> None:
    with site.daemon() as daemon:
        busy(site)
        share.hang()
        eventually(lambda: "does not answer" in held(site), seconds=10, what="the hold")
        the_other_goes_on(site, "dog.png")
        the_other_goes_on(site, "cow.png")
        status = json.loads(site.cli("status", "--json").stdout)
        assert [hold["reason"] for hold in status["holds"]] == ["share"]
        share.heal()
        everything_is_done(site, daemon, 7)
    site.verify()


@needs_fuse
@pytest.mark.parametrize("only", ["read", "write", "renameat2", "open", "create", "fsync"])
def test_one_kind_of_call_that_hangs_is_found_out_and_stops_nobody_else(
    site: Site, share: Share, only: str
) -> None:
    with site.daemon() as daemon:
        both_are_watched(daemon)
        share.hang(only={only})
        busy_writing(share, site)
        eventually(lambda: held(site), seconds=15, what="the hold")
        the_other_goes_on(site, *(f"other {n}.png" for n in range(5)))
        share.heal()
        everything_is_done(site, daemon, 11)
    site.verify()


def both_are_watched(daemon: Daemon) -> None:
    """Wait until both roots have been taken up; at that, more time is given than when one is at work."""
    eventually(lambda: len({line["path"] for line in daemon.events("inbox.scanned")}) == 2)


def busy_writing(share: Share, site: Site) -> None:
    """Have somebody else drop into the share, who is not stopped by its trouble."""
    with at(site, share.backing):
        for n in range(6):
            site.drop(f"{n}.png")


@needs_fuse
def test_a_daemon_on_a_share_that_hangs_stops_in_time_and_starts(site: Site, share: Share) -> None:
    with site.daemon() as daemon:
        busy(site)
        share.hang()
        eventually(lambda: held(site), seconds=10, what="the hold")
        daemon.process.send_signal(signal.SIGTERM)
        # The kernel lets no process go whose call on a share hangs, whatever kills it.
        eventually(lambda: daemon.events("daemon.stopped"), what="a stop")
        with site.daemon() as next_one:
            eventually(lambda: daemon.events("daemon.stopped"), what="a stop")
            eventually(lambda: "does not answer" in held(site), what="the hold")
            the_other_goes_on(site, "cow.png")
            assert next_one.process.poll() is None
            share.heal()
            assert next_one.stop() == daemon.process.wait(30) == 0
    with site.daemon() as daemon:
        everything_is_done(site, daemon, 6)
    site.verify()


@needs_fuse
def test_a_share_that_is_mounted_anew_with_another_device_is_looked_through_and_goes_on(
    site: Site, share: Share
) -> None:
    with site.daemon() as daemon:
        busy(site)
        share.unmount()
        share.mount()
        eventually(lambda: daemon.events("share.lost"), seconds=10)
        everything_is_done(site, daemon, 5)
    site.verify()


@needs_fuse
def test_what_no_event_tells_of_is_found_by_the_scan(site: Site, share: Share) -> None:
    with site.daemon() as daemon:
        both_are_watched(daemon)
        [chosen, _] = sorted(eventually(lambda: observers(daemon)))
        assert "events" in chosen
        with at(site, share.backing):
            site.drop("cat.png")
        site.reaches(done=1)
        assert daemon.stop() == 0


def observers(daemon: Daemon) -> list[str]:
    found = [line["message"] for line in daemon.events("observer.chosen")]
    return found if len(found) == 2 else []


@needs_fuse
def test_one_file_that_cannot_be_read_is_nobody_elses_trouble(site: Site, share: Share) -> None:
    with site.daemon() as daemon:
        both_are_watched(daemon)
        share.fail(errno.EIO, only={"read"}, below="inbox/bad.png")
        with at(site, share.backing):
            site.drop("bad.png")
            site.drop("good.png")
        site.reaches(done=1)
        waiting = json.loads(site.cli("status", "--json").stdout)["waiting"]
        assert [line["why"] for line in waiting if line["path"].endswith("bad.png")]
        assert not held(site)
        share.heal()
        everything_is_done(site, daemon, 2)


@needs_fuse
def test_a_slow_share_is_not_a_lost_one(site: Site, share: Share) -> None:
    share.slow(0.02)
    with site.daemon() as daemon:
        for n in range(3):
            site.drop(f"{n}.png")
        site.reaches(done=3)
        assert not daemon.events("share.lost")
        assert daemon.stop() == 0


@needs_fuse
def test_inodes_that_are_numbered_anew_do_no_harm(site: Site, share: Share) -> None:
    with site.daemon() as daemon:
        busy(site)
        share.renumber(every=0.1)
        everything_is_done(site, daemon, 5)
        assert not daemon.events("share.lost")
    site.verify()
