"""Processes of their own within milliseconds: each is forked from a server that has imported everything.

The server is started by the first process that is wanted, once for each worker of the tests. It has one
thread and does nothing but fork, so that a process begins as clean as an interpreter of its own, without the
second that its imports take.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import killing
from tests.killing import Kill

if TYPE_CHECKING:
    from tests.harness import Site

REPOSITORY = Path(__file__).parent.parent
KILLED = -9

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        *("tests.killing", "tests.forked", "runway_watch.simulator.__main__"),
        *(f"runway_watch.report.{name}" for name in ("check", "retrying", "status", "tables")),
        # What is imported only when it is used for the first time.
        *("httpcore", "anyio._backends._asyncio", "apscheduler.executors.asyncio"),
        *("PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.WebPImagePlugin"),
    ]
)


class Forked:
    """A process that was forked, with as much of `subprocess.Popen` as the tests want.

    Args:
        target: a function of a module, run in the process.
        args: what it is given; they are pickled.
    """

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        # The server takes its search path from the environment, the moment that it is started.
        os.environ["PYTHONPATH"] = str(REPOSITORY)
        self._process = _context.Process(target=target, args=args)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code; minus the signal that ended it; None while it lives."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it is over. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def command(
    *words: str,
    environment: Mapping[str, str],
    at: Path,
    out: str | Path,
    err: str | Path,
    kill: Kill | None = None,
) -> Forked:
    """`runway-watch` with words, in a folder and an environment, writing to the ends of two files."""
    for path in (out, err):
        Path(path).touch()  # whoever reads it need not wait for the process
    return Forked(_command, words, dict(environment), str(at), (str(out), str(err)), kill)


def run(
    site: "Site", *words: str, kill: Kill | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Run the command line on a site's configuration in a process of its own.

    Returns:
        Its exit code; KILLED when it killed itself, as `kill` says.
    """
    log = site.logs / f"{len(list(site.logs.iterdir()))}.log"
    process = command(
        *(*words, "--config", str(site.config)),
        environment=site.surroundings(environment),
        at=site.base,
        out=log,
        err=log,
        kill=kill,
    )
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{words} did not come to an end: {site.counts()}") from late
    finally:
        process.kill()


def complete(
    *words: str, environment: Mapping[str, str], at: Path, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """`runway-watch` with words, run to its end, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = command(*words, environment=environment, at=at, out=out, err=err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())


@contextmanager
def simulating(*flags: str) -> Iterator[dict[str, str]]:
    """A simulator with these options of its command line, killed at the end; gives its addresses."""
    reading, writing = _context.Pipe(duplex=False)
    process = Forked(_simulate, flags, writing)
    writing.close()
    try:
        with reading, os.fdopen(os.dup(reading.fileno())) as said:
            yield json.loads(said.readline())
    finally:
        process.kill()
        process.wait(10)


def _command(
    words: tuple[str, ...], environment: dict[str, str], at: str, files: tuple[str, str], kill: Kill | None
) -> None:
    for fd, path in enumerate(files, 1):
        _become(fd, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    os.chdir(at)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    killing.main(words, kill)


def _simulate(flags: tuple[str, ...], announced: Connection) -> None:
    import logging
    import sys

    from runway_watch.simulator.__main__ import main

    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # whom it talks to may be killed
    _become(1, os.dup(announced.fileno()))
    sys.argv = ["simulator", *flags]
    main()


def _become(number: int, fd: int) -> None:
    """Let a descriptor have this number, as the process that starts another does it."""
    os.dup2(fd, number)
    os.close(fd)
