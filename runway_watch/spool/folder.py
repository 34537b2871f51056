"""Folders held by descriptor: whatever is put, or swapped, on the way to one leads us nowhere else.

The way down is walked part by part, and no part of it may be a link. (openat2 would walk it in one call,
but answers ENOSYS under systemd's RestrictSUIDSGID.) Only the top of the way is taken as it is, links
included: that is how the operator has set it up.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""How the system says that nothing of such a name can be there."""

_TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = _TOP | os.O_NOFOLLOW
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_IN_THE_WAY = "a link or a file is where a folder has to be: move it away"


class Folder:
    """An open folder, or one that is not there: that has nothing in it, and to use it is an error.

    Args:
        path: what people call it.
        fd: its descriptor, closed at the end of a `with`; None when it is not there.
        why: the error that its use is, when it is not there.
    """

    def __init__(self, path: Path, fd: int | None, why: OSError | None = None) -> None:
        self.path = path
        self._fd, self._why = fd, why

    @classmethod
    def top(cls, path: Path) -> Self:
        """One that may itself be reached through links. Raises OSError: it is not there, or closed to us."""
        return cls(path, os.open(path, _TOP))

    @property
    def fd(self) -> int:
        """Its descriptor. Raises FileNotFoundError or NotADirectoryError when it is not there."""
        if self._fd is None:
            why = self._why or OSError(errno.EBADF, "closed", str(self.path))
            raise OSError(why.errno, why.strerror, why.filename)
        return self._fd

    def inner(self, name: str, *, make: bool = False) -> "Folder":
        """A folder in this one, never through a link.

        Args:
            make: make it if it is not there.

        Raises:
            OSError: it is there, or has to be, and cannot be opened.
        """
        path = self.path / name
        if self._fd is None:
            return Folder(path, None, self._why)
        try:
            with telling(path):
                return Folder(path, self._opened(name, make=make))
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            return Folder(path, None, _absence(error))

    def names(self) -> list[str]:
        """The names of all that lies in it. Raises OSError."""
        fd = self.fd
        with telling(self.path), os.scandir(fd) as entries:
            return [entry.name for entry in entries]

    def has_any(self, names: Iterable[str]) -> bool:
        """Whether something of one of these names lies in it. Raises OSError when nobody can tell."""
        fd = self.fd
        with telling(self.path):
            return any(_is_there(name, fd) for name in names)

    def sync(self) -> None:
        """Bring its names to disk. Filesystems that know no such thing are taken at their word."""
        if self._fd is None:
            return
        try:
            with telling(self.path):
                os.fsync(self._fd)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def close(self) -> None:
        """Let go of it. May be done twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, name: str, *, make: bool) -> int:
        check(name, self.path)
        try:
            return os.open(name, _BELOW, dir_fd=self.fd)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self.fd)
        self.sync()
        return os.open(name, _BELOW, dir_fd=self.fd)


@contextmanager
def entered(top: Path, way: str, *, make: bool = False) -> Iterator[Folder]:
    """Walk down from a folder that has to be there: one that is gone is no empty one.

    Args:
        top: where the way begins; it may itself be reached through links, and is never made.
        way: the folders below it, with `/` between them; "" for the top itself.
        make: make what is missing below the top.

    Raises:
        OSError: the top cannot be opened, or a folder below it is closed to us.
    """
    folder = Folder.top(top)
    try:
        for part in way.split("/") if way else ():
            inner = folder.inner(part, make=make)
            folder.close()
            folder = inner
        yield folder
    finally:
        folder.close()


def _is_there(name: str, fd: int) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise
    return True


@contextmanager
def telling(path: Path, target: Path | None = None) -> Iterator[None]:
    """Have errors name whole paths, for people, where the system was given names below a descriptor."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None if target is None else str(target)
        raise


def check(name: str, folder: Path) -> None:
    """Raises OSError for what leads anywhere but to a name in a folder."""
    if name in ("", ".", "..") or "/" in name:
        raise OSError(errno.EINVAL, "no name of a file", f"{folder}/{name}")


def _absence(error: OSError) -> OSError:
    if error.errno == errno.ENOTDIR:
        return NotADirectoryError(errno.ENOTDIR, _IN_THE_WAY, error.filename)
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), error.filename)
