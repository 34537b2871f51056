"""The command line as a process, for the tests of what it says: in a pipe, under a terminal, as nobody."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.forked import REPOSITORY, complete

NOBODY = 65534
SECONDS = 60


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A bare environment: no key, no configuration, and a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "etc")}
    return kept | own | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"} | dict(more or {})


def command(*words: str) -> list[str]:
    """`runway-watch` with words."""
    return [sys.executable, "-m", "runway_watch", *words]


def _as(user: int) -> list[str]:
    """What goes before a command so that another user runs it."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]


def cli(
    *words: str, at: Path, env: Mapping[str, str] | None = None, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in a folder, which is its home too; `user` only by root."""
    if user is None:
        return complete(*words, environment=environment(at, env), at=at, timeout=SECONDS)
    return subprocess.run(
        [*_as(user), *command(*words)],
        capture_output=True,
        text=True,
        cwd=at,
        env=environment(at, env),
        timeout=SECONDS,
    )


@contextmanager
def unprivileged() -> Iterator[tuple[Path, int | None]]:
    """A folder in which permission bits count, and the user for whom they do; None is ourselves.

    Root may write anywhere, so root's tests go on as nobody. Raises PermissionError when nobody cannot
    run our interpreter.
    """
    user = NOBODY if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="runway-watch-"))
    try:
        if user is not None:
            os.chown(folder, user, user)
            if shutil.which("setpriv") is None or cli("--version", at=folder, user=user).returncode != 0:
                raise PermissionError("nobody cannot run this interpreter")
        yield folder, user
    finally:
        shutil.rmtree(folder)


class Terminal:
    """A command under a pseudo-terminal; `seen` is everything that it has written so far."""

    def __init__(self, words: Sequence[str], at: Path, env: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.seen = b""
        self.process = subprocess.Popen(
            command(*words),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=at,
            env=environment(at, {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40", **env}),
            start_new_session=True,
        )
        os.close(slave)

    def until(self, is_there: Callable[[bytes], bool], *, seconds: float = SECONDS) -> bytes:
        """Read until what was written satisfies, or ends. Fails after the deadline."""
        deadline = time.monotonic() + seconds
        while not is_there(self.seen):
            assert time.monotonic() < deadline, f"not within {seconds} s; seen: {self.seen!r}"
            if not self._read(0.1) and self.process.poll() is not None:
                assert is_there(self.seen), f"it ended; seen: {self.seen!r}"
        return self.seen

    def finish(self) -> int:
        """Read to the end, and its exit code."""
        self.until(lambda _: self.process.poll() is not None)
        while self._read(0.1):
            pass
        return self.process.wait(10)

    def interrupt(self) -> int:
        """Ctrl-C, and its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def close(self) -> None:
        """End it, if it is not over."""
        self.process.kill()
        self.process.wait(10)
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            block = os.read(self._master, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.seen += block
        return bool(block)


@contextmanager
def terminal(*words: str, at: Path, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """A command under a pseudo-terminal, killed at the end."""
    opened = Terminal(words, at, env or {})
    try:
        yield opened
    finally:
        opened.close()
