"""A wire across what watchdog does not notice, and the kernel says only to those who ask."""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

_DELETED, _MOVED = 0x400, 0x800
"""IN_DELETE_SELF and IN_MOVE_SELF, inotify(7). That a folder was unmounted is told unasked."""

_libc = ctypes.CDLL(None, use_errno=True)


class Tripwire:
    """Notices that a folder was moved, deleted or unmounted, which leaves watchdog deaf and unaware.

    Needs no thread, and touches the folders only once, when it is laid.

    Args:
        folders: they may be symlinks.

    Raises:
        OSError: a folder is not there or may not be read, or a limit is reached.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        # O_CLOEXEC and O_NONBLOCK are what inotify_init1(2) calls IN_CLOEXEC and IN_NONBLOCK.
        self._events = FileIO(_checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)))
        self._is_torn = False
        try:
            self._wires = {self._add(folder) for folder in folders}
        except OSError:
            self.close()
            raise

    def is_torn(self) -> bool:
        """Whether it happened, to any of them."""
        while events := self._events.read(4096):  # each of 16 bytes: only what lies in a folder has a name
            self._is_torn |= any(watch in self._wires for watch, *_ in struct.iter_unpack("iIII", events))
        return self._is_torn

    def has_room(self) -> bool:
        """Whether the kernel would let us watch one more folder, now."""
        try:
            watch = self._add(Path("/"))
        except OSError as error:
            return error.errno != errno.ENOSPC
        _libc.inotify_rm_watch(self._events.fileno(), watch)
        return True

    def close(self) -> None:
        """Take it away."""
        self._events.close()

    def _add(self, folder: Path) -> int:
        name = os.fsencode(folder)
        return _checked(_libc.inotify_add_watch(self._events.fileno(), name, _DELETED | _MOVED), folder)


def _checked(result: int, path: Path | None = None) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path and str(path))
    return result
