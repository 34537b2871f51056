"""A move gives a file another name, replaces nothing, and can be repeated after a crash at any point."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from runway_watch.errors import NameTaken
from runway_watch.job import Input
from runway_watch.spool import rename
from runway_watch.spool.carry import Leg, carry, of_input
from runway_watch.spool.folder import Folder
from runway_watch.spool.rename import move
from runway_watch.spool.spot import Spot
from tests.samples import names

Mover = Callable[[Spot, Spot], None]
At = Callable[[Path], Spot]
MOVERS = pytest.mark.parametrize("mover", [move, rename._link_and_unlink, rename._copy_over])
MEMORY = Path("/dev/shm")


@pytest.fixture
def at() -> Iterator[At]:
    """The spot of a path."""
    with ExitStack() as stack:
        yield lambda path: Spot(stack.enter_context(Folder.top(path.parent)), path.name)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@MOVERS
def test_a_move_keeps_every_byte_and_the_time(tmp_path: Path, at: At, mover: Mover) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(os.urandom(100_000))
    os.utime(source, ns=(1, 1_600_000_000_123_456_789))
    before = digest(source)
    mover(at(source), at(target))
    assert (digest(target), target.stat().st_mtime_ns) == (before, 1_600_000_000_123_456_789)
    assert names(tmp_path) == ["b"]


@MOVERS
@pytest.mark.parametrize("obstacle", ["file", "folder", "link", "dangling link"])
def test_a_move_replaces_nothing(tmp_path: Path, at: At, mover: Mover, obstacle: str) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"mine")
    match obstacle:
        case "file":
            target.write_bytes(b"theirs")
        case "folder":
            target.mkdir()
        case "link":
            target.symlink_to(source)
        case _:
            target.symlink_to("nowhere")
    before = target.lstat()
    with pytest.raises(NameTaken):
        mover(at(source), at(target))
    assert source.read_bytes() == b"mine"
    assert (target.lstat().st_ino, names(tmp_path)) == (before.st_ino, ["a", "b"])


@MOVERS
def test_what_is_not_there_cannot_be_moved(tmp_path: Path, at: At, mover: Mover) -> None:
    with pytest.raises(FileNotFoundError):
        mover(at(tmp_path / "a"), at(tmp_path / "b"))
    assert names(tmp_path) == []


@MOVERS
def test_a_link_is_moved_as_a_link(tmp_path: Path, at: At, mover: Mover) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    mover(at(tmp_path / "a"), at(tmp_path / "b"))
    assert (tmp_path / "b").readlink() == Path("nowhere")


def test_a_folder_that_is_missing_is_no_name_that_is_taken(tmp_path: Path, at: At) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with Folder.top(tmp_path) as top, top.inner("none") as none, pytest.raises(FileNotFoundError) as missing:
        move(at(tmp_path / "a"), Spot(none, "b"))
    assert missing.value.filename == str(tmp_path / "none")
    for name in ("a", "link"):
        with (
            Folder.top(tmp_path) as top,
            top.inner(name) as none,
            pytest.raises(NotADirectoryError) as caught,
        ):
            move(at(tmp_path / "a"), Spot(none, "b"))
        assert (caught.value.errno, caught.value.filename) == (errno.ENOTDIR, str(tmp_path / name))
    assert names(tmp_path) == ["a", "link"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one filesystem here")
    folder = MEMORY / f"runway-watch-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_across_filesystems_a_file_is_copied_compared_and_then_removed(
    tmp_path: Path, elsewhere: Path, at: At
) -> None:
    source, target = tmp_path / "a", elsewhere / "b"
    source.write_bytes(os.urandom(300_000))
    before = digest(source), source.stat().st_mtime_ns
    move(at(source), at(target))
    assert (digest(target), target.stat().st_mtime_ns) == before
    assert (names(tmp_path), names(elsewhere)) == ([], ["b"])


def test_across_filesystems_nothing_is_replaced_either(tmp_path: Path, elsewhere: Path, at: At) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    (elsewhere / "b").write_bytes(b"theirs")
    with pytest.raises(NameTaken):
        move(at(tmp_path / "a"), at(elsewhere / "b"))
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert (elsewhere / "b").read_bytes() == b"theirs"
    assert names(elsewhere) == ["b"]


def input_of(path: Path) -> Input:
    found = path.stat()
    return Input("", path.name, digest(path), found.st_size, found.st_mtime_ns, found.st_ino)


def legs_of(at: At, here: Path, there: Path, called: tuple[str, ...] = ("a", "b", "c")) -> list[Leg]:
    for name in called:
        (here / name).write_bytes(name.encode() * 100)
    return [Leg(at(here / name), at(there / name), of_input(input_of(here / name))) for name in called]


def places(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    return tmp_path / "here", tmp_path / "there"


@pytest.mark.parametrize("made", range(4))
def test_after_a_crash_at_any_leg_all_are_made_again(tmp_path: Path, at: At, made: int) -> None:
    here, there = places(tmp_path)
    legs = legs_of(at, here, there)
    for leg in legs[:made]:
        move(leg.source, leg.target)
    for _ in range(2):
        assert carry(legs) == []
        assert (names(here), names(there)) == ([], ["a", "b", "c"])


@pytest.mark.parametrize("taken", ["a", "b", "c"])
def test_when_a_name_is_taken_every_file_goes_back(tmp_path: Path, at: At, taken: str) -> None:
    here, there = places(tmp_path)
    legs = legs_of(at, here, there)
    (there / taken).write_bytes(b"theirs")
    with pytest.raises(NameTaken):
        carry(legs)
    assert (names(here), names(there)) == (["a", "b", "c"], [taken])
    assert (there / taken).read_bytes() == b"theirs"


def test_a_group_that_went_halfway_before_a_crash_goes_back_too(tmp_path: Path, at: At) -> None:
    here, there = places(tmp_path)
    legs = legs_of(at, here, there)
    move(legs[0].source, legs[0].target)
    (there / "c").write_bytes(b"theirs")
    with pytest.raises(NameTaken):
        carry(legs)
    assert (names(here), names(there)) == (["a", "b", "c"], ["c"])


def test_files_that_are_nowhere_are_named_and_stop_nobody(tmp_path: Path, at: At) -> None:
    here, there = places(tmp_path)
    legs = legs_of(at, here, there)
    (here / "b").unlink()
    assert carry(legs) == ["b"]
    assert names(there) == ["a", "c"]


def test_a_place_that_a_file_is_in_already_is_no_move(tmp_path: Path, at: At) -> None:
    here, _ = places(tmp_path)
    [leg] = legs_of(at, here, here, ("a",))
    assert carry([leg]) == []
    assert names(here) == ["a"]


def test_a_file_is_known_by_its_inode_or_else_by_size_and_time(tmp_path: Path, at: At) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    item = input_of(path)
    assert of_input(item)(at(path))
    assert of_input(replace(item, ino=1))(at(path))
    assert of_input(replace(item, size=1))(at(path))
    assert not of_input(replace(item, ino=1, size=1))(at(path))
    assert not of_input(replace(item, ino=1, mtime_ns=1))(at(path))
    assert not of_input(item)(at(tmp_path / "none"))


def test_a_second_name_that_a_crash_left_is_taken_away(tmp_path: Path, at: At) -> None:
    here, there = places(tmp_path)
    [leg] = legs_of(at, here, there, ("a",))
    os.link(leg.source.path, leg.target.path)
    assert carry([leg]) == []
    assert (names(here), names(there)) == ([], ["a"])


def test_a_copy_that_a_crash_left_on_the_old_filesystem_is_taken_away(
    tmp_path: Path, elsewhere: Path, at: At
) -> None:
    [leg] = legs_of(at, tmp_path, elsewhere, ("a",))
    content = leg.source.path.read_bytes()
    again = leg.source.path.stat()
    move(leg.source, leg.target)
    leg.source.path.write_bytes(content)  # as if the copy had been made, and the old one not yet removed
    os.utime(leg.source.path, ns=(again.st_atime_ns, again.st_mtime_ns))
    assert carry([leg]) == []
    assert (names(tmp_path), names(elsewhere)) == ([], ["a"])


def test_a_new_drop_under_the_old_name_is_left_where_it_is(tmp_path: Path, at: At) -> None:
    here, there = places(tmp_path)
    [leg] = legs_of(at, here, there, ("a",))
    move(leg.source, leg.target)
    leg.source.path.write_bytes(b"a new drop")
    assert carry([leg]) == []
    assert leg.source.path.read_bytes() == b"a new drop"
    assert leg.target.path.read_bytes() == b"a" * 100
