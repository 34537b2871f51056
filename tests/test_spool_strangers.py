"""Strangers put links, pipes and folders where the spool works, and swap them meanwhile: nothing gets out.

What they want us to read, move, write or delete lies outside, and is looked at after every single test.
"""

import asyncio
import ctypes
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, BinaryIO

import pytest

from runway_watch.api import Courier, Received
from runway_watch.daemon import strays
from runway_watch.errors import NameTaken, OutputGone, SpoolError
from runway_watch.hands import Lent
from runway_watch.job import Done, Job, Later, Never, Output, Place, State
from runway_watch.report.scaffold import scaffold
from runway_watch.spool import ERROR, HELD, RESULT, Spool, inventory, reunite, scan
from runway_watch.stages.again import sights_of
from runway_watch.stages.collect import Origin, collect
from runway_watch.stages.share import is_there, share
from tests.cli_tools import NOBODY
from tests.harness import Runway, Site, picture, sidecar, unique
from tests.samples import PNG, call, item, job, names, spool
from tests.test_spool import PAIR, input_at

FILM = Output(".j1-1-1.part", ".mp4", hashlib.sha256(b"film").hexdigest(), 4)
RECORD = 'job = "j1"'
LURES = {**PAIR, "cat.out.mp4": b"film", FILM.staged: b"film", "cat.held.toml": RECORD.encode()}
"""What lies outside, under the names that ours have."""

MEMORY = Path("/dev/shm")
ROUNDS = 300
"""How often something is done while a stranger swaps folders: half of the time a link is in the way."""

FOLDERS = pytest.mark.parametrize("folder", ["sub", "sub/deep"])
"""Those of a job; it is `sub` that leads outside."""


class Shelf(Courier):
    """Has the output already."""

    def __init__(self) -> None:
        pass

    async def download(self, url: str, into: Lent[BinaryIO], *, max_bytes: int) -> Received:
        await into(lambda file: file.write(PNG))
        await into(lambda file: file.flush())
        return Received(len(PNG), hashlib.sha256(PNG).hexdigest(), None)


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Spool]:
    """The four folders; in the end none of them is left open, nor anything in them."""
    (tmp_path / "root").mkdir()
    before = names(Path("/proc/self/fd"))
    yield spool(tmp_path / "root")
    assert names(Path("/proc/self/fd")) == before


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that is none of ours, full of names that could be. In the end it is as it was."""
    yield from _watched(tmp_path / "outside", LURES)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Path]:
    """The same without any file."""
    yield from _watched(tmp_path / "bare", {})


def _watched(top: Path, files: dict[str, bytes]) -> Iterator[Path]:
    for folder in (top, top / "deep"):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    before = everything(top)
    yield top
    assert everything(top) == before


def everything(top: Path) -> dict[str, tuple[int, ...]]:
    """Every file and folder with all that tells of a touch."""
    found = {path: path.lstat() for path in (top, *top.rglob("*"))}
    return {str(p): (s.st_ino, s.st_mode, s.st_nlink, s.st_size, s.st_mtime_ns) for p, s in found.items()}


def group(where: Spool, place: Place, folder: str = "", *, target: Place | None = None) -> Job:
    """A pair that lies in one of the four folders."""
    at = where.where(place, folder)
    at.mkdir(parents=True, exist_ok=True)
    for name, content in PAIR.items():
        (at / name).write_bytes(content)
    inputs = tuple(input_at(at / f"cat{suffix}", suffix) for suffix in (".png", ".prompt.toml"))
    there = job(name="cat", root=str(where.root), inputs=inputs, place=place, folder=folder)
    return replace(there, target=target, target_name="cat" if target else None)


def lead(where: Spool, place: Place, to: Path) -> Path:
    """Let `sub` in one of the four folders be a link; what was there is kept aside."""
    link = where.where(place, "sub")
    with suppress(FileNotFoundError):
        link.rename(where.root / f"kept {place}")
    link.symlink_to(to)
    return link


def lead_back(where: Spool, place: Place) -> None:
    """What a person does who reads the message."""
    where.where(place, "sub").unlink()
    with suppress(FileNotFoundError):
        (where.root / f"kept {place}").rename(where.where(place, "sub"))


def fetch(where: Spool, there: Job) -> Any:
    """What the stage says that fetches a job's output."""
    generation = call("j1", State.COLLECTING)
    return asyncio.run(
        collect(there, generation, [Origin("it")], courier=Shelf(), spool=where, max_bytes=10**6)
    )


def shared(where: Spool, there: Job, theirs: Spool, leader: Job) -> Any:
    """What the stage says that gives a job the output of another one."""
    done = [call("j0", State.DONE, outputs=(FILM,))]
    return share(there, call("j1", State.COLLECTING), leader, done, spool=where, theirs=theirs)


def in_the_way(link: Path) -> Any:
    return pytest.raises(SpoolError, match=f"^{link}: a link .* move it away$")


# -- links on the way --------------------------------------------------------------------------------------


@FOLDERS
@pytest.mark.parametrize("target", [Place.PROCESSING, Place.FAILED])
def test_nothing_is_carried_out_through_a_link(where: Spool, bare: Path, folder: str, target: Place) -> None:
    there = group(where, Place.INBOX, folder, target=target)
    with in_the_way(lead(where, target, bare)):
        where.carry(there)
    assert names(where.inbox / folder) == sorted(PAIR)
    lead_back(where, target)
    assert where.carry(there) == []
    assert names(where.where(target, folder)) == sorted(PAIR)


@FOLDERS
def test_no_output_is_filed_through_a_link(where: Spool, bare: Path, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder, target=Place.DONE)
    where.staging(there, FILM.staged).write_bytes(b"film")
    with in_the_way(lead(where, Place.DONE, bare)):
        where.carry(there, {".out.mp4": FILM})
    with in_the_way(where.where(Place.DONE, "sub")):
        where.record(there, RESULT, RECORD, target=True)
    assert names(where.root / "processing" / folder) == sorted([FILM.staged, *PAIR])


@FOLDERS
@pytest.mark.parametrize("place", [Place.INBOX, Place.PROCESSING, Place.FAILED])
def test_nothing_is_fetched_from_outside_in_the_place_of_a_jobs_files(
    where: Spool, outside: Path, folder: str, place: Place
) -> None:
    target = Place.PROCESSING if place is Place.INBOX else Place.DONE
    there = group(where, place, folder, target=target)
    with in_the_way(lead(where, place, outside)):
        where.carry(there)
    assert names(where.where(target, folder)) == []


@FOLDERS
def test_no_output_is_taken_from_outside(where: Spool, outside: Path, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder, target=Place.DONE)
    with in_the_way(lead(where, Place.PROCESSING, outside)):
        where.carry(there, {".out.mp4": FILM})
    assert names(where.where(Place.DONE, folder)) == []


@FOLDERS
def test_what_goes_back_does_not_go_back_through_a_link(where: Spool, bare: Path, folder: str) -> None:
    there = group(where, Place.INBOX, folder, target=Place.PROCESSING)
    assert where.carry(there) == []
    with in_the_way(lead(where, Place.INBOX, bare)):
        where.go_back(there, {})
    assert names(where.root / "processing" / folder) == sorted(PAIR)


@FOLDERS
@pytest.mark.parametrize("place", [Place.PROCESSING, Place.FAILED])
def test_no_record_is_written_through_a_link(where: Spool, bare: Path, folder: str, place: Place) -> None:
    there = group(where, place, folder)
    with in_the_way(lead(where, place, bare)):
        where.record(there, HELD, RECORD, target=False)


@FOLDERS
def test_no_record_is_withdrawn_through_a_link(where: Spool, outside: Path, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder)
    lead(where, Place.PROCESSING, outside)
    where.withdraw(there, HELD, place=Place.PROCESSING, name="cat")


@FOLDERS
def test_no_half_of_a_file_is_tidied_away_through_a_link(where: Spool, outside: Path, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder)
    lead(where, Place.PROCESSING, outside)
    where.tidy(there)


def test_no_empty_folder_is_tidied_away_through_a_link(where: Spool, bare: Path) -> None:
    there = group(where, Place.PROCESSING, "sub/deep")
    lead(where, Place.PROCESSING, bare)
    where.tidy(there)


@FOLDERS
def test_what_lies_outside_is_not_present_nor_unchanged_nor_in_the_way(
    where: Spool, outside: Path, folder: str
) -> None:
    there = group(where, Place.FAILED, folder)
    assert where.is_unchanged(there)
    kept = where.root / "kept failed"
    where.where(Place.FAILED, "sub").rename(kept)
    where.where(Place.FAILED, "sub").symlink_to(kept)  # its own files, by another way
    assert not where.is_unchanged(there)
    assert not where.present(there, Place.FAILED, "cat")
    assert sights_of(there, spool=where) is None
    assert where.free_name(Place.FAILED, folder, "cat", [".png"]) == "cat"
    lead(where, Place.DONE, outside)
    done = replace(there, place=Place.DONE, state=State.DONE)
    assert not is_there(done, [call("j1", State.DONE, outputs=(FILM,))], spool=where)


@FOLDERS
def test_no_output_is_fetched_to_the_outside(where: Spool, bare: Path, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder)
    link = lead(where, Place.PROCESSING, bare)
    outcome = fetch(where, there)
    assert isinstance(outcome, Later)
    assert str(link) in outcome.message
    lead_back(where, Place.PROCESSING)
    assert isinstance(fetch(where, there), Done)


@FOLDERS
def test_no_output_is_shared_from_outside_or_to_the_outside(
    where: Spool, outside: Path, bare: Path, folder: str
) -> None:
    there = group(where, Place.PROCESSING, folder)
    leader = job("j0", name="cat", root=str(where.root), place=Place.DONE, state=State.DONE, folder=folder)
    lead(where, Place.DONE, outside)
    assert isinstance(shared(where, there, where, leader), Never)
    lead_back(where, Place.DONE)
    where.where(Place.DONE, folder).mkdir(parents=True)
    where.where(Place.DONE, folder, "cat.out.mp4").write_bytes(b"film")
    lead(where, Place.PROCESSING, bare)
    assert isinstance(shared(where, there, where, leader), Later)
    lead_back(where, Place.PROCESSING)
    assert isinstance(shared(where, there, where, leader), Done)


@FOLDERS
@pytest.mark.parametrize("place", [Place.INBOX, Place.DONE, Place.FAILED])
def test_no_other_half_is_brought_from_outside(
    where: Spool, tmp_path: Path, folder: str, place: Place
) -> None:
    group(where, Place.PROCESSING, folder)
    (where.root / "processing" / folder / "cat.prompt.toml").unlink()
    half = tmp_path / "half" / folder.removeprefix("sub").removeprefix("/")
    half.mkdir(parents=True)
    (half / "cat.prompt.toml").touch()
    lead(where, place, tmp_path / "half")
    assert reunite(where.root, folder, "cat.png") is None
    lead_back(where, place)
    group(where, place, folder)
    where.where(place, folder, "cat.png").unlink()
    assert reunite(where.root, folder, "cat.png") == where.where(place, folder, "cat.prompt.toml")


def test_a_name_that_is_none_leads_nowhere(where: Spool, outside: Path) -> None:
    there = group(where, Place.PROCESSING, target=Place.DONE)
    (where.root / "processing/cat").mkdir()  # so that cat/.. leads on
    away = item("/../../../outside/cat.png", ino=(outside / "cat.png").stat().st_ino)
    with pytest.raises(SpoolError, match="no name of a file"):
        where.carry(replace(there, inputs=(away,)))


# -- swaps between a look and a use ------------------------------------------------------------------------


@pytest.mark.parametrize("look", [scan, inventory])
def test_a_folder_that_is_swapped_while_it_is_listed_does_not_show_what_is_outside(
    where: Spool, outside: Path, look: Callable[[Path], Iterator[Any]]
) -> None:
    (where.inbox / "sub/deep").mkdir(parents=True)
    listings = look(where.inbox)
    assert next(listings).path == ""
    lead(where, Place.INBOX, outside)
    assert [(listing.path, dict(listing.files)) for listing in listings] == []


@pytest.mark.parametrize("look", [scan, inventory])
def test_a_folder_that_is_swapped_while_those_below_it_are_listed_does_not_either(
    where: Spool, outside: Path, look: Callable[[Path], Iterator[Any]]
) -> None:
    (where.inbox / "sub/deep").mkdir(parents=True)
    listings = look(where.inbox)
    assert [next(listings).path, next(listings).path] == ["", "sub"]
    lead(where, Place.INBOX, outside)
    assert [dict(listing.files) for listing in listings] in ([], [{}])


@contextmanager
def swapping(real: Path, link: Path) -> Iterator[None]:
    """A stranger who exchanges a folder and a link as fast as the system lets him."""
    libc, over = ctypes.CDLL(None, use_errno=True), Event()
    ends = [-100, os.fsencode(real), -100, os.fsencode(link), 2]  # RENAME_EXCHANGE

    def swap() -> None:
        while not over.is_set():
            assert libc.renameat2(*ends) == 0

    stranger = Thread(target=swap)
    stranger.start()
    try:
        yield
    finally:
        over.set()
        stranger.join()


@contextmanager
def swapped(where: Spool, place: Place, outside: Path) -> Iterator[None]:
    real, link = where.where(place, "sub"), where.root / f"link {place}"
    real.mkdir(exist_ok=True)
    link.symlink_to(outside)
    with swapping(real, link):
        yield


def test_a_group_is_never_carried_out_of_a_folder_that_is_swapped_meanwhile(where: Spool, bare: Path) -> None:
    carry_to_and_fro(where, Place.PROCESSING, bare)


def test_nothing_is_carried_away_from_outside_while_a_folder_is_swapped(where: Spool, outside: Path) -> None:
    carry_to_and_fro(where, Place.INBOX, outside)


def carry_to_and_fro(where: Spool, place: Place, stranger: Path) -> None:
    """Carry a group in and back many times while its folder in one place is swapped for a stranger."""
    there = group(where, Place.INBOX, "sub", target=Place.PROCESSING)
    back = replace(there, place=Place.PROCESSING, target=Place.INBOX)
    with swapped(where, place, stranger):
        for _ in range(ROUNDS):
            for way in (there, back):
                with suppress(SpoolError):
                    where.carry(way)


def test_records_are_written_and_withdrawn_at_home_while_a_folder_is_swapped(
    where: Spool, bare: Path
) -> None:
    there = group(where, Place.PROCESSING, "sub")
    with swapped(where, Place.PROCESSING, bare):
        for _ in range(ROUNDS):
            with suppress(SpoolError):
                where.record(there, HELD, RECORD, target=False)
                where.withdraw(there, HELD, place=Place.PROCESSING, name="cat")


def test_outputs_are_staged_at_home_while_a_folder_is_swapped(where: Spool, outside: Path) -> None:
    there = group(where, Place.PROCESSING, "sub/deep")
    with swapped(where, Place.PROCESSING, outside):
        for _ in range(ROUNDS):
            fetch(where, there)
            where.tidy(there)


def test_a_strangers_file_under_a_records_name_is_never_replaced(where: Spool) -> None:
    """He makes it anew whenever the name is free, and finds it as he made it."""
    there, over, lost = group(where, Place.PROCESSING), Event(), []
    path = where.root / "processing/cat.held.toml"

    def plant() -> None:
        while not over.is_set():
            with suppress(FileExistsError):
                with path.open("x") as file:
                    file.write("mine")
                if path.read_text() != "mine":
                    lost.append(1)
                path.unlink()

    stranger = Thread(target=plant)
    stranger.start()
    for _ in range(ROUNDS):
        with suppress(SpoolError):
            where.record(there, HELD, RECORD, target=False)
            where.withdraw(there, HELD, place=Place.PROCESSING, name="cat")
    over.set()
    stranger.join()
    assert lost == []


# -- names that we are about to use ------------------------------------------------------------------------


def test_a_link_to_nowhere_under_a_records_name_is_somebody_elses(where: Spool) -> None:
    there = group(where, Place.PROCESSING, target=Place.FAILED)
    link = where.root / "failed/cat.error.toml"
    link.symlink_to(where.root / "nowhere")
    with pytest.raises(NameTaken):
        where.record(there, ERROR, RECORD, target=True)
    assert link.is_symlink()
    assert names(link.parent) == ["cat.error.toml"]


def test_an_empty_folder_under_a_hidden_name_goes_away(where: Spool) -> None:
    there = group(where, Place.PROCESSING)
    for name in (FILM.staged, ".j1.held.toml.part"):
        where.staging(there, name).mkdir()
    assert isinstance(fetch(where, there), Done)
    where.record(there, HELD, RECORD, target=False)
    assert names(where.root / "processing") == [FILM.staged, "cat.held.toml", "cat.png", "cat.prompt.toml"]


def test_a_folder_with_something_in_it_under_a_hidden_name_is_told_with_what_to_do(where: Spool) -> None:
    there = group(where, Place.PROCESSING)
    for name in (FILM.staged, ".j1.held.toml.part"):
        (where.staging(there, name) / "more").mkdir(parents=True)
    outcome = fetch(where, there)
    assert isinstance(outcome, Later)
    assert outcome.message.startswith(f"{where.staging(there, FILM.staged)}: a folder has a name")
    with pytest.raises(SpoolError, match=r"\.j1\.held\.toml\.part: a folder .* move it away"):
        where.record(there, HELD, RECORD, target=False)


@pytest.mark.parametrize("planted", ["link", "pipe", "shorter"])
def test_what_is_put_in_the_place_of_a_staged_output_is_not_filed(
    where: Spool, outside: Path, planted: str
) -> None:
    there = group(where, Place.PROCESSING, target=Place.DONE)
    staged = where.staging(there, FILM.staged)
    match planted:
        case "link":
            staged.symlink_to(outside / "cat.out.mp4")
        case "pipe":
            os.mkfifo(staged)
        case _:
            staged.write_bytes(b"fil")
    with pytest.raises(OutputGone):
        where.carry(there, {".out.mp4": FILM})
    assert "cat.out.mp4" not in names(where.root / "done")


def test_a_link_under_an_outputs_name_is_not_taken_for_the_output(where: Spool, outside: Path) -> None:
    there = group(where, Place.PROCESSING, target=Place.DONE)
    (where.root / "done/cat.out.mp4").symlink_to(outside / "cat.out.mp4")
    with pytest.raises(OutputGone):  # nobody has it: it is neither staged nor filed
        where.carry(there, {".out.mp4": FILM})


@pytest.fixture
def elsewhere(where: Spool) -> Iterator[Path]:
    """processing/, on another filesystem."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == where.root.stat().st_dev:
        pytest.skip("there is only one filesystem here")
    with TemporaryDirectory(dir=MEMORY) as folder:
        (where.root / "processing").rmdir()
        (where.root / "processing").symlink_to(folder)
        yield Path(folder)


def test_no_copy_to_another_filesystem_is_written_through_a_link(
    where: Spool, outside: Path, elsewhere: Path
) -> None:
    there = group(where, Place.INBOX, target=Place.PROCESSING)
    for name in PAIR:
        (elsewhere / f".{name}.part").symlink_to(outside / name)
    assert where.carry(there) == []
    assert {name: (elsewhere / name).read_bytes() for name in names(elsewhere)} == PAIR


def test_a_copy_to_another_filesystem_runs_as_nobody(where: Spool, elsewhere: Path) -> None:
    there = group(where, Place.INBOX, target=Place.PROCESSING)
    (where.inbox / "cat.png").chmod(0o6755)
    assert where.carry(there) == []
    assert (elsewhere / "cat.png").stat().st_mode & 0o7777 == 0o755


def test_a_sample_is_not_written_through_a_link(where: Spool, tmp_path: Path) -> None:
    (where.inbox / "_sample.prompt.toml").symlink_to(tmp_path / "nowhere")
    assert any("was there already" in line for line in scaffold(where.root, tmp_path / "config.toml"))
    assert not (tmp_path / "nowhere").exists()


# -- pipes where a file is expected ------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A watch whose daemon cannot reach anybody."""
    return Site(tmp_path, Runway("http://127.0.0.1:9", "key_" + "0" * 128))


def test_no_pipe_or_folder_in_done_keeps_a_daemon_from_starting(site: Site) -> None:
    done = site.root / "done"
    done.mkdir()
    for name in ("cat", "dog"):
        (done / f"{name}.png").write_bytes(picture())
        (done / f"{name}.prompt.toml").write_bytes(sidecar(unique()))
    os.mkfifo(done / "cat.out.mp4")
    (done / "dog.out.mp4").write_bytes(b"film")
    (done / "dog.result.toml").mkdir()
    before = names(done)
    assert site.cli("run", "--once").returncode == 0
    assert names(done) == before


def test_a_pipe_under_a_records_name_is_explained(site: Site) -> None:
    (site.root / "done").mkdir()
    os.mkfifo(site.root / "done/cat.result.toml")
    told = site.cli("explain", str(site.root / "done/cat.result.toml"))
    assert "no daemon has run yet" in told.stdout


# -- what is closed to us ----------------------------------------------------------------------------------


@pytest.fixture
def closed() -> Iterator[Spool]:
    """Four folders in which permission bits count, also where the tests are root's."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        where = spool(Path(folder))
        for place in Place:
            (where.root / place).chmod(0o777)
        yield where


@contextmanager
def powerless() -> Iterator[None]:
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def shut(path: Path) -> None:
    path.write_text(RECORD)
    path.chmod(0)


def test_what_is_closed_to_us_under_a_records_name_is_somebody_elses(closed: Spool) -> None:
    there = group(closed, Place.PROCESSING, target=Place.FAILED)
    shut(closed.root / "failed/cat.error.toml")
    with powerless(), pytest.raises(NameTaken):
        closed.record(there, ERROR, RECORD, target=True)
    assert names(closed.root / "failed") == ["cat.error.toml"]


def test_a_record_that_is_closed_to_us_tells_nothing_of_a_stray(closed: Spool) -> None:
    shut(closed.root / "processing/cat.held.toml")
    [listing] = inventory(closed.root / "processing")
    with powerless():
        assert strays._record(closed, listing, "cat") is None


# -- a share that is gone ----------------------------------------------------------------------------------


def unmount(where: Spool, place: Place) -> Callable[[], object]:
    (where.root / place).rename(where.root.parent / "unmounted")
    return lambda: (where.root.parent / "unmounted").rename(where.root / place)


@pytest.mark.parametrize("folder", ["", "sub"])
def test_no_output_is_staged_where_no_share_is_mounted(where: Spool, folder: str) -> None:
    there = group(where, Place.PROCESSING, folder)
    leader = job("j0", name="cat", root=str(where.root), place=Place.DONE, state=State.DONE)
    (where.root / "done/cat.out.mp4").write_bytes(b"film")
    mount = unmount(where, Place.PROCESSING)
    assert isinstance(fetch(where, there), Later)
    assert isinstance(shared(where, there, where, leader), Later)
    assert names(where.root) == ["done", "failed", "inbox"]
    mount()
    assert isinstance(shared(where, there, where, leader), Done)
    assert isinstance(fetch(where, there), Done)


@pytest.mark.parametrize("place", [Place.INBOX, Place.PROCESSING, Place.FAILED])
def test_of_what_was_on_a_share_that_is_gone_nobody_can_tell(where: Spool, place: Place) -> None:
    there = group(where, place)
    mount = unmount(where, place)
    asks: list[Callable[[], object]] = [
        lambda: where.is_unchanged(there),
        lambda: sights_of(there, spool=where),
        lambda: where.withdraw(there, ERROR, place=place, name="cat"),
        lambda: where.look(place, "", "cat.png"),
    ]
    for ask in asks:
        with pytest.raises(SpoolError, match=str(where.root / place)):
            ask()
    mount()
    assert where.is_unchanged(there)


def test_an_output_on_a_share_that_is_gone_is_not_gone(where: Spool) -> None:
    leader = job("j0", name="cat", root=str(where.root), place=Place.DONE, state=State.DONE)
    there = group(where, Place.PROCESSING)
    unmount(where, Place.DONE)
    assert isinstance(shared(where, there, where, leader), Later)
    with pytest.raises(SpoolError):
        is_there(leader, [call("j0", State.DONE, outputs=(FILM,))], spool=where)
