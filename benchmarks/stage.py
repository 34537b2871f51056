"""What the benchmarks share: a simulator in a process of its own, pictures, and a measured daemon."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Measured:
    """A process that has ended: wall and CPU seconds, peak memory in MB, exit code."""

    wall: float
    cpu: float
    peak_mb: float
    code: int


@dataclass(frozen=True)
class Api:
    """A running simulator."""

    base_url: str
    key: str

    def bill(self) -> dict[str, Any]:
        """Everything that it has been asked for and has charged."""
        with urllib.request.urlopen(f"{self.base_url}/_simulator/bill") as answer:
            bill: dict[str, Any] = json.load(answer)
            return bill


@contextmanager
def simulator(**options: object) -> Iterator[Api]:
    """A simulator with these options, until the block ends."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "runway_watch.simulator", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = json.loads(process.stdout.readline())
            yield Api(found["base_url"], found["key"])
        finally:
            process.terminate()


def measure(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command to its end and say what it took.

    The peak is the kernel's own (VmHWM), read until the end: what `wait4` tells begins with our own size.
    """
    started, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        peak = max(peak, memory_mb(process.pid, "VmHWM"))
        time.sleep(0.05)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(time.monotonic() - started, cpu, peak, process.returncode)


def memory_mb(pid: int, kind: str) -> float:
    """`VmHWM` (the peak) or `VmRSS` (now) of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next((line.split()[1] for line in lines if line.startswith(kind)), "0")
    return int(kilobytes) / 1024


def daemon(root: Path, api: Api, settings: str = "") -> Measured:
    """Run `runway-watch run --once` on a root and say what it took."""
    config = root / "config.toml"
    config.write_text(
        f'[api]\nbase_url = "{api.base_url}"\n[state]\nurl = "sqlite:///{root}/ledger.sqlite3"\n'
        f'[[watch]]\nroot = "{root}"\nsettle_seconds = 0.1\n{settings}'
    )
    command = [sys.executable, "-m", "runway_watch", "run", "--once", "--config", str(config)]
    return measure(command, {"RUNWAYML_API_SECRET": api.key})


def noise(path: Path, size: tuple[int, int], number: int) -> None:
    """A picture that no other number has, and that hardly compresses."""
    picture = Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))
    picture.putpixel((0, 0), (number % 256, number // 256, 7))
    picture.save(path, compress_level=0)


def drops(inbox: Path, count: int, size: tuple[int, int]) -> None:
    """`count` pictures with sidecars."""
    inbox.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        noise(inbox / f"p{n:04}.png", size, n)
        (inbox / f"p{n:04}.prompt.toml").write_text('prompt_text = "Slow dolly in"\n')
