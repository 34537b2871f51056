"""The limits of inotify, reached for real: in a user namespace whose own limits bind nobody else.

Each scene runs in a process of its own, which is root there and may mount. The limits are those of
`/proc/sys/user`; `/proc/sys/fs/inotify` belongs to the whole machine and is never written to.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest

from runway_watch import inotify, mounts
from runway_watch.config import Settings, WatchSettings
from runway_watch.inotify import Limit, Tripwire, Use
from runway_watch.report.check import Line, check
from runway_watch.report.places import places
from runway_watch.watcher import Choice, Watcher, choose
from tests.forked import Forked
from tests.harness import eventually
from tests.test_watcher import Told, nothing_left

NEW_USERS_AND_MOUNTS = 0x10000000 | 0x00020000
"""CLONE_NEWUSER and CLONE_NEWNS, unshare(2)."""

WHOLE_MACHINE = "0 0 4294967295"
"""The map of user numbers outside of all namespaces."""

Scene = Callable[[Path], None]


def enter() -> None:
    """Become root in a user namespace of our own, which may mount. Raises OSError where none is to be had."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_USERS_AND_MOUNTS):
        raise OSError(ctypes.get_errno(), f"no user namespaces here: {os.strerror(ctypes.get_errno())}")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def play(module: str, name: str, base: str, errors: str) -> None:
    """A scene, in this process from here on."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    enter()
    if name:
        getattr(import_module(module), name).__wrapped__(Path(base))


def played(name: str, base: Path) -> str:
    """What a scene complained of; "" when all was well."""
    errors = base / "errors"
    process = Forked(play, __name__, name, str(base), str(errors))
    try:
        return "" if process.wait(60) == 0 else errors.read_text()
    finally:
        process.kill()


@cache
def why_not() -> str:
    """Why there are no namespaces here; "" where there are."""
    with TemporaryDirectory() as base:
        return played("", Path(base)).strip().rpartition("\n")[2]


def in_a_namespace(scene: Scene) -> Scene:
    """Have a test run in a user namespace of its own."""

    @wraps(scene)
    def test(tmp_path: Path) -> None:
        if why_not():
            pytest.skip(why_not())
        complaint = played(scene.__name__, tmp_path)
        assert not complaint, complaint

    return test


def allow(thing: Literal["watches", "instances"], number: int) -> None:
    """Set a limit of this namespace."""
    assert Path("/proc/self/uid_map").read_text().split() != WHOLE_MACHINE.split()
    Path(f"/proc/sys/user/max_inotify_{thing}").write_text(str(number))


def inbox_of(base: Path, folders: int) -> Path:
    """An inbox for which so many watches are needed."""
    inbox = base / "root/inbox"
    inbox.mkdir(parents=True)
    for n in range(folders - 1):
        (inbox / f"{n}").mkdir()
    return inbox


def watcher_of(inbox: Path, told: Told | None = None) -> Watcher:
    settings = WatchSettings.model_validate({"root": inbox.parent, "observe": "events"})
    return Watcher(inbox, settings, (told or Told()).set)


def take(base: Path, watches: int) -> Tripwire:
    """Another program, which has so many watches."""
    others = [base / f"others/{n}" for n in range(watches)]
    for folder in others:
        folder.mkdir(parents=True, exist_ok=True)
    return Tripwire(others)


def listens(watcher: Watcher) -> bool:
    """Whether it is as it should be."""
    return (watcher.how, watcher.has_fallen_back, watcher.is_sound()) == ("events", False, True)


def polls_soundly(watcher: Watcher) -> bool:
    """Whether it has given in to a limit: another start would change nothing."""
    return (watcher.how, watcher.has_fallen_back, watcher.is_sound()) == ("polling", True, True)


# -- a watcher and the limits -------------------------------------------------------------------------------


@in_a_namespace
def test_within_the_limits_events_are_listened_to(tmp_path: Path) -> None:
    allow("watches", 20)
    told = Told()
    watcher = watcher_of(inbox_of(tmp_path, 10), told)
    watcher.start()
    assert listens(watcher)
    (tmp_path / "root/inbox/8/cat.png").touch()
    assert told.wait(10)
    watcher.stop()


@in_a_namespace
def test_more_than_a_fair_share_of_the_watches_is_not_taken(tmp_path: Path) -> None:
    allow("watches", 20)
    with nothing_left():
        watcher = watcher_of(inbox_of(tmp_path, 11))
        watcher.start()
        assert polls_soundly(watcher)
        assert watcher.why == (
            "11 or more inotify watches are needed, 0 of 20 are taken, and other programs need some too; "
            "run: sysctl -w user.max_inotify_watches=64"
        )


@in_a_namespace
def test_what_is_recommended_is_enough(tmp_path: Path) -> None:
    allow("watches", 20)
    watcher = watcher_of(inbox_of(tmp_path, 30))
    watcher.start()
    assert polls_soundly(watcher)
    name, _, number = watcher.why.partition("sysctl -w ")[2].partition("=")
    assert name == "user.max_inotify_watches"
    allow("watches", int(number))
    watcher.start()
    assert listens(watcher)
    watcher.stop()


@in_a_namespace
def test_watches_that_others_have_are_counted(tmp_path: Path) -> None:
    allow("watches", 20)
    others = take(tmp_path, 12)
    watcher = watcher_of(inbox_of(tmp_path, 9))
    watcher.start()
    assert polls_soundly(watcher)
    assert "9 or more inotify watches are needed, 12 of 20 are taken" in watcher.why
    others.close()
    eventually(lambda: inotify.in_use() == Use(0, 0))
    watcher.start()
    assert listens(watcher)
    watcher.stop()


@in_a_namespace
def test_a_limit_that_is_reached_while_watchdog_begins_is_noticed(tmp_path: Path) -> None:
    """It says nothing of subfolders that it cannot watch."""
    allow("watches", 20)
    with nothing_left():
        others = take(tmp_path, 11)
        watcher = watcher_of(inbox_of(tmp_path, 9))  # 20 are just enough, but for those of the tripwire
        watcher.start()
        assert polls_soundly(watcher)
        wanted = "this user has no inotify watches left; run: sysctl -w user.max_inotify_watches=64"
        assert watcher.why == wanted
        others.close()


@in_a_namespace
def test_no_instances_left(tmp_path: Path) -> None:
    inbox = inbox_of(tmp_path, 3)
    for instances in (0, 1):
        allow("instances", instances)
        with nothing_left():
            watcher = watcher_of(inbox)
            watcher.start()
            assert polls_soundly(watcher)
            assert watcher.why.startswith(
                "this user has no inotify instances left; run: sysctl -w user.max_i"
            )
    allow("instances", 2)
    watcher.start()
    assert listens(watcher)
    watcher.stop()


@in_a_namespace
def test_a_folder_that_cannot_be_watched_when_it_comes_makes_the_watcher_unsound(tmp_path: Path) -> None:
    allow("watches", 20)
    told = Told()
    inbox = inbox_of(tmp_path, 5)
    with nothing_left():
        watcher = watcher_of(inbox, told)
        watcher.start()
        assert listens(watcher)
        for n in range(20):
            (inbox / f"late{n}").mkdir()
        eventually(lambda: not watcher.is_sound())
        assert watcher.flaw().startswith("no further folder could be watched")
        watcher.start()
        assert polls_soundly(watcher)
        assert (
            "21 or more inotify watches are needed" in watcher.why
        )  # there are 25: counting ends at the limit
        allow("watches", 100)
        watcher.start()
        assert listens(watcher)
        told.begin()
        (inbox / "late19/cat.png").touch()
        assert told.wait(10)
        watcher.stop()


@in_a_namespace
def test_other_programs_that_take_the_last_watch_make_the_watcher_unsound(tmp_path: Path) -> None:
    allow("watches", 20)
    watcher = watcher_of(inbox_of(tmp_path, 5))
    watcher.start()
    others = take(tmp_path, 12)
    assert listens(watcher)
    more = take(tmp_path, 1)
    assert watcher.flaw().startswith("no further folder could be watched")
    more.close()
    others.close()
    watcher.stop()


# -- mounts -------------------------------------------------------------------------------------------------


def mount(kind: str, folder: Path) -> None:
    subprocess.run(["mount", "-t", kind, "runway-watch-tests", str(folder)], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


@in_a_namespace
def test_an_inbox_that_was_unmounted_is_noticed_even_when_it_is_mounted_again(tmp_path: Path) -> None:
    """Watchdog's threads live on, with nothing to listen to."""
    root, told = tmp_path / "root", Told()
    root.mkdir()
    with nothing_left():
        mount("tmpfs", root)
        watcher = watcher_of(inbox_of(tmp_path, 3), told)
        watcher.start()
        assert listens(watcher)
        unmount(root)
        mount("tmpfs", root)
        inbox_of(tmp_path, 3)
        assert watcher.flaw() == "the inbox or its root was moved, deleted or unmounted"
        watcher.start()
        assert listens(watcher)
        (root / "inbox/0/cat.png").touch()
        assert told.wait(10)
        watcher.stop()


@in_a_namespace
def test_the_table_of_mounts_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    root = tmp_path / "The NAS \\ caf\xe9 \u3000"
    root.mkdir()
    before = mounts.kind(root)
    settings = WatchSettings.model_validate({"root": root})
    assert choose(settings) == Choice("events", f"{before} is local")
    mount("ramfs", root)
    assert choose(settings) == Choice("events", "ramfs is local")
    mount("tmpfs", root)
    assert choose(settings) == Choice("events", "tmpfs is local")
    assert mounts.kind(root) == "tmpfs"
    (root / "inbox").mkdir()
    (tmp_path / "bound").mkdir()
    subprocess.run(["mount", "--bind", str(tmp_path / "bound"), str(root / "inbox")], check=True)
    assert mounts.table().kinds(root / "inbox")[0] == before
    assert mounts.table().kinds(root) == ["tmpfs", before]
    unmount(root / "inbox")
    unmount(root)
    assert mounts.kind(root) == "ramfs"


# -- what check says ----------------------------------------------------------------------------------------


def lines_of(inbox: Path, subject: str) -> list[Line]:
    settings = Settings.model_validate({"watch": [{"root": inbox.parent, "observe": "events"}]})
    looked = check(inbox / "config.toml", settings, places(settings, {"STATE_DIRECTORY": str(inbox)}), {})
    return [line for line in looked if line.subject == subject]


@in_a_namespace
def test_check_tells_how_much_is_needed_and_left(tmp_path: Path) -> None:
    allow("watches", 20)
    allow("instances", 3)
    inbox, others = inbox_of(tmp_path, 10), take(tmp_path, 4)
    text = "10 of 20 watches needed, 4 taken; 1 of 3 instances taken"
    assert lines_of(inbox, "inotify") == [Line(ok=True, subject="inotify", text=text)]
    more = take(tmp_path, 1)
    [line] = lines_of(inbox, "inotify")
    assert not line.ok
    assert line.text == (
        "no events, the scan has to do: 2 inotify instances are needed, and 2 of 3 are taken; "
        "run: sysctl -w user.max_inotify_instances=8"
    )
    (inbox / "0/one more").mkdir()
    [line] = lines_of(inbox, "inotify")
    assert not line.ok
    assert "11 or more inotify watches are needed, 5 of 20 are taken" in line.text
    assert "run: sysctl -w user.max_inotify_watches=64" in line.text
    more.close()
    others.close()


@in_a_namespace
def test_check_without_the_limits_of_the_machine(tmp_path: Path) -> None:
    """As under systemd's `ProcSubset=pid`."""
    mount("tmpfs", Path("/proc/sys"))
    inbox = inbox_of(tmp_path, 10)
    [line] = lines_of(inbox, "inotify")
    assert line.ok
    assert line.text == "its limits cannot be read; what is refused is left to the scan"
    watcher = watcher_of(inbox)
    watcher.start()
    assert listens(watcher)
    watcher.stop()


@in_a_namespace
def test_what_is_in_use_is_counted_and_the_lower_limit_counts(tmp_path: Path) -> None:
    few, many = take(tmp_path, 2), take(tmp_path, 7)
    assert inotify.in_use() == Use(instances=2, watches=9)
    few.close()
    eventually(lambda: inotify.in_use() == Use(instances=1, watches=7))
    many.close()
    allow("watches", 5)
    assert inotify.limit("watches") == Limit("user.max_inotify_watches", 5)
    allow("watches", 2_000_000_000)
    machine = Path("/proc/sys/fs/inotify/max_user_watches").read_text()
    assert inotify.limit("watches") == Limit("fs.inotify.max_user_watches", int(machine))


# -- the rules, without a kernel ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "taken", "enough"),
    [
        (1, 0, True),
        (50, 0, True),
        (51, 0, False),
        (50, 50, True),
        (50, 51, False),
        (1, 99, True),
        (1, 100, False),
    ],
)
def test_what_is_enough(needed: int, taken: int, *, enough: bool) -> None:
    watches = Limit("fs.inotify.max_user_watches", 100)
    assert (inotify.shortage(needed, Use(1, taken), watches) is None) is enough


@pytest.mark.parametrize(
    ("allowed", "wanted", "number"),
    [(100, 0, 256), (128, 0, 256), (128, 257, 512), (192536, 200_000 * 4, 1048576)],
)
def test_what_is_recommended_is_a_round_number_and_at_least_twice_the_limit(
    allowed: int, wanted: int, number: int
) -> None:
    assert Limit("it", allowed).advice(wanted) == f"run: sysctl -w it={number}"


def test_a_tripwire_is_torn_by_its_own_folders_only(tmp_path: Path) -> None:
    for name in ("wired", "wired/inner", "other"):
        (tmp_path / name).mkdir()
    wire = Tripwire([tmp_path / "wired"])
    (tmp_path / "other").rename(tmp_path / "wired/other")
    (tmp_path / "wired/inner").rmdir()
    assert wire.has_room()
    assert not wire.is_torn()
    (tmp_path / "wired").rename(tmp_path / "away")
    assert wire.is_torn()
    assert wire.is_torn()  # for ever
    wire.close()


def test_a_tripwire_that_cannot_be_laid_leaves_nothing(tmp_path: Path) -> None:
    with nothing_left(), pytest.raises(FileNotFoundError):
        Tripwire([tmp_path, tmp_path / "not there"])
