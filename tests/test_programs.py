"""Files as they really arrive: each pair is taken once, when it is whole, whatever lay there on the way.

The daemon is a real one, and looks twice in every pause, which is longer than a file has to lie still.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pytest

from tests.harness import Daemon, Site, eventually, picture, sidecar, simulator, unique
from tests.programs import EDITORS, INSTALLED, LONG_AGO, SLOW, Program, tool

LEFT_BEHIND = {"Finder": (".DS_Store", "._cat.png", "._cat.prompt.toml")}
KEEP_TIMES = ("cp -p", "mv", "mv from elsewhere", "rsync", "Explorer", "Finder")


# -- the daemon that they meet ----------------------------------------------------------------------------


@dataclass
class Running:
    """A daemon at work, and its site."""

    site: Site
    daemon: Daemon

    def bring(self, program: Program, target: Path, content: bytes) -> Iterator[None]:
        """Have a program bring a file."""
        self.site.dropped[sha256(content).hexdigest()] += 1
        with tempfile.TemporaryDirectory(dir=self.site.base) as there:
            source = Path(there, target.name)
            source.write_bytes(content)
            os.utime(source, ns=(LONG_AGO, LONG_AGO))
            yield from program(source, target)

    def jobs(self, folder: str) -> list[tuple[str, str]]:
        """Name and state of all that was taken from a folder."""
        rows = self.site.rows("SELECT name, state FROM jobs WHERE folder = ? ORDER BY name", folder)
        return [(name, state) for name, state in rows]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with simulator() as runway:
        site = Site(tmp_path_factory.mktemp("programs"), runway)
        with site.daemon() as daemon:
            yield Running(site, daemon)
            assert daemon.stop() == 0
        site.verify()


@pytest.fixture
def folder(running: Running) -> Path:
    """A folder of the inbox for one test alone."""
    return Path(tempfile.mkdtemp(prefix="batch-", dir=running.site.root / "inbox"))


@pytest.mark.parametrize("last", ["cat.png", "cat.prompt.toml"])
@pytest.mark.parametrize("name", [*INSTALLED, *SLOW])
def test_a_pair_is_taken_once_when_both_files_are_whole(
    running: Running, folder: Path, name: str, last: str
) -> None:
    program = (INSTALLED | SLOW)[name]
    files = {"cat.png": picture((160, 120)), "cat.prompt.toml": sidecar(unique())}
    for file in sorted(files, key=lambda file: file == last):
        for _ in running.bring(program, folder / file, files[file]):
            running.daemon.looks()
            assert running.jobs(folder.name) == []
    eventually(lambda: running.jobs(folder.name) == [("cat", "done")], what=f"done: {folder.name}")
    done = running.site.root / "done" / folder.name
    assert {file: (done / file).read_bytes() for file in files} == files
    for file in LEFT_BEHIND.get(name, ()):
        (folder / file).unlink()
    if name in KEEP_TIMES:
        assert {(done / file).stat().st_mtime_ns for file in files} == {LONG_AGO}


# -- editors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EDITORS)
def test_a_sidecar_that_is_saved_again_is_taken_with_its_last_text(
    running: Running, folder: Path, name: str
) -> None:
    prompt, path = unique(), folder / "cat.prompt.toml"
    path.write_bytes(sidecar(unique(), "duration = 10"))
    saving = EDITORS[name](path, f'prompt_text = "{prompt}"')
    next(saving, None)  # the picture comes while it is being saved
    for _ in running.bring(INSTALLED["cp"], folder / "cat.png", picture((160, 120))):
        pass
    for _ in saving:
        running.daemon.looks()
    eventually(lambda: running.jobs(folder.name) == [("cat", "done")], what=f"done: {folder.name}")
    record = running.site.record("done", f"{folder.name}/cat.result.toml")
    assert record["request"]["prompt_text"] == prompt
    for left in folder.iterdir():
        assert left.name == "cat.prompt.toml~"
        left.unlink()


@pytest.mark.parametrize("name", EDITORS)
def test_a_refused_sidecar_is_mended_with_an_editor_where_it_lies(tmp_path: Path, name: str) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway, {"sweep": 0.5})
        with site.daemon() as daemon:
            site.drop("cat.png", text='ratoi = "16:9"')
            site.reaches(failed=1)
            for _ in EDITORS[name](site.root / "failed/cat.prompt.toml", f'prompt_text = "{unique()}"'):
                daemon.looks()
            site.reaches(done=1)
            assert daemon.stop() == 0


def test_a_sidecar_whose_text_stopped_half_way_is_taken_when_the_rest_has_come(tmp_path: Path) -> None:
    """Nothing tells half a text from one with a mistake; but who writes it goes on wherever it was moved."""
    with simulator() as runway:
        site = Site(tmp_path, runway, {"sweep": 0.5})
        with site.daemon() as daemon:
            site.put("cat.png", picture((160, 120)))
            with (site.root / "inbox/cat.prompt.toml").open("w") as file:
                file.write('prompt_text = "a cat that')
                file.flush()
                site.reaches(failed=1)
                file.write(' walks"')
            site.reaches(done=1)
            assert daemon.stop() == 0


# -- folders, names, times ----------------------------------------------------------------------------------

TREE = ("", "monday", "monday/morning", "Übung 1", "_refs", ".Trash-1000")
"""Folders with a pair in each; what lies below the last two is never a drop."""


@pytest.mark.parametrize("name", ["mv", "mv from elsewhere", "cp -r", "rsync -a"])
def test_a_folder_that_comes_as_a_whole_keeps_its_shape(running: Running, name: str, tmp_path: Path) -> None:
    top = re.sub(r"\W+", "-", name)
    source = tmp_path / top
    for way in TREE:
        for file, content in (("cat.png", picture((160, 120))), ("cat.prompt.toml", sidecar(unique()))):
            path = source / way / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            running.site.dropped[sha256(content).hexdigest()] += 1
    (source / "_folder.prompt.toml").write_text("duration = 10\n")
    for below in [path for path in source.rglob("*") if path.is_dir()]:
        (below / ".DS_Store").write_bytes(b"Bud1")
    inbox = running.site.root / "inbox"
    if name.startswith("mv"):
        _move(source, inbox, elsewhere="elsewhere" in name)
    else:
        list(tool(*name.split(), "{source}", "{folder}")(source, inbox / top))
    ways = sorted(str(Path(top, way)) for way in TREE if way[:1] not in ("_", "."))
    query = (
        "SELECT folder, state, json_extract(params, '$.duration') FROM jobs WHERE folder GLOB ? ORDER BY 1"
    )
    expected = [(way, "done", 10) for way in ways]
    eventually(lambda: running.site.rows(query, f"{top}*") == expected, what=str(expected))
    for left in (inbox / top).rglob(".DS_Store"):
        left.unlink()


def _move(source: Path, inbox: Path, *, elsewhere: bool) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if elsewhere else inbox.parent) as there:
        if elsewhere and Path(there).stat().st_dev == inbox.stat().st_dev:
            pytest.skip("there is one filesystem only")
        subprocess.run(["mv", shutil.move(source, there), inbox], check=True)


@pytest.mark.parametrize(
    "stem",
    [  # a file may have 200 bytes in all; the rest is for what is added
        "two words",
        " around ",
        'it\'s "quoted" `here`',
        "$HOME;rm -rf *",
        "100%",
        "#1",
        "a\\b",
        "日本語",
        "🐈‍⬛",
        "x" * 188,
        "ü" * 94,
        "-rf",
        "cat.prompt",
    ],
)
def test_a_name_is_kept_whatever_stands_in_it(running: Running, folder: Path, stem: str) -> None:
    files = {f"{stem}.png": picture((160, 120)), f"{stem}.prompt.toml": sidecar(unique())}
    for file, content in files.items():
        for _ in running.bring(INSTALLED["mv"], folder / file, content):
            pass
    eventually(lambda: running.jobs(folder.name) == [(stem, "done")], what=f"done: {stem}")
    assert files_of(running, folder) == all_of(stem)


def files_of(running: Running, folder: Path) -> set[str]:
    """What lies in done/, below a folder."""
    return {path.name for path in (running.site.root / "done" / folder.name).iterdir()}


def all_of(name: str) -> set[str]:
    """What a job of this name leaves there."""
    return {f"{name}{ending}" for ending in (".png", ".prompt.toml", ".out.mp4", ".result.toml")}


@pytest.mark.parametrize(("one", "other"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_pair_in_two_spellings_of_unicode_is_one_under_the_pictures(
    running: Running, folder: Path, one: Literal["NFC", "NFD"], other: Literal["NFC", "NFD"]
) -> None:
    """A Mac writes `é` as two characters, everybody else as one; people see no difference."""
    name, sidecars = unicodedata.normalize(one, "Café"), unicodedata.normalize(other, "Café.prompt.toml")
    files = {f"{name}.png": picture((160, 120)), sidecars: sidecar(unique())}
    for file, content in files.items():
        for _ in running.bring(INSTALLED["cp"], folder / file, content):
            pass
    eventually(lambda: running.jobs(folder.name) == [(name, "done")], what=f"done: {folder.name}")
    assert files_of(running, folder) == all_of(name)


@pytest.mark.parametrize("stem", ["x" * 189, "x" * 240, "ü" * 95, "ü" * 110])
def test_a_name_that_leaves_no_room_for_what_is_added_is_refused_and_filed_shorter(
    running: Running, folder: Path, stem: str
) -> None:
    for file, content in ((f"{stem}.png", picture((160, 120))), (f"{stem}.prompt.toml", sidecar(unique()))):
        for _ in running.bring(INSTALLED["mv"], folder / file, content):
            pass
    short = stem.encode()[:200].decode(errors="ignore")
    eventually(lambda: running.jobs(folder.name) == [(short, "failed")], what=f"failed: {short}")
    record = running.site.record("failed", f"{folder.name}/{short}.error.toml")
    assert record["code"] == "name.unsafe"


@pytest.mark.parametrize(
    "seconds", [-(10**9), -1, 0, 1, 2**31, 2**33, 253_402_300_800], ids=["1938", "1969", "1970", *"abcd"]
)
def test_a_file_of_any_time_settles_by_our_own_clock(running: Running, folder: Path, seconds: int) -> None:
    """Cameras forget the year, archives keep it, other machines are ahead; the last is the year 10000."""
    files = {"cat.png": picture((160, 120)), "cat.prompt.toml": sidecar(unique())}
    for file, content in files.items():
        hidden = folder / f".{file}"
        hidden.write_bytes(content)
        os.utime(hidden, (seconds, seconds))
        hidden.rename(folder / file)
        running.site.dropped[sha256(content).hexdigest()] += 1
    eventually(lambda: running.jobs(folder.name) == [("cat", "done")], what=f"done: {folder.name}")
