"""The four folders: groups travel whole, records keep to their job, strangers' files are opened safely."""

import os
import socket
import stat
import tomllib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runway_watch.errors import NameTaken, OutputGone, Refusal, SpoolError
from runway_watch.job import Input, Job, Output, Place
from runway_watch.spool import ERROR, HELD, RESULT, Spool, below, scan
from runway_watch.spool.beneath import opened
from tests.samples import drop, job, names, spool

PAIR = {"cat.png": b"p" * 600, "cat.prompt.toml": b"a = 1"}


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


def tree(where: Spool) -> list[str]:
    return sorted(str(p.relative_to(where.root)) for p in where.root.rglob("*") if not p.is_dir())


def input_at(path: Path, suffix: str) -> Input:
    found = path.stat()
    return Input(suffix, path.name, "", found.st_size, found.st_mtime_ns, found.st_ino)


def group(where: Spool, *, folder: str = "", **changes: Any) -> Job:
    """A pair in the inbox on its way to processing/."""
    inbox = drop(where, PAIR, folder=folder)
    inputs = tuple(input_at(inbox / f"cat{suffix}", suffix) for suffix in (".png", ".prompt.toml"))
    aimed = {"place": Place.INBOX, "target": Place.PROCESSING, "target_name": "cat", "folder": folder}
    return job(name="cat", root=str(where.root), inputs=inputs, **aimed | changes)


def arrived(there: Job, **changes: Any) -> Job:
    assert there.target is not None
    assert there.target_name is not None
    return replace(there, place=there.target, name=there.target_name, **changes)


# -- journeys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["", "holiday/monday"])
def test_a_pair_travels_as_a_pair_through_all_its_folders(where: Spool, folder: str) -> None:
    there = group(where, folder=folder, target_name="cat (2)")
    assert where.carry(there) == []
    there = arrived(there, target=Place.DONE, target_name="cat (3)")
    assert where.carry(there) == []
    assert where.carry(there) == []
    at = f"done/{folder}/".replace("//", "/")
    assert tree(where) == [f"{at}cat (3).png", f"{at}cat (3).prompt.toml"]
    where.tidy(there)
    assert names(where.root / "processing") == []


def test_tidying_takes_halves_of_outputs_and_leaves_what_is_not_the_jobs(where: Spool) -> None:
    there = group(where, folder="a/b")
    where.carry(there)
    for name in (".j1-1-1.part", ".j2-1-1.part"):
        where.staging(there, name).touch()
    where.tidy(there)
    assert names(where.root / "processing/a/b") == [".j2-1-1.part", "cat.png", "cat.prompt.toml"]


def test_outputs_go_first_and_one_that_is_gone_is_told(where: Spool) -> None:
    there = arrived(_carried(where), target=Place.DONE, target_name="cat")
    film = Output(".j1-1-1.part", ".mp4", "", 4)
    with pytest.raises(OutputGone, match=r"\.j1-1-1\.part"):
        where.carry(there, {".out.mp4": film})
    where.staging(there, film.staged).write_bytes(b"film")
    for _ in range(2):
        assert where.carry(there, {".out.mp4": film}) == []
    assert tree(where) == ["done/cat.out.mp4", "done/cat.png", "done/cat.prompt.toml"]


def _carried(where: Spool) -> Job:
    there = group(where)
    where.carry(there)
    return there


def test_a_taken_name_leaves_the_pair_where_it_was(where: Spool) -> None:
    there = group(where)
    (where.root / "processing/cat.prompt.toml").write_bytes(b"theirs")
    with pytest.raises(NameTaken):
        where.carry(there)
    assert tree(where) == ["inbox/cat.png", "inbox/cat.prompt.toml", "processing/cat.prompt.toml"]


def test_a_place_may_be_a_link_to_where_the_operator_wants_it(where: Spool, tmp_path: Path) -> None:
    for place in ("inbox", "processing"):
        (where.root / place).rename(tmp_path / f"real {place}")
        (where.root / place).symlink_to(tmp_path / f"real {place}")
    there = group(where, folder="a")
    where.make()
    assert where.carry(there) == []
    assert names(tmp_path / "real processing/a") == ["cat.png", "cat.prompt.toml"]


def test_what_is_no_plain_file_is_moved_itself_and_nothing_hangs(where: Spool) -> None:
    there = group(where, target=Place.FAILED)
    (where.inbox / "cat.png").unlink()
    os.mkfifo(where.inbox / "cat.png")
    (where.inbox / "cat.prompt.toml").unlink()
    (where.inbox / "cat.prompt.toml").symlink_to("/nowhere")
    assert where.carry(there) == []
    assert stat.S_ISFIFO((where.root / "failed/cat.png").lstat().st_mode)
    assert (where.root / "failed/cat.prompt.toml").is_symlink()


def test_an_output_is_staged_where_its_group_may_read_it_and_nobody_can_run_it(where: Spool) -> None:
    there = group(where, folder="a")
    for _ in range(2):
        with where.stage(there, ".j1-1-1.part") as file:
            file.write(b"film")
    path = where.staging(there, ".j1-1-1.part")
    assert (path.read_bytes(), path.stat().st_mode & 0o137) == (b"film", 0)


@pytest.mark.parametrize("gone", ["inbox", "processing"])
def test_a_share_that_is_gone_is_not_an_empty_one(where: Spool, gone: str) -> None:
    there = group(where)
    (where.root / gone).rename(where.root / "unmounted")
    with pytest.raises(SpoolError):
        where.carry(there)
    assert not (where.root / gone).exists()
    (where.root / "unmounted").rename(where.root / gone)
    assert where.carry(there) == []


def test_a_free_name_is_free_for_the_whole_group_and_its_records(where: Spool) -> None:
    done = where.root / "done"

    def free(*suffixes: str, **options: int) -> str:
        return where.free_name(Place.DONE, "", "cat", suffixes, **options)

    assert free(".png") == "cat"
    (done / "cat.png").touch()
    assert (free(".png"), free(".jpg")) == ("cat (2)", "cat (2)")  # their outputs would meet
    (done / "cat (2).out.mp4").touch()
    assert free(".png", ".out.mp4") == "cat (3)"
    (done / "cat (3).error.toml").touch()
    assert free(".png", ".out.mp4") == "cat (4)"
    (done / "cat (4).png").symlink_to("nowhere")
    assert free(".png", ".out.mp4") == "cat (5)"
    assert free(".jpg", after=1) == "cat (2)"
    assert where.free_name(Place.DONE, "not/there", "cat", [".png"]) == "cat"


# -- records -------------------------------------------------------------------------------------------


def test_a_record_is_written_again_by_its_job_and_by_no_other(where: Spool) -> None:
    there = _carried(where)
    there = arrived(there, target=Place.FAILED, target_name="dog")
    for word in ("one", "two"):
        where.record(there, ERROR, f'job = "j1"\nword = "{word}"', target=True)
    path = where.root / "failed/dog.error.toml"
    assert tomllib.loads(path.read_text())["word"] == "two"
    for owner in ('job = "j2"', "no toml", ""):
        path.write_text(owner)
        with pytest.raises(NameTaken):
            where.record(there, ERROR, 'job = "j1"', target=True)
        assert path.read_text() == owner
    assert [p.name for p in path.parent.iterdir()] == ["dog.error.toml"]


def test_a_record_is_withdrawn_by_its_job_and_by_no_other(where: Spool) -> None:
    there = arrived(_carried(where))
    where.record(there, HELD, 'job = "j1"', target=False)
    path = where.root / "processing/cat.held.toml"
    where.withdraw(replace(there, id="j2"), HELD, place=Place.PROCESSING, name="cat")
    assert path.exists()
    where.withdraw(there, HELD, place=Place.PROCESSING, name="cat")
    where.withdraw(there, HELD, place=Place.PROCESSING, name="cat")
    assert not path.exists()


def test_a_record_is_not_written_through_a_link_that_somebody_put_there(where: Spool, tmp_path: Path) -> None:
    there = arrived(_carried(where))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (where.root / "processing/.j1.result.toml.part").symlink_to(victim)
    where.record(there, RESULT, 'job = "j1"', target=False)
    assert victim.read_bytes() == b"precious"
    assert not (where.root / "processing/cat.result.toml").is_symlink()


def test_a_folder_that_cannot_be_written_is_the_spools_trouble(where: Spool) -> None:
    there = arrived(_carried(where))
    with pytest.raises(SpoolError):
        where.record(replace(there, folder="not/there"), ERROR, "x", target=False)
    with pytest.raises(SpoolError):
        Spool(where.root / "not/there").make()


def test_a_jobs_files_are_present_where_one_of_them_is(where: Spool) -> None:
    there = group(where)
    assert where.present(there, Place.INBOX, "cat")
    assert not where.present(there, Place.INBOX, "dog")
    where.carry(there)
    assert not where.present(there, Place.INBOX, "cat")
    assert where.present(there, Place.PROCESSING, "cat")


# -- opening what strangers have put there -------------------------------------------------------------


def refused(top: Path, path: str) -> str:
    before = len(names(Path("/proc/self/fd")))
    with pytest.raises(Refusal) as caught, opened(top, path):
        pass
    assert len(names(Path("/proc/self/fd"))) == before, "a descriptor was left open"
    return caught.value.code


def test_a_plain_file_is_opened_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.png").write_bytes(b"bytes")
    for path in ("a/b/c.png", "a//b/./c.png"):
        with opened(tmp_path, path) as file:
            assert file.read() == b"bytes"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "", ".", "..", "a/.."])
def test_a_way_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    assert refused(tmp_path, path) == "reference.outside"


@pytest.mark.parametrize("path", ["none", "none/x.png", "n" * 300, f"{'n' * 300}/x", "plain/x"])
def test_what_is_not_there_is_missing_however_it_is_called(tmp_path: Path, path: str) -> None:
    (tmp_path / "plain").touch()
    assert refused(tmp_path, path) == ("reference.outside" if path == "plain/x" else "reference.missing")


@pytest.mark.parametrize("component", [0, 1, 2])
def test_no_component_of_the_way_may_be_a_link(tmp_path: Path, component: int) -> None:
    top = tmp_path / "top"
    parts = ["a", "b", "c.png"]
    real = tmp_path / "real"
    for folder in (top / "/".join(parts[:component]), real):
        folder.mkdir(parents=True, exist_ok=True)
    inner = real.joinpath(*parts[component + 1 :])
    inner.parent.mkdir(parents=True, exist_ok=True)
    if component < 2:
        inner.write_bytes(b"secret")
        top.joinpath(*parts[: component + 1]).symlink_to(real)
    else:
        (real / "c").write_bytes(b"secret")
        top.joinpath(*parts).symlink_to(real / "c")
    expected = "asset.not_regular" if component == 2 else "reference.outside"
    assert refused(top, "/".join(parts)) == expected


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_bytes(b"ok")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with opened(tmp_path / "link", "x") as file:
        assert file.read() == b"ok"


@contextmanager
def _socket_at(path: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(path))
        yield


def test_what_is_no_plain_file_of_its_own_is_refused_and_nothing_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("/dev/null")
    (tmp_path / "one.png").touch()
    os.link(tmp_path / "one.png", tmp_path / "two.png")
    odd = ["pipe.png", "folder.png", "link.png", "one.png", "two.png", "socket.png"]
    try:
        os.mknod(tmp_path / "null.png", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        odd.append("null.png")
    except PermissionError:
        pass  # only root makes devices
    with _socket_at(tmp_path / "socket.png"):
        assert {name: refused(tmp_path, name) for name in odd} == dict.fromkeys(odd, "asset.not_regular")


def test_an_inbox_that_is_gone_says_nothing_about_the_file(where: Spool) -> None:
    with pytest.raises(FileNotFoundError), opened(where.root / "none", "x"):
        pass
    with pytest.raises(SpoolError), Spool(where.root / "none").referred("x"):
        pass


@pytest.mark.parametrize(
    ("folder", "reference", "path"),
    [
        ("", "a.png", "a.png"),
        ("x/y", "a.png", "x/y/a.png"),
        ("x/y", "../a.png", "x/a.png"),
        ("x/y", "../../_refs/a.png", "_refs/a.png"),
        ("", "./b/../a.png", "a.png"),
        ("", "b//a.png", "b/a.png"),
    ],
)
def test_a_reference_is_relative_to_the_sidecars_folder(folder: str, reference: str, path: str) -> None:
    assert below(folder, reference) == path


@pytest.mark.parametrize(
    ("folder", "reference"),
    [
        ("", ".."),
        ("", "../a"),
        ("x", "../../a"),
        ("", "/etc/passwd"),
        ("", "a\\b"),
        ("", "a\0b"),
        ("", "b/../../a"),
    ],
)
def test_a_reference_does_not_leave_the_inbox(folder: str, reference: str) -> None:
    with pytest.raises(Refusal) as caught:
        below(folder, reference)
    assert caught.value.code == "reference.outside"


# -- the scan ------------------------------------------------------------------------------------------


def seen(where: Spool, *ignore: str) -> dict[str, list[str]]:
    return {found.path: sorted(found.files) for found in scan(where.inbox, ignore) if not found.unseen}


def unseen(where: Spool) -> dict[str, str]:
    return {found.path: found.unseen for found in scan(where.inbox) if found.unseen}


def test_a_scan_sees_files_in_every_folder_and_no_junk(where: Spool) -> None:
    for folder in ("", "a", "a/b", "_refs", ".git", "a/@eaDir"):
        drop(where, {"cat.png": b"", ".hidden": b"", "x.part": b""}, folder=folder)
    assert seen(where) == {"": ["cat.png"], "a": ["cat.png"], "a/b": ["cat.png"]}
    assert seen(where, "b", "*.png") == {"": [], "a": []}


def test_a_scan_follows_no_link_and_reports_it_as_a_file(where: Spool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").touch()
    (where.inbox / "folder").symlink_to(outside)
    (where.inbox / "cat.png").symlink_to(outside / "secret.png")
    (where.inbox / "loop").symlink_to(where.inbox)
    assert seen(where) == {"": ["cat.png", "folder", "loop"]}


def test_a_name_that_is_no_text_stays_where_it_is_and_is_told_of(where: Spool) -> None:
    drop(where, {"cat.png": b""})
    Path(os.fsdecode(os.fsencode(where.inbox) + b"/caf\xe9.png")).touch()
    Path(os.fsdecode(os.fsencode(where.inbox) + b"/\xff")).mkdir()
    assert seen(where) == {"": ["cat.png"]}
    assert {*unseen(where)} == {"caf\udce9.png", "\udcff"}
    assert all("not UTF-8" in why for why in unseen(where).values())


def test_folders_are_looked_into_down_to_a_depth_and_hide_none_of_their_neighbours(
    where: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(where, {"cat.png": b""}, folder="good")
    monkeypatch.chdir(where.inbox)
    for _ in range(150):
        Path("d").mkdir()
        os.chdir("d")
    monkeypatch.chdir(where.root)
    found = seen(where)
    assert found["good"] == ["cat.png"]
    assert len(found) == 2 + 101
    assert all("more than 100 folders deep" in why for why in unseen(where).values())
    assert len(unseen(where)) == 1


def test_an_inbox_that_cannot_be_read_is_no_empty_inbox(where: Spool) -> None:
    where.inbox.rmdir()
    with pytest.raises(FileNotFoundError):
        list(scan(where.inbox))
    where.inbox.touch()
    with pytest.raises(NotADirectoryError):
        list(scan(where.inbox))
