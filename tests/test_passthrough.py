"""The share of the tests breaks as it is told and leaves nothing behind, and a daemon can live on it."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from runway_watch.errors import NameTaken
from runway_watch.spool import rename
from runway_watch.spool.folder import Folder
from runway_watch.spool.spot import Spot
from tests import mounting
from tests.forked import REPOSITORY
from tests.harness import Site, eventually, simulator
from tests.passthrough import Share, needs_fuse, passthrough
from tests.passthrough_gate import Fault, Gate

pytestmark = needs_fuse


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that hang; they come back when the share has gone, at the latest."""
    with ThreadPoolExecutor(40) as threads:
        yield threads


@pytest.fixture
def share(tmp_path: Path, elsewhere: ThreadPoolExecutor) -> Iterator[Share]:
    (tmp_path / "backing").mkdir()
    with passthrough(tmp_path / "backing", tmp_path / "share") as mounted:
        yield mounted


def put(share: Share, name: str, content: bytes = b"whole") -> Path:
    """What another machine does: a file that is simply there. Returns where the share shows it."""
    path = share.backing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return share.folder / name


def move(source: Path, target: Path) -> None:
    """As the spool does it."""
    with Folder.top(source.parent) as here, Folder.top(target.parent) as there:
        rename.move(Spot(here, source.name), Spot(there, target.name))


def sync(folder: Path) -> None:
    """Bring a folder's names to disk, as the spool does it."""
    with Folder.top(folder) as opened:
        opened.sync()


def code(call: Callable[[], object]) -> int:
    """The errno with which a call fails; 0 when it does not."""
    try:
        call()
    except OSError as error:
        return error.errno or -1
    return 0


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_alive(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# -- a good network drive ----------------------------------------------------------------------------------


def test_what_is_done_on_the_share_is_done_to_the_backing_folder(share: Share) -> None:
    here, there = share.folder, share.backing
    (here / "inbox/x").mkdir(parents=True)
    with (here / "inbox/x/cat.png").open("xb") as file:
        file.write(b"0123456789")
        file.truncate(5)
        os.fsync(file.fileno())
    sync(here / "inbox/x")
    assert code(lambda: (here / "inbox/x/cat.png").open("xb")) == errno.EEXIST
    (here / "inbox/x/cat.png").rename(here / "inbox/dog.png")
    (here / "inbox/dog.png").chmod(0o640)
    os.link(here / "inbox/dog.png", here / "twin.png")
    (here / "link").symlink_to("inbox/dog.png")
    os.mkfifo(here / "fifo")
    (here / "inbox/x").rmdir()
    assert sorted(str(path.relative_to(there)) for path in there.rglob("*")) == [
        *("fifo", "inbox", "inbox/dog.png", "link", "twin.png"),
    ]
    assert (there / "inbox/dog.png").read_bytes() == (here / "link").read_bytes() == b"01234"
    assert (here / "twin.png").stat().st_nlink == 2
    assert (here / "inbox/dog.png").stat().st_mode == (there / "twin.png").stat().st_mode == 0o100640
    assert (here / "fifo").is_fifo()
    assert os.statvfs(here).f_blocks == os.statvfs(there).f_blocks
    (here / "twin.png").unlink()
    assert not (there / "twin.png").exists()


def test_times_are_kept_to_the_nanosecond_and_one_may_be_set_alone(share: Share) -> None:
    file = put(share, "cat.png")
    os.utime(file, ns=(1, 10**18 + 1))
    assert (share.backing / "cat.png").stat().st_mtime_ns == 10**18 + 1
    subprocess.run(["touch", "-a", "-d", "2030-01-01", file], check=True)
    assert file.stat().st_mtime_ns == 10**18 + 1
    os.utime(file)
    assert abs(file.stat().st_mtime_ns - time.time_ns()) < 10**11


def test_a_folder_of_ten_thousand_files_is_listed_as_it_is(share: Share) -> None:
    for n in range(10_000):
        (share.backing / f"{n}.png").touch()
    (share.backing / "folder").mkdir()
    with os.scandir(share.folder) as entries:
        found = {entry.name: (entry.inode(), entry.is_file()) for entry in entries}
    with os.scandir(share.backing) as entries:
        assert found == {entry.name: (entry.inode(), entry.is_file()) for entry in entries}


def test_the_doing_of_another_machine_is_seen_at_once_and_no_event_tells_of_it(share: Share) -> None:
    told: list[str] = []

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type not in ("opened", "closed_no_write"):  # for these we are to blame
                told.append(Path(os.fsdecode(event.src_path)).name)

    observer = Observer()
    observer.schedule(Handler(), str(share.folder), recursive=True)
    observer.start()
    try:
        file = put(share, "hidden.png", b"1")
        assert file.stat().st_size == 1
        put(share, "hidden.png", b"22")
        assert file.stat().st_size == 2
        with file.open("rb", buffering=0) as opened:
            assert opened.read() == b"22"
            put(share, "hidden.png", b"333")
            assert os.pread(opened.fileno(), 9, 0) == b"333"
        assert not (share.folder / "renamed.png").exists()
        (share.backing / "hidden.png").rename(share.backing / "renamed.png")
        assert listed(share.folder) == ["renamed.png"]
        assert not file.exists()
        assert (share.folder / "renamed.png").exists()
        (share.folder / "heard.png").touch()
        eventually(lambda: "heard.png" in told)
    finally:
        observer.stop()
        observer.join()
    assert {"hidden.png", "renamed.png"}.isdisjoint(told)


def test_numbers_of_files_stay_over_mounts_until_they_are_given_anew(share: Share) -> None:
    file = put(share, "cat.png")
    before, root = file.stat().st_ino, share.folder.stat().st_ino
    share.unmount()
    share.mount()
    assert file.stat().st_ino == before == (share.backing / "cat.png").stat().st_ino
    share.renumber()
    assert before != file.stat().st_ino == file.stat().st_ino
    assert share.folder.stat().st_ino == root
    share.renumber(every=0.05)
    eventually(lambda: len({file.stat().st_ino for _ in range(10)}) > 1, what="other numbers by themselves")


@pytest.mark.parametrize("lacks", [set(), {"renameat2"}, {"renameat2", "link"}])
def test_a_file_is_moved_and_never_replaced_whatever_a_share_lacks(tmp_path: Path, lacks: set[str]) -> None:
    (tmp_path / "backing").mkdir()
    with passthrough(tmp_path / "backing", tmp_path / "share", lacks=lacks) as share:
        cat, dog = put(share, "cat.png", b"cat"), put(share, "dog.png", b"dog")
        with pytest.raises(NameTaken):
            move(cat, dog)
        move(cat, share.folder / "cow.png")
        assert (dog.read_bytes(), (share.folder / "cow.png").read_bytes()) == (b"dog", b"cat")
        assert ("link" in share.calls, share.calls["rename"]) == (bool(lacks), "link" in lacks)


# -- faults ------------------------------------------------------------------------------------------------


def test_a_read_fails_until_it_is_healed_and_nothing_else_does(share: Share) -> None:
    file = put(share, "cat.png")
    with file.open("rb", buffering=0) as opened:
        assert opened.read() == b"whole"
        share.fail(errno.EIO, only={"read"})
        opened.seek(0)
        assert code(opened.read) == errno.EIO
        assert listed(share.folder) == ["cat.png"]
        (share.folder / "dog.png").write_bytes(b"dog")
        share.heal()
        assert opened.read() == b"whole"


@pytest.mark.parametrize("operation", ["readdir", "opendir"])
def test_a_folder_cannot_be_listed_for_a_stale_handle(share: Share, operation: str) -> None:
    file = put(share, "cat.png")
    share.fail(errno.ESTALE, only={operation})
    assert code(lambda: listed(share.folder)) == errno.ESTALE
    assert file.read_bytes() == b"whole"
    share.heal()
    assert listed(share.folder) == ["cat.png"]


CALLS: dict[str, Callable[[Path], object]] = {
    "getattr": lambda at: (at / "cat.png").stat(),
    "open": lambda at: (at / "cat.png").read_bytes(),
    "create": lambda at: (at / "new.png").touch(),
    "write": lambda at: (at / "cat.png").write_bytes(b"more"),
    "flush": lambda at: (at / "cat.png").write_bytes(b"more"),
    "rename": lambda at: (at / "cat.png").rename(at / "dog.png"),
    "renameat2": lambda at: move(at / "cat.png", at / "dog.png"),
    "link": lambda at: os.link(at / "cat.png", at / "dog.png"),
    "unlink": lambda at: (at / "cat.png").unlink(),
    "mkdir": lambda at: (at / "folder").mkdir(),
    "utimens": lambda at: os.utime(at / "cat.png"),
    "fsyncdir": sync,
    "statfs": os.statvfs,
}


@pytest.mark.parametrize("operation", CALLS)
def test_each_operation_can_fail_alone(share: Share, operation: str) -> None:
    put(share, "cat.png")
    share.fail(errno.EIO, only={operation})
    assert code(lambda: CALLS[operation](share.folder)) == errno.EIO
    share.heal()
    assert code(lambda: CALLS[operation](share.folder)) == 0


def test_a_fault_may_be_for_a_part_of_the_tree(share: Share) -> None:
    for name in ("inbox/x/cat.png", "inbox/xy/cat.png", "cat.png"):
        put(share, name)
    share.fail(errno.EACCES, below="inbox/x")
    share.fail(errno.EIO, only={"read"}, below="cat.png")
    assert code(lambda: listed(share.folder / "inbox/x")) == errno.EACCES
    assert code((share.folder / "cat.png").read_bytes) == errno.EIO
    assert listed(share.folder / "inbox") == ["x", "xy"]
    assert (share.folder / "inbox/xy/cat.png").read_bytes() == b"whole"


def test_a_fault_of_an_operation_that_there_is_not_is_refused(share: Share) -> None:
    with pytest.raises(ValueError, match="readfile"):
        share.fail(errno.EIO, only={"readfile"})


def test_what_nobody_heals_hangs_once_and_then_fails_at_once() -> None:
    gate = Gate(lacks=())
    gate.add(Fault(frozenset(), "", seconds=0.3, code=errno.ETIMEDOUT))
    began = time.monotonic()
    assert code(lambda: gate.enter("read", ["/"])) == errno.ETIMEDOUT
    hung = time.monotonic() - began
    assert [code(lambda: gate.enter("read", ["/"])) for _ in range(9)] == [errno.ETIMEDOUT] * 9
    assert hung >= 0.3 > time.monotonic() - began - hung


def test_calls_that_hang_stop_no_others_and_end_when_it_is_healed(
    share: Share, elsewhere: ThreadPoolExecutor
) -> None:
    file = put(share, "inbox/cat.png")
    with file.open("rb") as opened:
        share.hang(only={"read"}, below="inbox/cat.png")
        hanging = [elsewhere.submit(os.pread, opened.fileno(), 100, 0) for _ in range(30)]
        eventually(lambda: share.waiting == 30, what="calls that hang")
        put(share, "inbox/dog.png")
        assert listed(share.folder / "inbox") == ["cat.png", "dog.png"]
        (share.folder / "inbox/dog.png").rename(share.folder / "dog.png")
        assert not [call for call in hanging if call.done()]
        share.heal()
        assert {call.result(10) for call in hanging} == {b"whole"}


def test_a_whole_share_hangs_until_it_is_healed(share: Share, elsewhere: ThreadPoolExecutor) -> None:
    put(share, "cat.png")
    share.hang()
    hanging = elsewhere.submit(listed, share.folder)
    eventually(lambda: share.waiting == 1, what="a call that hangs")
    assert not hanging.done()
    share.heal()
    assert hanging.result(10) == ["cat.png"]
    assert share.waiting == 0


def test_a_slow_share_takes_its_time_for_each_call(share: Share) -> None:
    file = put(share, "cat.png")
    share.slow(0.5, only={"getattr"}, below="cat.png")
    began = time.monotonic()
    file.stat()
    assert time.monotonic() - began >= 0.5
    share.heal()
    assert file.read_bytes() == b"whole"


# -- mounts ------------------------------------------------------------------------------------------------


def test_a_share_that_is_mounted_again_has_the_same_files_on_another_device(share: Share) -> None:
    file = put(share, "cat.png")
    devices = {share.folder.stat().st_dev}
    for _ in range(3):
        share.unmount()
        assert listed(share.folder) == []
        share.mount()
        assert file.read_bytes() == b"whole"
        devices.add(share.folder.stat().st_dev)
    assert len(devices) == 4


def test_who_has_a_file_open_keeps_it_when_the_share_is_unmounted(share: Share) -> None:
    file = put(share, "cat.png")
    with file.open("rb") as opened:
        share.unmount()
        assert not file.exists()
        assert opened.read() == b"whole"


def test_a_share_that_hangs_can_be_unmounted_and_mounted_again(
    share: Share, elsewhere: ThreadPoolExecutor
) -> None:
    file = put(share, "cat.png")
    share.hang()
    hanging = elsewhere.submit(file.read_bytes)
    eventually(lambda: share.waiting == 1, what="a call that hangs")
    share.unmount()
    share.mount()
    assert file.read_bytes() == b"whole"
    assert not hanging.done()
    share.heal()
    assert hanging.result(10) == b"whole"


def test_nothing_can_be_written_on_a_read_only_share(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    with passthrough(tmp_path / "backing", tmp_path / "share", read_only=True) as share:
        file = put(share, "cat.png")
        assert file.read_bytes() == b"whole"
        assert code(lambda: file.write_bytes(b"more")) == errno.EROFS
        share.unmount()
        share.mount()
        assert code(lambda: file.write_bytes(b"more")) == 0


def test_a_share_whose_process_is_killed_is_not_connected_until_it_is_mounted_again(share: Share) -> None:
    file = put(share, "cat.png")
    share.kill()
    assert code(file.stat) == code(lambda: listed(share.folder)) == errno.ENOTCONN
    share.unmount()
    share.mount()
    assert file.read_bytes() == b"whole"


# -- what stays --------------------------------------------------------------------------------------------


def test_nothing_stays_of_a_share_that_hangs_when_its_test_fails(
    tmp_path: Path, elsewhere: ThreadPoolExecutor
) -> None:
    (tmp_path / "backing").mkdir()
    with pytest.raises(ZeroDivisionError), passthrough(tmp_path / "backing", tmp_path / "share") as share:
        share.unmount()
        share.mount()
        pids = share.pids
        share.hang()
        hanging = elsewhere.submit(listed, share.folder)
        eventually(lambda: share.waiting == 1, what="a call that hangs")
        raise ZeroDivisionError
    assert code(lambda: hanging.result(10)) == errno.ECONNABORTED
    assert len(pids) == 2
    assert not [pid for pid in pids if is_alive(pid)]
    assert not mounting.is_mounted(tmp_path / "share")
    assert listed(tmp_path / "share") == []


def test_nothing_stays_of_a_share_whose_process_was_killed_by_somebody(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    with passthrough(tmp_path / "backing", tmp_path / "share") as share:
        [pid] = share.pids
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(pid))
    assert not mounting.is_mounted(tmp_path / "share")


WHO_IS_KILLED = """
import subprocess, sys
from pathlib import Path
from tests.harness import eventually
from tests.passthrough import passthrough

base = Path(sys.argv[1])
with passthrough(base / "backing", base / "share") as share:
    share.hang()
    with subprocess.Popen(["ls", share.folder], stderr=subprocess.DEVNULL) as hanging:
        eventually(lambda: share.waiting)
        print(hanging.pid, *share.pids, flush=True)
"""


def test_nothing_stays_of_a_share_whose_test_is_killed(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", WHO_IS_KILLED, tmp_path],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as test:
        assert test.stdout is not None
        pids = [int(pid) for pid in test.stdout.readline().split()]
        assert len([pid for pid in pids if is_alive(pid)]) == 2
        assert mounting.is_mounted(tmp_path / "share")
        test.kill()
    eventually(lambda: not [pid for pid in pids if is_alive(pid)], what="the end of both processes")
    assert not mounting.is_mounted(tmp_path / "share")


# -- a daemon ----------------------------------------------------------------------------------------------


def held_open(pid: int) -> set[str]:
    """What the descriptors of a process are open on."""
    return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_daemon_polls_a_healthy_share_and_does_its_work_there(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    with simulator() as runway, passthrough(tmp_path / "backing", tmp_path / "root") as share:
        site = Site(tmp_path, runway)
        assert site.root == share.folder
        site.drop("cat.png")
        with site.daemon() as daemon:
            site.reaches(done=1)
            assert "anon_inode:inotify" not in held_open(daemon.process.pid)
            site.drop("inbox of others/dog.png")
            site.reaches(done=2)
            assert daemon.stop() == 0
        assert len(site.paid()) == 2
        assert site.files("inbox") == site.files("processing") == site.files("failed") == []
        assert {"cat.out.mp4", "inbox of others/dog.out.mp4"} <= set(site.files("done"))
        site.verify()
