"""What very many files cost: taken in after a stop, waiting in an inbox, and waiting in the ledger.

    python benchmarks/flood.py stopped [--count 20000]   pairs dropped while the daemon is stopped (SIGSTOP)
    python benchmarks/flood.py waiting [--count 100000]  sidecars without a picture, and files of no use
    python benchmarks/flood.py ready [--count 100000]    pairs in the ledger, at a start

The daemon has its default settings and is a process of its own, as is the simulator. Memory is the kernel's
own peak (VmHWM). `stopped` is compared with what nobody can do without: the same pairs renamed, and for each
64 of them one commit of SQLite and two syncs of folders. `waiting` is compared with a bare look at each file.
"""

import argparse
import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from stage import Api, memory_mb, simulator

BATCH = 64
BESIDE_SECONDS = 3.0  # by then a large heap is being taken in
IDLE_SECONDS = 60.0
SIDECAR = b'prompt_text = "Slow dolly in"\n'


@dataclass
class Running:
    """A daemon that is running, below `root`; `told` says how late its event loop was."""

    process: subprocess.Popen[bytes]
    root: Path
    log: Path  # of this run

    @property
    def peak_mb(self) -> float:
        """The most memory that it ever had."""
        return memory_mb(self.process.pid, "VmHWM")

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def late(self) -> str:
        """How late its event loop was since the last time."""
        told = self.root / "late"
        often, most = told.read_text().split()
        told.write_text("")
        return f"loop late by over 50 ms {often} times, by {most} ms at most"

    def looks(self) -> list[int]:
        """How much was to be judged, at each look at the inbox."""
        found = re.findall(rb'root/inbox", "ready": (\d+), "event": "inbox.scanned"', self.log.read_bytes())
        return [int(ready) for ready in found]

    def rest(self) -> tuple[float, int]:
        """Wait for a while; CPU seconds, and how many looks at the inbox there were."""
        cpu, looks = self.cpu, len(self.looks())
        time.sleep(IDLE_SECONDS)
        return self.cpu - cpu, len(self.looks()) - looks

    def accepted(self) -> int:
        """How many pairs it has taken in. Both counts come from small indexes: to ask disturbs nobody."""
        on_their_way = "SELECT count(*) FROM jobs WHERE target IS NOT NULL"
        with closing(sqlite3.connect(f"file:{self.root}/ledger.sqlite3?mode=ro", uri=True)) as db:
            found: int = db.execute(f"SELECT count(*) - ({on_their_way}) FROM jobs").fetchone()[0]
            return found


def main() -> None:
    """Run one of them and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mode", choices=["stopped", "waiting", "ready"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--folders", type=int, default=1, help="Into how many folders the pairs are dropped.")
    parser.add_argument("--side", type=int, default=16, help="Of the pictures, in pixels.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulator(concurrency=20, seconds=3600) as api:
        root = Path(folder) / "root"
        root.mkdir()
        match wanted.mode:
            case "stopped":
                stopped(root, api, wanted.count or 20_000, wanted.folders, wanted.side)
            case "waiting":
                waiting(root, api, wanted.count or 100_000)
            case "ready":
                ready(root, api, wanted.count or 100_000, wanted.side)


def stopped(root: Path, api: Api, count: int, folders: int, side: int) -> None:
    """Drop pairs while the daemon is stopped, let it go on, and wait until it has them all."""
    bare = bare_cost(root / "bare", count, side)
    with running(root, api, paused=True, timed=True) as daemon:
        idle = daemon.peak_mb
        daemon.process.send_signal(signal.SIGSTOP)
        pairs(root / "inbox", count, folders, side)
        os.sync()
        daemon.late()
        cpu, began = daemon.cpu, time.monotonic()
        daemon.process.send_signal(signal.SIGCONT)
        time.sleep(BESIDE_SECONDS)
        beside = [waited(inbox) for inbox in (root / "inbox/beside", root.with_name("other") / "inbox")]
        until(lambda: daemon.accepted() >= count + len(beside))
        took, cpu = time.monotonic() - began, daemon.cpu - cpu
        late, peak = daemon.late(), daemon.peak_mb
        left = sum(len(names) for _, _, names in os.walk(root / "inbox"))
        jobs = daemon.accepted() - len(beside)
    print(
        f"{count} pairs: {took:.1f} s, {1000 * took / count:.2f} ms each, {took / bare:.1f} of the bare "
        f"cost ({bare:.2f} s); {1000 * cpu / count:.2f} ms CPU each; {jobs} accepted, {left} files left; "
        f"{late}; a pair beside them waited {beside[0]:.1f} s, one in another watch {beside[1]:.1f} s; "
        f"memory {idle:.0f} MB idle, {peak:.0f} MB at the most",
        flush=True,
    )


def waited(inbox: Path) -> float:
    """Drop a pair into another folder, and see how many seconds it waits."""
    pairs(inbox, 1, 1, 17)
    began = time.monotonic()
    until(lambda: not any(inbox.iterdir()))
    return time.monotonic() - began


def waiting(root: Path, api: Api, count: int) -> None:
    """Fill the inbox with what waits, let the daemon judge it, and then let it rest."""
    inbox = root / "inbox"
    inbox.mkdir()
    for n in range(count):
        (inbox / f"p{n:06}{'.prompt.toml' if n % 2 else '.txt'}").write_bytes(SIDECAR)
    bare = bare_scan(inbox)
    began = time.monotonic()
    with running(root, api, paused=True) as daemon:
        until(lambda: 0 in daemon.looks()[1:])  # nothing settles any more, and nothing is to be judged
        judged = time.monotonic() - began
        cpu, looks = daemon.rest()
        peak = daemon.peak_mb
    print(
        f"{count} files waiting: judged once in {judged:.0f} s; then {100 * cpu / IDLE_SECONDS:.2f} % of a "
        f"core: {looks} looks in {IDLE_SECONDS:.0f} s, {cpu / looks:.2f} s CPU each, "
        f"{cpu / looks / bare:.1f} of the bare scan ({bare:.2f} s); memory {peak:.0f} MB at the most",
        flush=True,
    )


def ready(root: Path, api: Api, count: int, side: int) -> None:
    """Have pairs taken in; then let the daemon rest, start it anew, and wait for the first paid request."""
    pairs(root / "inbox", count, 1, side)
    with running(root, api, paused=True) as daemon:
        until(lambda: daemon.accepted() >= count)
    with running(root, api, paused=True) as daemon:
        time.sleep(10)
        idle, _ = daemon.rest()
    command(root, api, "resume")
    began = time.monotonic()
    with running(root, api, paused=False) as daemon:
        until(lambda: bool(api.bill()["tasks"]))
        first = time.monotonic() - began
        time.sleep(60)
        asked = polls(api)
        busy, _ = daemon.rest()
        asked, peak = polls(api) - asked, daemon.peak_mb
    print(
        f"{count} ready: {100 * idle / IDLE_SECONDS:.2f} % of a core on hold; first submit {first:.1f} s "
        f"after the start; then {100 * busy / IDLE_SECONDS:.2f} % of a core at {asked} polls in "
        f"{IDLE_SECONDS:.0f} s; memory {peak:.0f} MB at the most",
        flush=True,
    )


def polls(api: Api) -> int:
    """How often it was asked about tasks."""
    return sum(task["polls"] for task in api.bill()["tasks"])


# -- the daemon ----------------------------------------------------------------------------------------


@contextmanager
def running(root: Path, api: Api, *, paused: bool, timed: bool = False) -> Iterator[Running]:
    """A daemon that has looked at its inbox once, until the block ends; `timed`: it tells how late it is."""
    for inbox in (root / "inbox", root.with_name("other") / "inbox"):
        inbox.mkdir(parents=True, exist_ok=True)
    (root / "config.toml").write_text(
        f'[api]\nbase_url = "{api.base_url}"\n[state]\nurl = "sqlite:///{root}/ledger.sqlite3"\n'
        f'[[watch]]\nroot = "{root}"\n[[watch]]\nroot = "{root.with_name("other")}"\n[log]\nlevel = "debug"\n'
    )
    if paused:
        command(root, api, "pause")
    beside = [str(Path(__file__).with_name("beside.py")), str(root / "late")]
    program = beside if timed else ["-m", "runway_watch"]
    words = [sys.executable, *program, "run", "--config", str(root / "config.toml")]
    log = root / f"log {time.monotonic()}"
    with log.open("wb") as stderr:
        process = subprocess.Popen(words, env=environment(api), stderr=stderr)
    try:
        until(lambda: b"inbox.scanned" in log.read_bytes() or process.poll() is not None)
        yield Running(process, root, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def command(root: Path, api: Api, word: str) -> None:
    """A command of a person."""
    words = [sys.executable, "-m", "runway_watch", word, "--config", str(root / "config.toml")]
    subprocess.run(words, env=environment(api), check=True, stdout=subprocess.DEVNULL)


def environment(api: Api) -> dict[str, str]:
    """What a process is given."""
    return {**os.environ, "RUNWAYML_API_SECRET": api.key}


def until(look: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not look():
        time.sleep(0.2)


# -- files ---------------------------------------------------------------------------------------------


def pairs(inbox: Path, count: int, folders: int, side: int) -> None:
    """`count` pictures with sidecars; each picture has a number in it that no other has."""
    sample = io.BytesIO()
    noise = os.urandom(side * side * 3)
    Image.frombytes("RGB", (side, side), noise).save(sample, "PNG", compress_level=0)
    content = sample.getvalue()
    for n in range(count):
        folder = inbox / (f"f{n % folders}" if folders > 1 else "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"p{n:06}.png").write_bytes(content[:33] + chunk(b"tEXt", b"n\0%d" % n) + content[33:])
        (folder / f"p{n:06}.prompt.toml").write_bytes(SIDECAR)


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def bare_cost(work: Path, count: int, side: int) -> float:
    """Seconds for what cannot be done without."""
    here, there = work / "inbox", work / "processing"
    pairs(here, count, 1, side)
    there.mkdir()
    os.sync()
    names = sorted(path.name for path in here.iterdir())
    with closing(sqlite3.connect(work / "bare.sqlite3", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE jobs (name TEXT)")
        began = time.monotonic()
        for start in range(0, len(names), 2 * BATCH):
            some = names[start : start + 2 * BATCH]
            db.execute("BEGIN")
            db.executemany("INSERT INTO jobs VALUES (?)", [(name,) for name in some])
            db.execute("COMMIT")
            for name in some:
                (here / name).rename(there / name)
            for folder in (here, there):
                sync(folder)
        took = time.monotonic() - began
    shutil.rmtree(work)
    return took


def bare_scan(inbox: Path) -> float:
    """Seconds for a look at every file."""
    began = time.monotonic()
    with os.scandir(inbox) as entries:
        assert all(entry.stat().st_size for entry in entries)
    return time.monotonic() - began


def sync(folder: Path) -> None:
    """Bring a folder's names to disk."""
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


if __name__ == "__main__":
    main()
