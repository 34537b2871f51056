"""Starts the process, waits for it, and ends it where it does not end."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO

_TELLS = 64 * 1024
"""Bytes that are read of what it says."""

_PATIENCE = 2.0
"""Seconds for it to end once it was killed; longer only where a disk hangs."""

_KEPT = ("LD_LIBRARY_PATH",)
"""What it is given of our environment, which may hold the key."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take: bytes of address space, seconds of a processor, seconds by the clock."""

    memory: int
    cpu: int
    seconds: float


def run(source: int, order: Mapping[str, Any], *, into: BinaryIO | None, limits: Limits) -> dict[str, Any]:
    """What the process says; `broken` with a signal's number, or with 0 where it has not said anything.

    Raises:
        OSError: it could not be begun, does not work on this machine, or cannot be ended.
    """
    result = None if into is None else into.fileno()
    words = json.dumps({**order, "result": result, "memory": limits.memory, "cpu": limits.cpu})
    with TemporaryFile() as told, TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with a module of ours
            [sys.executable, "-s", "-P", "-m", "runway_watch.media.darkroom", words],
            stdin=source,
            stdout=told,
            stderr=complaints,
            pass_fds=() if result is None else (result,),
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )
        _wait(process, limits.seconds)
        if process.returncode > 0:  # what is wrong with the file would have been said
            raise OSError(errno.ENOEXEC, f"nothing can be converted here: {_last_line(complaints)}")
        if process.returncode:
            return {"broken": -process.returncode}
        told.seek(0)
        return _read(told.read(_TELLS))


def _last_line(complaints: BinaryIO) -> str:
    """What an interpreter says last when it breaks down."""
    complaints.seek(0)
    lines = complaints.read(_TELLS).decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "its process broke down")


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Have it come to an end, its own or ours; OSError for one that cannot, for a disk hangs."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return
    process.kill()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        raise OSError(errno.ETIMEDOUT, "the disk does not answer") from None


def _read(words: bytes) -> dict[str, Any]:
    try:
        told = json.loads(words)
    except ValueError:
        return {"broken": 0}
    return told if isinstance(told, dict) else {"broken": 0}


def _environment() -> dict[str, str]:
    """One allocator's arena, for each costs address space; the search path of who asks."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join(part for part in sys.path if part)
    return kept | {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
