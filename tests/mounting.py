"""Filesystems of the tests' own, below a test's folder; nothing stays mounted when the test is over.

They are mounted where the test itself runs, so that whatever it starts sees them too. Who may not mount can
run the tests below `unshare -rm`.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_mount = pytest.mark.usefixtures("mounts")
"""A test with this mark is skipped, with the reason, where nobody may mount; or fails, in CI."""

MOUNTS = Path("/proc/self/mountinfo")


def why_not() -> str:
    """Why nothing can be mounted on this machine; "" when it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tmpfs(Path(folder), 1 << 16):
                return ""
        except FileNotFoundError as error:
            return f"nothing may be mounted here: {error}"
        except subprocess.CalledProcessError as error:
            return f"nothing may be mounted here: {error.stderr}".splitlines()[0]


@contextmanager
def mountpoint(folder: Path) -> Iterator[Path]:
    """A folder on which things may be mounted inside the block; whatever is then left there is detached."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        while is_mounted(folder):
            detach(folder)


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[Path]:
    """An empty filesystem of so many bytes at a folder."""
    with mountpoint(folder):
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "runway-watch-tests", folder)
        yield folder


def bind(source: Path, folder: Path) -> None:
    """Mount a folder once more, at another one. It keeps its `st_dev` and its `st_ino`."""
    _run("mount", "--bind", source, folder)


def remount(folder: Path, how: str) -> None:
    """Let what is mounted at a folder be read-only, "ro", or writable, "rw", from now on."""
    _run("mount", "-o", f"remount,bind,{how}", folder)


def detach(folder: Path) -> None:
    """Unmount at once, also what hangs or is in use: who has something open there keeps it."""
    _run(*(("umount", "--lazy") if os.geteuid() == 0 else ("fusermount3", "-uz")), folder)


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted at a folder. It is not touched, so this never hangs."""
    lines = MOUNTS.read_text().splitlines()
    return str(folder).replace(" ", r"\040") in {line.split()[4] for line in lines}


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
