"""A disk runs full while a daemon is at work, on small filesystems of the tests' own.

Nothing goes to failed/ for it, nothing is lost and nothing paid for twice; when there is room again, work
goes on by itself.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import Runway, Site, eventually, picture, simulator
from tests.mounting import needs_mount, tmpfs

pytestmark = needs_mount

SHARE_BYTES, LEDGER_BYTES, LOG_BYTES = 64 << 20, 16 << 20, 1 << 20


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Take all room but so many bytes. Returns the file that has it."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for _ in range(100):  # a daemon takes some of it between the look and this
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - leave)
                return ballast
    raise AssertionError(f"{disk} cannot be filled")


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    with simulator(seconds=1.0) as runway:
        yield runway


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "root", SHARE_BYTES) as disk:
        yield disk


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "state", LEDGER_BYTES) as disk:
        yield disk


def site_of(base: Path, runway: Runway) -> Site:
    runway.well()
    return Site(base, runway)


def holds(site: Site) -> set[str]:
    """The reasons for which work is held, as `status` tells them."""
    return {hold["reason"] for hold in json.loads(site.cli("status", "--json").stdout)["holds"]}


# -- the share ---------------------------------------------------------------------------------------------


def test_a_share_that_is_full_when_an_output_comes_gets_it_when_there_is_room(
    share: Path, tmp_path: Path, stand_in: Runway
) -> None:
    site = site_of(tmp_path, stand_in)
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(running=1)
        ballast = fill(share)
        eventually(lambda: "No space left" in daemon.log.read_text())
        daemon.looks(6)
        assert (site.counts(), site.files("failed")) == ({"collecting": 1}, [])
        ballast.unlink()
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


def test_a_share_with_too_little_room_holds_new_work_until_there_is_more(
    share: Path, tmp_path: Path, stand_in: Runway
) -> None:
    site = site_of(tmp_path, stand_in)
    with site.daemon() as daemon:
        daemon.looks()
        ballast = fill(share, leave=2 << 20)
        eventually(lambda: "disk" in holds(site), what="the hold")
        site.drop("cat.png")
        site.reaches(ready=1)
        daemon.looks(4)
        assert (site.counts(), site.paid()) == ({"ready": 1}, [])
        ballast.unlink()
        site.reaches(done=1)
        eventually(lambda: "disk" not in holds(site), what="the end of the hold")
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


def test_a_refusal_that_finds_no_room_for_its_record_is_written_when_there_is_some(
    share: Path, tmp_path: Path, stand_in: Runway
) -> None:
    site = site_of(tmp_path, stand_in)
    with site.daemon() as daemon:
        daemon.looks()
        site.put("cat.png", picture())
        site.put(".cat.prompt.toml.arriving", b'ratoi = "16:9"\n')
        ballast = fill(share)
        inbox = site.root / "inbox"
        (inbox / ".cat.prompt.toml.arriving").rename(inbox / "cat.prompt.toml")
        eventually(lambda: "No space left" in daemon.log.read_text())
        ballast.unlink()
        site.reaches(failed=1)
        assert daemon.stop() == 0
    assert site.record("failed", "cat.error.toml")["code"] == "params.invalid"
    assert site.paid() == []
    site.verify()


# -- the ledger --------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_ledger_stops_everything_until_there_is_room(
    state: Path, tmp_path: Path, stand_in: Runway
) -> None:
    site = site_of(tmp_path, stand_in)
    with site.daemon() as daemon:
        site.drop("running.png")
        site.reaches(running=1)
        ballast = fill(state)
        site.drop("coming.png")
        eventually(lambda: daemon.events("ledger.refused"), what="a ledger without room")
        daemon.looks(4)
        assert (site.files("done"), site.files("failed")) == ([], [])
        ballast.unlink()
        site.reaches(done=2)
        assert daemon.stop() == 0
    assert len(site.paid()) == 2
    site.verify()


def test_a_daemon_that_died_on_a_full_disk_goes_on_when_there_is_room(
    state: Path, tmp_path: Path, stand_in: Runway
) -> None:
    site = site_of(tmp_path, stand_in)
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(running=1)
        ballast = fill(state)
        eventually(lambda: daemon.events("ledger.refused"), what="a ledger without room")
        daemon.kill()
    ballast.unlink()
    with site.daemon() as daemon:
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


# -- the log -----------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_log_stops_no_work(tmp_path: Path, stand_in: Runway) -> None:
    with tmpfs(tmp_path / "logs", LOG_BYTES) as disk:
        site = site_of(tmp_path, stand_in)
        with site.daemon() as daemon:
            daemon.looks()
            ballast = fill(disk)
            for n in range(4):
                site.drop(f"{n}.png")
            site.reaches(done=4, seconds=8)
            ballast.unlink()
            assert daemon.stop() == 0
        assert len(site.paid()) == 4
