"""A network drive for the tests: a FUSE filesystem that shows a folder, with faults that can be switched on.

It shows the files of a backing folder. What is done to that folder itself is another machine's doing: our
kernel tells nobody of it. Nothing is cached, so a fault is met by the next call. After the block nothing is
mounted and no process left, whatever hung; when the test itself is killed, its shares go with it.
"""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests import mounting
from tests.forked import Forked
from tests.passthrough_gate import Fault, known

needs_fuse = pytest.mark.usefixtures("fuse")
"""A test with this mark is skipped, with the reason, where there is no FUSE; or fails, in CI."""

HANG_SECONDS = 90.0
"""The longest that a call hangs: not even SIGKILL ends who made it, and that may be the test itself."""

_ANSWER_SECONDS = 30.0
_LIBRARY, _DEVICE = "fuse3", Path("/dev/fuse")


def why_not() -> str:
    """Why there is no FUSE on this machine; "" when there is."""
    if find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    if find_library(_LIBRARY) is None:
        return f"lib{_LIBRARY} is not installed"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return f"{_DEVICE} is missing, or not for everybody"
    if os.geteuid() == 0:
        return mounting.why_not()
    return "" if shutil.which("fusermount3") else "fusermount3 is not installed"


class Share:
    """A share that is mounted and unmounted, that breaks and is healed.

    Faults concern the mount that was made last, and add up until they are healed. Each may be for some
    operations `only`, by the words of `tests.passthrough_gate.OPERATIONS`, and only for what is `below` a
    folder, itself included, or for one file; both are named from the share on: "inbox/x".

    Args:
        backing: the folder that has the files.
        folder: where they are seen.
        lacks: operations that it does not know: without "renameat2" no rename has flags, without "link"
            there are no hard links.
    """

    def __init__(self, backing: Path, folder: Path, lacks: Iterable[str] = ()) -> None:
        self.backing, self.folder, self._lacks = backing, folder, known(lacks)
        self._servers: list[_Server] = []
        self._left: list[int] = []

    # -- faults ----------------------------------------------------------------------------------------

    def fail(self, code: int, *, only: Iterable[str] = (), below: str = "") -> None:
        """Have calls answered with an errno."""
        self._ask("add", Fault(frozenset(only), below, code=code))

    def hang(self, *, only: Iterable[str] = (), below: str = "") -> None:
        """Have calls not answered until it is healed. Who makes one cannot even be killed meanwhile."""
        self._ask("add", Fault(frozenset(only), below, HANG_SECONDS, errno.ETIMEDOUT))

    def slow(self, seconds: float, *, only: Iterable[str] = (), below: str = "") -> None:
        """Have each call take that much longer."""
        self._ask("add", Fault(frozenset(only), below, seconds))

    def renumber(self, *, every: float = 0.0) -> None:
        """Have other inode numbers for everything but its root; and then others every so many seconds."""
        self._ask("renumber", every)

    def heal(self) -> None:
        """Switch all faults off; calls that wait go on, those on earlier mounts too."""
        for server in self._servers:
            server.ask("heal")

    @property
    def calls(self) -> Counter[str]:
        """How many calls of each operation there were since it was mounted."""
        calls: Counter[str] = self._ask("report")[0]
        return calls

    @property
    def waiting(self) -> int:
        """How many calls are waiting now, for being slow or hanging."""
        waiting: int = self._ask("report")[1]
        return waiting

    def _ask(self, *words: Any) -> Any:
        assert self._servers, f"nothing serves {self.folder}: it was killed"
        return self._servers[-1].ask(*words)

    # -- mounts ----------------------------------------------------------------------------------------

    @property
    def pids(self) -> list[int]:
        """The processes that serve it: one for each time that it was mounted."""
        return [server.pid for server in self._servers]

    def mount(self, *, read_only: bool = False) -> None:
        """Mount it, healthy, with an `st_dev` that it never had."""
        self._servers.append(_Server(self.backing, self.folder, self._lacks, read_only))

    def unmount(self) -> None:
        """Let the folder be an empty one. Who has something open on the share keeps it, faults included."""
        self._left.append(os.open(self.folder, os.O_PATH))  # so that no later mount is given its st_dev
        mounting.detach(self.folder)

    def kill(self) -> None:
        """Kill what serves it: calls under way end with ECONNABORTED, later ones with ENOTCONN."""
        while self._servers:
            self._servers.pop().kill()

    def forget(self) -> None:
        """Kill it, and let go of what was unmounted."""
        self.kill()
        while self._left:
            os.close(self._left.pop())


@contextmanager
def passthrough(
    backing: Path, folder: Path, *, lacks: Iterable[str] = (), read_only: bool = False
) -> Iterator[Share]:
    """A share that shows `backing` at `folder`, mounted; the rest is as for `Share` and its `mount`."""
    share = Share(backing, folder, lacks)
    with mounting.mountpoint(folder):
        try:
            share.mount(read_only=read_only)
            yield share
        finally:
            share.forget()


class _Server:
    """The process that serves one mount, from when it is mounted."""

    def __init__(self, backing: Path, folder: Path, lacks: frozenset[str], read_only: bool) -> None:
        self._control, theirs = Pipe()
        self._process = Forked(_serve, theirs, backing, folder, lacks, read_only)
        self.pid = self._process.pid
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.kill()
            raise

    def ask(self, *words: Any) -> Any:
        self._control.send(words)
        return self._answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(_ANSWER_SECONDS)
        self._control.close()

    def _answer(self) -> Any:
        if not self._control.poll(_ANSWER_SECONDS):
            raise AssertionError("what serves the share does not answer")
        try:
            return self._control.recv()
        except EOFError:
            raise AssertionError("what serves the share has ended, and said why on standard error") from None


def _serve(control: Connection, backing: Path, folder: Path, lacks: frozenset[str], read_only: bool) -> None:
    os.environ["FUSE_LIBRARY_NAME"] = _LIBRARY  # mfusepy would rather have libfuse 2, which is no more
    from tests.passthrough_server import serve

    serve(control, backing, folder, lacks, read_only=read_only)
