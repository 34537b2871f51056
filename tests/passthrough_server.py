"""The process behind a share of the tests: it mounts the filesystem and does as the test tells it.

The kernel remembers nothing of the share, so that every call arrives. Each has a thread of its own: one that
waits stops no other. When the test has died there is nobody to unmount the share, and this process does.
"""

import os
from collections.abc import Iterable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import mfusepy

from tests.mounting import detach
from tests.passthrough_files import Passthrough
from tests.passthrough_gate import Gate

_OPTIONS: dict[str, Any] = {
    "entry_timeout": 0,
    "negative_timeout": 0,
    "attr_timeout": 0,
    "direct_io": True,  # nothing of the files is cached either
    "use_ino": True,
    "max_threads": 1000,  # each call that waits takes one, and libfuse would have 10
    "max_idle_threads": 1000,
    "allow_other": os.geteuid() == 0,
    "default_permissions": True,
    "fsname": "runway-watch-tests",
    "subtype": "passthrough",
    "foreground": True,
}


def serve(control: Connection, backing: Path, folder: Path, lacks: Iterable[str], *, read_only: bool) -> None:
    """Mount a backing folder at another one, and serve it until it is unmounted.

    Args:
        control: sends a word when it is mounted; then takes what is to be called of the gate or of the
            filesystem, as a name with arguments, and sends what that returns. When its other end is closed
            the folder is detached, and the process ends.
        backing: the folder that has the files.
        folder: where they are to be seen.
        lacks: operations that it does not know.
        read_only: whether it is mounted so.
    """
    os.umask(0)  # the kernel has applied that of the process that calls
    share = Passthrough(backing, Gate(lacks), partial(control.send, "mounted"))
    Thread(target=_obey, args=(control, share, folder), daemon=True).start()
    _Fuse(share, str(folder), ro=read_only, **_OPTIONS)


def _obey(control: Connection, share: Passthrough, folder: Path) -> None:
    try:
        while True:
            name, *arguments = control.recv()
            control.send(getattr(share if name == "renumber" else share.gate, name)(*arguments))
    except (EOFError, OSError):
        try:
            detach(folder)
        finally:
            os._exit(1)  # also when calls hang


class _Fuse(mfusepy.FUSE):
    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        """As it was, but for the flags, which are not dropped."""
        paths = os.fsdecode(old), os.fsdecode(new)
        if flags:
            self.operations.renameat2(*paths, flags)
        else:
            self.operations.rename(*paths)
        return 0
