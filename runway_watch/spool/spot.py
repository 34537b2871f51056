"""A name in an open folder, and all that is done there: no link is followed, and no pipe waited for."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runway_watch.spool.folder import NOT_THERE, Folder, check, telling

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlain(OSError):
    """What lies there is no plain file but a link, a pipe, a device or a folder."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a folder, whatever lies there. Raises OSError for what is no name."""

    folder: Folder
    name: str

    def __post_init__(self) -> None:
        check(self.name, self.folder.path)

    @property
    def path(self) -> Path:
        """What people call it."""
        return self.folder.path / self.name

    def look(self) -> os.stat_result | None:
        """What lies there; None when nothing does. Raises OSError when nobody can tell."""
        try:
            fd = self.folder.fd
            with telling(self.path):
                return os.stat(self.name, dir_fd=fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            return None

    def reading(self, *, buffering: int = 0) -> BinaryIO:
        """The bytes of a plain file.

        Args:
            buffering: bytes that are read ahead. With none the descriptor's position is the file's, which
                whoever hands it to the kernel relies on.

        Raises:
            NotPlain: it is none.
            OSError: nothing is there, or it cannot be opened.
        """
        try:
            fd = self._open(_READ)
        except OSError:
            found = self.look()
            if found is None or stat.S_ISREG(found.st_mode):
                raise
            raise self._not_plain() from None  # a link (ELOOP), a socket (ENXIO) ...
        with ExitStack() as stack:
            stack.callback(os.close, fd)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                file = os.fdopen(fd, "rb", buffering)
                stack.pop_all()  # from now on it is the file's
                return file
        raise self._not_plain()

    def fresh(self, mode: int) -> BinaryIO:
        """A new file, for writing and reading, instead of what an earlier try or anybody else has left there.

        Args:
            mode: its permissions, before the process's umask.
        """
        self.clear()
        return os.fdopen(self._open(_NEW, mode), "r+b")

    def clear(self) -> None:
        """Have nothing there. Raises OSError for a folder with something in it, and says what to do."""
        try:
            self.unlink()
        except FileNotFoundError:
            return
        except IsADirectoryError:
            self._clear_folder()

    def unlink(self) -> None:
        """Remove the file, or the link itself."""
        fd = self.folder.fd
        with telling(self.path):
            os.unlink(self.name, dir_fd=fd)

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Leave no half here when the block does not get through."""
        try:
            yield
        except BaseException:
            with suppress(OSError):
                self.unlink()
            raise

    def remove_folder(self) -> None:
        """Remove an empty folder."""
        fd = self.folder.fd
        with telling(self.path):
            os.rmdir(self.name, dir_fd=fd)

    def _open(self, flags: int, mode: int = 0) -> int:
        fd = self.folder.fd
        with telling(self.path):
            return os.open(self.name, flags, mode, dir_fd=fd)

    def _clear_folder(self) -> None:
        try:
            self.remove_folder()
        except OSError:
            why = "a folder has a name that runway-watch needs for a file of its own: move it away"
            raise IsADirectoryError(errno.EISDIR, why, str(self.path)) from None

    def _not_plain(self) -> NotPlain:
        return NotPlain(
            errno.EINVAL, "no plain file but a link, a pipe, a device or a folder", str(self.path)
        )
