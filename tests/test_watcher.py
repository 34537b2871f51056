"""Real folders, real inotify: a hint for everything that people do, none for what we do ourselves."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runway_watch import mounts
from runway_watch.config import WatchSettings
from runway_watch.watcher import Watcher, choose

SECONDS = 10.0
QUIET_SECONDS = 0.3
"""For a hint that must not come: watchdog holds events back for a moment before it passes them on."""


class Told(threading.Event):
    """Set by a hint."""

    def begin(self) -> None:
        """Forget hints of what was done before, as soon as they have all come."""
        while self.wait(QUIET_SECONDS):
            self.clear()


@contextmanager
def listening(inbox: Path, *, observe: str = "events") -> Iterator[tuple[Watcher, Told]]:
    settings = WatchSettings.model_validate({"root": inbox.parent, "observe": observe})
    told = Told()
    watcher = Watcher(inbox, settings, told.set)
    watcher.start()
    try:
        yield watcher, told
    finally:
        watcher.stop()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "root/inbox"
    (folder / "holiday/monday").mkdir(parents=True)
    (folder / "holiday/old.png").write_bytes(b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/cat.png").write_bytes(b"x")
    return folder


def create(inbox: Path) -> None:
    (inbox / "cat.png").write_bytes(b"x")


def create_below(inbox: Path) -> None:
    (inbox / "holiday/monday/cat.png").write_bytes(b"x")


def write_more(inbox: Path) -> None:
    with (inbox / "holiday/old.png").open("ab") as file:
        file.write(b"more")


def move_in(inbox: Path) -> None:
    (inbox.parent.parent / "outside/cat.png").rename(inbox / "holiday/cat.png")


def rename(inbox: Path) -> None:
    (inbox / "holiday/old.png").rename(inbox / "holiday/new.png")


def rename_from_temporary(inbox: Path) -> None:
    (inbox / "holiday/old.png").replace(inbox / "holiday/monday/old.png")


def move_folder_in(inbox: Path) -> None:
    (inbox.parent.parent / "outside").rename(inbox / "tuesday")


def delete(inbox: Path) -> None:
    (inbox / "holiday/old.png").unlink()


@pytest.mark.parametrize(
    "act",
    [create, create_below, write_more, move_in, rename, rename_from_temporary, move_folder_in, delete],
)
def test_a_hint_comes_when_people_do_something(act: Callable[[Path], None], inbox: Path) -> None:
    with listening(inbox) as (watcher, told):
        assert watcher.how == "events"
        act(inbox)
        assert told.wait(SECONDS)


def test_a_folder_that_was_moved_in_is_listened_to_as_well(inbox: Path) -> None:
    with listening(inbox) as (_, told):
        move_folder_in(inbox)
        assert told.wait(SECONDS)
        told.begin()
        (inbox / "tuesday/late.png").write_bytes(b"x")
        assert told.wait(SECONDS)


def test_a_folder_that_was_made_is_listened_to_as_well(inbox: Path) -> None:
    with listening(inbox) as (_, told):
        (inbox / "new/deep").mkdir(parents=True)
        assert told.wait(SECONDS)
        told.begin()
        # watchdog listens to a new folder a moment after it was made: what comes before is for the scan.
        assert any(_is_heard(inbox / f"new/deep/cat{n}.png", told) for n in range(50))


def _is_heard(path: Path, told: Told) -> bool:
    path.write_bytes(b"x")
    return told.wait(0.2)


def test_our_own_reading_causes_no_hint(inbox: Path) -> None:
    with listening(inbox) as (_, told):
        for _ in range(3):
            assert (inbox / "holiday/old.png").read_bytes() == b"x"
            assert len(list(inbox.rglob("*"))) == 3
        assert not told.wait(QUIET_SECONDS)
        create(inbox)
        assert told.wait(SECONDS)  # it was listening all the time


def test_polling_gives_no_hints(inbox: Path) -> None:
    with listening(inbox, observe="polling") as (watcher, told):
        assert watcher.how == "polling"
        create(inbox)
        assert not told.wait(QUIET_SECONDS)


def test_nothing_is_told_after_the_end(inbox: Path) -> None:
    with listening(inbox) as (_, told):
        pass
    create(inbox)
    assert not told.wait(QUIET_SECONDS)


def test_auto_listens_to_events_on_a_local_disk_and_obeys_an_explicit_wish(inbox: Path) -> None:
    assert not mounts.is_remote(mounts.kind(inbox))
    for wish, how in (("auto", "events"), ("polling", "polling"), ("events", "events")):
        assert choose(WatchSettings.model_validate({"root": inbox.parent, "observe": wish})).how == how


@pytest.mark.parametrize(
    ("filesystem", "remote"),
    [
        *((name, True) for name in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph")),
        *((name, False) for name in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "unknown")),
    ],
)
def test_network_filesystems_are_polled(filesystem: str, remote: bool) -> None:
    assert mounts.is_remote(filesystem) is remote


def test_the_kind_of_a_filesystem_is_what_the_kernel_says(tmp_path: Path) -> None:
    assert mounts.kind(Path("/proc")) == "proc"
    assert mounts.kind(tmp_path / "not there") == "unknown"


def test_a_stop_in_the_middle_of_events_is_no_complaint(inbox: Path) -> None:
    """Its thread may be asked for events after its end, which watchdog calls an error."""
    code = """
import sys, logging
from runway_watch.config import LogSettings
from runway_watch.log import set_up
set_up(LogSettings(format="json"))
from watchdog.events import FileSystemEventHandler
from watchdog.observers.api import EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter
emitter = InotifyEmitter(EventQueue(), ObservedWatch(sys.argv[1], recursive=True))
emitter.queue_events(1)
logging.getLogger("watchdog.observers.polling").error("something else")
"""
    command = [sys.executable, "-c", code, str(inbox)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert "something else" in line
