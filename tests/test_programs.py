"""Files as programs write them: each pair is taken once, when it is whole, whatever lay there on the way.

Where a program is installed it does it itself; the others do what they were seen to do, call by call, with
pauses longer than any file has to lie still. The daemon is a real one, and looks twice in every pause.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from tests.harness import Daemon, Site, eventually, picture, sidecar, simulator, unique

Program = Callable[[Path, Path], Iterator[None]]
"""Brings a file from a source to a target, and pauses with each `yield`."""

LONG_AGO = 1_000_000_000_123_456_700
LEFT_BEHIND = {"Finder": (".DS_Store", "._cat.png", "._cat.prompt.toml")}
KEEP_TIMES = ("cp -p", "mv", "mv from elsewhere", "rsync", "Explorer", "Finder")


# -- programs that are installed ------------------------------------------------------------------------


def tool(*words: str) -> Program:
    """A command; `{source}`, `{target}` and `{folder}` stand for the file and where it goes to."""

    def bring(source: Path, target: Path) -> Iterator[None]:
        if shutil.which(words[0]) is None:
            pytest.skip(f"{words[0]} is not installed")
        names = {"source": source, "name": source.name, "target": target, "folder": target.parent}
        command = [word.format(**names) for word in words]
        subprocess.run(command, check=True, cwd=source.parent, stdin=subprocess.DEVNULL, capture_output=True)
        yield from ()

    return bring


def mv_from_elsewhere(source: Path, target: Path) -> Iterator[None]:
    """From another filesystem: a copy, and then the times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as other:
        if Path(other).stat().st_dev == target.parent.stat().st_dev:
            pytest.skip("there is one filesystem only")
        shutil.copy2(source, other)
        subprocess.run(["mv", f"{other}/{source.name}", target], check=True)
    yield from ()


INSTALLED: dict[str, Program] = {
    "cp": tool("cp", "{source}", "{target}"),
    "cp -p": tool("cp", "-p", "{source}", "{target}"),
    "cp --reflink": tool("cp", "--reflink=auto", "{source}", "{target}"),
    "mv": tool("mv", "{source}", "{target}"),
    "mv from elsewhere": mv_from_elsewhere,
    "install": tool("install", "-m", "440", "{source}", "{target}"),
    "dd": tool("dd", "if={source}", "of={target}", "bs=4k"),
    "tar": tool("sh", "-c", "tar -cf - '{name}' | tar -xf - -C '{folder}'"),
    "rsync": tool("rsync", "-a", "{source}", "{folder}"),
    "rsync --inplace": tool("rsync", "-a", "--inplace", "{source}", "{folder}"),
    "rsync --delay-updates": tool("rsync", "-a", "--delay-updates", "{source}", "{folder}"),
}


# -- what others were seen to do --------------------------------------------------------------------------

BLOCK = 16_384


def create(path: Path) -> None:
    """Make an empty file, as programs do to see whether they may."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def fill(path: Path, content: bytes) -> Iterator[None]:
    """Write into a file that is there, block by block, and pause after each but the last."""
    fd = os.open(path, os.O_WRONLY)
    try:
        for at in range(0, len(content), BLOCK):
            if at:
                yield
            assert os.pwrite(fd, content[at : at + BLOCK], at)
    finally:
        os.close(fd)


def grow(path: Path, content: bytes) -> Iterator[None]:
    """cp, scp, FTP over a line that stands still now and then."""
    create(path)
    yield
    yield from fill(path, content)


def slow_line(source: Path, target: Path) -> Iterator[None]:
    yield from grow(target, source.read_bytes())


def rsync(source: Path, target: Path) -> Iterator[None]:
    hidden = target.with_name(f".{target.name}.Xk3v9Q")
    yield from grow(hidden, source.read_bytes())
    os.utime(hidden, ns=(LONG_AGO, LONG_AGO))
    yield
    hidden.rename(target)


def explorer(source: Path, target: Path) -> Iterator[None]:
    """Windows over SMB: create and close, open again, final size, contents, then the time of the source."""
    create(target)
    yield
    os.truncate(target, source.stat().st_size)
    yield
    yield from fill(target, source.read_bytes())
    os.utime(target, ns=(LONG_AGO, LONG_AGO))
    target.with_name(f"{target.name}:Zone.Identifier").write_bytes(b"[ZoneTransfer]\r\nZoneId=3\r\n")


def finder(source: Path, target: Path) -> Iterator[None]:
    """macOS over SMB: its own notes come before the contents, after them, and into every folder it shows."""
    notes = target.with_name(f"._{target.name}")
    target.with_name(".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(4096))
    create(target)
    yield
    notes.write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X        " + bytes(4096))
    yield from fill(target, source.read_bytes())
    os.utime(target, ns=(LONG_AGO, LONG_AGO))
    os.truncate(notes, 4000)


def chrome(source: Path, target: Path) -> Iterator[None]:
    loading = target.with_name(f"Unconfirmed 4711.{target.name}.crdownload")
    yield from grow(loading, source.read_bytes())
    loading.rename(target)


def firefox(source: Path, target: Path) -> Iterator[None]:
    """An empty file keeps the name until the other one is whole."""
    loading = target.with_name(f"{target.stem}.a1b2c3{target.suffix}.part")
    create(target)
    yield from grow(loading, source.read_bytes())
    loading.rename(target)


def safari(source: Path, target: Path) -> Iterator[None]:
    """A folder of this name holds the file while it comes."""
    bundle = target.with_name(f"{target.name}.download")
    bundle.mkdir()
    (bundle / "Info.plist").write_bytes(b"<plist/>")
    yield from grow(bundle / target.name, source.read_bytes())
    (bundle / target.name).rename(target)
    shutil.rmtree(bundle)


SLOW: dict[str, Program] = {
    "slow line": slow_line,
    "rsync, slowly": rsync,
    "Explorer": explorer,
    "Finder": finder,
    "Chrome": chrome,
    "Firefox": firefox,
    "Safari": safari,
}


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
def folder(running: Running, request: pytest.FixtureRequest) -> Path:
    """A folder of the inbox for this test alone."""
    path = running.site.root / "inbox" / re.sub(r"\W+", "-", request.node.name)
    path.mkdir()
    return path


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
