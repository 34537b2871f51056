"""Real folders, real inotify: a hint for everything that people do, none for what we do ourselves.

And no deafness unnoticed: whatever ends the hints makes the watcher unsound, and a new start mends it.
"""

import ctypes
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from watchdog.utils import BaseThread

from runway_watch import mounts
from runway_watch.config import WatchSettings
from runway_watch.mounts import Mounts
from runway_watch.watcher import STOP_SECONDS, Choice, Watcher, choose, chosen
from tests.harness import eventually

SECONDS = 10.0
QUIET_SECONDS = 0.3
"""For a hint that must not come: watchdog holds events back for a moment before it passes them on."""


class Told(threading.Event):
    """Set by a hint."""

    def begin(self) -> None:
        """Forget hints of what was done before, as soon as they have all come."""
        while self.wait(QUIET_SECONDS):
            self.clear()


def settings_of(inbox: Path, observe: str) -> WatchSettings:
    return WatchSettings.model_validate({"root": inbox.parent, "observe": observe})


@contextmanager
def listening(inbox: Path, *, observe: str = "events") -> Iterator[tuple[Watcher, Told]]:
    told = Told()
    watcher = Watcher(inbox, settings_of(inbox, observe), told.set)
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


# -- deafness -----------------------------------------------------------------------------------------------


def descriptors() -> Counter[str]:
    """What this process has open of what a watcher takes."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of this very look is gone already
            found.append(str(descriptor.readlink()))
    return Counter(name for name in found if name.startswith(("pipe:", "anon_inode:inotify")))


@contextmanager
def nothing_left() -> Iterator[None]:
    """Threads and descriptors are given back."""
    threads, opened = set(threading.enumerate()), descriptors()  # of an earlier test some may end meanwhile
    yield
    eventually(lambda: set(threading.enumerate()) <= threads, what="all threads have ended")
    eventually(lambda: descriptors() <= opened, what="all is closed")


def end(thread: threading.Thread) -> None:
    """Have one of watchdog's threads end by itself, as one does when its folder is deleted."""
    assert isinstance(thread, BaseThread)
    thread.stop()


def kill(thread: threading.Thread) -> None:
    """End a thread by an exception, wherever it is. It has to do something to notice."""
    number, exception = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(number, exception) == 1


def lose_a_thread(which: int, by: Callable[[threading.Thread], None], inbox: Path) -> None:
    """Watch, end one of watchdog's three threads, see that it is noticed, and that a new start mends it."""
    others = set(threading.enumerate())
    with listening(inbox) as (watcher, told):
        assert watcher.is_sound()
        threads = sorted(set(threading.enumerate()) - others, key=lambda thread: type(thread).__name__)
        assert len(threads) == 3
        by(threads[which])
        create(inbox)
        eventually(lambda: not watcher.is_sound())
        assert watcher.flaw() == "a thread of the observer has ended"
        watcher.start()
        told.begin()
        create_below(inbox)
        assert told.wait(SECONDS)
        assert (watcher.how, watcher.flaw()) == ("events", "")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_thread_of_watchdog_that_ends_is_noticed_and_replaced(which: int, inbox: Path) -> None:
    with nothing_left():
        lose_a_thread(which, end, inbox)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_thread_of_watchdog_that_is_killed_is_noticed_and_replaced(which: int, inbox: Path) -> None:
    """It may die with a lock of watchdog's in its hand: what waits for that is left behind."""
    lose_a_thread(which, kill, inbox)


def test_a_hint_that_cannot_be_passed_on_ends_nothing(inbox: Path) -> None:
    told = Told()
    calls: list[int] = []

    def tell() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("the loop is closed")
        told.set()

    watcher = Watcher(inbox, settings_of(inbox, "events"), tell)
    watcher.start()
    for n in range(3):
        (inbox / f"cat{n}.png").touch()
        eventually(lambda n=n: len(calls) > n)  # type: ignore[misc] # mypy knows no types of such defaults
    assert told.wait(SECONDS)
    assert watcher.is_sound()
    watcher.stop()


def test_a_hint_that_never_returns_does_not_keep_the_watcher_from_its_end(inbox: Path) -> None:
    goes_on, hangs = threading.Event(), threading.Event()

    def tell() -> None:
        hangs.set()
        goes_on.wait()

    with nothing_left():
        watcher = Watcher(inbox, settings_of(inbox, "events"), tell)
        watcher.start()
        create(inbox)
        assert hangs.wait(SECONDS)
        began = time.monotonic()
        watcher.stop()
        assert time.monotonic() - began < STOP_SECONDS + 5
        assert not watcher.is_sound()
        goes_on.set()


def rename_inbox(inbox: Path) -> None:
    inbox.rename(inbox.with_name("old"))


def rename_root(inbox: Path) -> None:
    inbox.parent.rename(inbox.parent.with_name("old"))


def delete_inbox(inbox: Path) -> None:
    shutil.rmtree(inbox)


@pytest.mark.parametrize("lose", [rename_inbox, rename_root, delete_inbox])
def test_an_inbox_that_was_replaced_is_noticed_and_the_next_start_listens_to_the_new_one(
    lose: Callable[[Path], None], inbox: Path
) -> None:
    """Until then the watch stays with the old folder, wherever that is: watchdog says nothing of it."""
    with nothing_left(), listening(inbox) as (watcher, told):
        lose(inbox)
        (inbox / "holiday/monday").mkdir(parents=True)
        eventually(lambda: not watcher.is_sound())
        told.begin()
        create_below(inbox)
        assert not told.wait(QUIET_SECONDS)
        watcher.stop()
        watcher.start()
        assert watcher.is_sound()
        create(inbox)
        assert told.wait(SECONDS)


def test_an_inbox_that_is_not_there_is_polled_until_a_start_finds_it(inbox: Path) -> None:
    rename_inbox(inbox)
    with nothing_left(), listening(inbox) as (watcher, told):
        assert (watcher.how, watcher.has_fallen_back, watcher.is_sound()) == ("polling", True, False)
        assert watcher.why == f"{inbox} cannot be watched: No such file or directory"
        inbox.mkdir()
        watcher.start()
        assert (watcher.how, watcher.has_fallen_back, watcher.is_sound()) == ("events", False, True)
        create(inbox)
        assert told.wait(SECONDS)


def test_a_watcher_is_sound_between_start_and_stop(inbox: Path) -> None:
    for observe in ("events", "polling"):
        watcher = Watcher(inbox, settings_of(inbox, observe), lambda: None)
        assert (watcher.how, watcher.flaw()) == (observe, "it is not started")
        watcher.stop()
        watcher.start()
        assert watcher.is_sound()
        for _ in range(2):
            watcher.stop()
            assert not watcher.is_sound()


def test_nothing_is_left_of_many_starts_good_or_bad(inbox: Path) -> None:
    with nothing_left():
        watcher = Watcher(inbox, settings_of(inbox, "events"), lambda: None)
        for _ in range(10):
            watcher.start()
            rename_inbox(inbox)
            watcher.start()
            inbox.with_name("old").rename(inbox)
        watcher.start()
        watcher.stop()


def test_a_start_that_is_overtaken_by_a_stop_leaves_nothing_behind(inbox: Path) -> None:
    for n in range(2000):
        (inbox / f"holiday/{n}").mkdir()
    with nothing_left():
        watcher, before = Watcher(inbox, settings_of(inbox, "events"), lambda: None), descriptors()
        starting = threading.Thread(target=watcher.start)
        starting.start()
        eventually(lambda: descriptors() != before)
        watcher.stop()
        starting.join()
        assert not watcher.is_sound()


def test_an_inbox_that_is_a_symlink_is_listened_to(inbox: Path) -> None:
    rename_inbox(inbox)
    inbox.symlink_to("old")
    with listening(inbox) as (watcher, told):
        for act in (create, create_below):
            told.begin()
            act(inbox)
            assert told.wait(SECONDS)
        assert watcher.is_sound()


# -- much at once -------------------------------------------------------------------------------------------


def test_many_events_do_no_harm(inbox: Path) -> None:
    with listening(inbox) as (watcher, told):
        for n in range(5000):
            (inbox / f"holiday/{n}.png").touch()
        assert told.wait(SECONDS)
        told.begin()
        create_below(inbox)
        assert told.wait(SECONDS)
        assert watcher.is_sound()


STOPPED_MEANWHILE = """
import sys, threading
from pathlib import Path
from runway_watch.config import WatchSettings
from runway_watch.watcher import Watcher
inbox, told = Path(sys.argv[1]), threading.Event()
settings = WatchSettings.model_validate({"root": inbox.parent, "observe": "events"})
watcher = Watcher(inbox, settings, told.set)
watcher.start()
print("listening", flush=True)
for line in sys.stdin:
    while told.wait(0.3):
        told.clear()
    print("quiet", flush=True)
    print("told" if told.wait(20) else "deaf", watcher.is_sound(), flush=True)
"""


def test_folders_that_came_while_the_kernel_had_no_room_for_their_events_are_listened_to(inbox: Path) -> None:
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    command = [sys.executable, "-c", STOPPED_MEANWHILE, str(inbox)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        process.send_signal(signal.SIGSTOP)
        for n in range(events // 2):  # a file that is made and written to is three events or more
            (inbox / f"{n}.png").write_bytes(b"x")
        (inbox / "late").mkdir()
        process.send_signal(signal.SIGCONT)
        print("listen", file=process.stdin, flush=True)
        assert process.stdout.readline() == "quiet\n"
        (inbox / "late/cat.png").write_bytes(b"x")
        assert process.stdout.readline() == "told True\n"
        process.stdin.close()


FOLDERS_AT_ONCE = """
import sys
from pathlib import Path
from runway_watch.config import LogSettings, WatchSettings
from runway_watch.log import set_up
from runway_watch.watcher import Watcher
set_up(LogSettings(format="json"))
inbox = Path(sys.argv[1])
settings = WatchSettings.model_validate({"root": inbox.parent, "observe": "events"})
watcher = Watcher(inbox, settings, lambda: None)
watcher.start()
for n in range(300):
    (inbox / f"{n}/a/b/c").mkdir(parents=True)
watcher.stop()
"""


def test_folders_that_come_faster_than_watchdog_follows_are_no_complaint(inbox: Path) -> None:
    command = [sys.executable, "-c", FOLDERS_AT_ONCE, str(inbox)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# -- what suits a filesystem --------------------------------------------------------------------------------

LOCAL = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
"""


def mounted(*lines: str, base: str = LOCAL) -> Mounts:
    """A table: `kind point parent`, the parent's number 27 by default, their own from 30."""
    more = []
    for number, line in enumerate(lines, 30):
        kind, point, *parent = line.split(" ")
        on = parent[0] if parent else "27"
        more.append(f"{number} {on} 0:{number} / {point} rw,relatime shared:{number} - {kind} a:/source rw\n")
    return Mounts(base + "".join(more))


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ([], ["ext4"]),
        (["nfs4 /srv"], ["nfs4"]),
        (["nfs4 /srv/drop"], ["nfs4"]),
        (["nfs4 /srv/drop/inbox"], ["nfs4"]),
        (["nfs4 /srv/dro"], ["ext4"]),  # a name that begins alike
        (["cifs /srv", "xfs /srv/drop 30"], ["xfs"]),  # a local disk inside a share
        (["autofs /srv/drop"], ["autofs"]),
        (["autofs /srv/drop", "nfs4 /srv/drop 30"], ["nfs4"]),  # several on one point: the last
        (["nfs4 /srv/drop 31", "autofs /srv/drop"], ["nfs4"]),  # in whatever order they are told
        (["nfs4 /srv/drop", "xfs /srv"], ["xfs"]),  # hidden by what was mounted over it
        (["nfs4 /srv/drop/inbox/theirs"], ["ext4", "nfs4"]),  # one that reaches into the inbox
        (["nfs4 /srv/drop/inbox/theirs", "xfs /srv/drop/inbox"], ["xfs"]),
        (["tmpfs /srv/drop/inbox/cache", "nfs4 /srv/drop/inbox2"], ["ext4", "tmpfs"]),
        (["ext4 /srv/drop"], ["ext4"]),  # a bind mount
    ],
)
def test_the_filesystem_of_an_inbox_is_found_in_the_kernels_table(lines: list[str], kinds: list[str]) -> None:
    assert mounted(*lines).kinds(Path("/srv/drop/inbox")) == kinds


def test_names_in_the_kernels_table_are_unescaped() -> None:
    table = mounted(r"cifs /mnt/The\040NAS\134\011x", "nfs /mnt/\u3000caf\udce9\u2028")
    assert table.kinds(Path("/mnt/The NAS\\\tx/inbox")) == ["cifs"]
    assert table.kinds(Path("/mnt/\u3000caf\udce9\u2028")) == ["nfs"]


@pytest.mark.parametrize(
    ("base", "kinds"),
    [
        ("", []),
        ("1 1 0:2 / / rw - rootfs rootfs rw\n", ["rootfs"]),  # its own parent
        ("1 1 0:2 / / rw - rootfs rootfs rw\n27 1 0:3 / / rw - nfs4 server:/ rw\n", ["nfs4"]),
        ("40 39 0:5 / /proc rw - proc proc rw\n", []),  # where the root is no mount point: in a chroot
        ("40 39 0:5 / /srv/drop rw - nfs4 server:/ rw\n", ["nfs4"]),
    ],
)
def test_the_table_may_begin_in_several_ways(base: str, kinds: list[str]) -> None:
    assert Mounts(base).kinds(Path("/srv/drop/inbox")) == kinds


@pytest.mark.parametrize(
    ("kinds", "how", "why"),
    [
        *(
            ([kind], "polling", f"{kind} sends no events of changes made elsewhere")
            for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse", "ceph", "afs", "lustre")
        ),
        *(([kind], "events", f"{kind} is local") for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay")),
        (["ext4", "tmpfs", "nfs4"], "polling", "nfs4 sends no events of changes made elsewhere"),
        (["autofs"], "polling", "autofs has not mounted it yet: nobody knows what it will be"),
        (["newfs"], "events", "newfs is not known to be a network filesystem"),
        ([], "polling", "the kernel does not say on what filesystem it is"),
    ],
)
def test_what_suits_a_filesystem_and_why(kinds: list[str], how: str, why: str) -> None:
    choice = chosen("auto", kinds)
    assert (choice.how, choice.why) == (how, why)


def test_a_wish_is_obeyed_and_doubted_where_it_is_in_vain() -> None:
    assert chosen("polling", ["ext4"]) == Choice("polling", "as configured")
    assert chosen("events", ["ext4"]) == Choice("events", "as configured")
    doubt = "as configured, although nfs4 sends no events of changes made elsewhere"
    assert chosen("events", ["nfs4"]) == Choice("events", doubt)


def test_symlinks_are_followed_as_far_as_local_filesystems_go(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "deep/er").mkdir(parents=True)
    links: dict[str, Path | str] = {
        "absolute": tmp_path / "share/drop",
        "relative": "deep/../share/drop",
        "deep/er/up": "../../share/drop",
        "twice": "absolute",
        "circle": "circle",
        "share/inside": tmp_path / "deep",
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    table = mounted(f"nfs4 {tmp_path}/share")
    for name in ("absolute", "relative", "deep/er/up", "twice"):
        assert table.follow(tmp_path / name / "inbox") == tmp_path / "share/drop/inbox"
    assert table.follow(tmp_path / "circle/inbox") == tmp_path / "circle/inbox"
    # What lies on the share is not even looked at: it might hang.
    assert table.follow(tmp_path / "share/inside") == tmp_path / "share/inside"
    assert Mounts(LOCAL).follow(tmp_path / "share/inside") == tmp_path / "deep"


def test_auto_suits_the_disk_and_an_explicit_wish_is_obeyed(inbox: Path) -> None:
    kind = mounts.kind(inbox)
    assert mounts.is_local(kind)
    for observe, choice in (
        ("auto", Choice("events", f"{kind} is local")),
        ("polling", Choice("polling", "as configured")),
        ("events", Choice("events", "as configured")),
    ):
        assert choose(settings_of(inbox, observe)) == choice
    unknown = Choice("events", "proc is not known to be a network filesystem")
    assert choose(WatchSettings.model_validate({"root": "/proc"})) == unknown


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
