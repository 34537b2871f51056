"""The filesystem behind a share of the tests: each call passes a gate, and is done to the backing folder.

Nothing is remembered from one call to the next: what anybody does to that folder is seen at once.
"""

import ctypes
import os
import stat
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import mfusepy

from tests.passthrough_gate import OPERATIONS, Gate

_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2  # of utimensat(2): nanoseconds, beside no seconds
_ATTRIBUTES = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blksize", "st_blocks")
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


class Passthrough(mfusepy.Operations):
    """The filesystem.

    Args:
        backing: the folder to which everything is done.
        gate: what each operation passes before.
        mounted: called when it is mounted.
    """

    use_ns = True  # times are nanoseconds

    def __init__(self, backing: Path, gate: Gate, mounted: Callable[[], None]) -> None:
        self._backing, self.gate, self._mounted = backing, gate, mounted
        self._ages, self._seconds = 0, 0.0
        for name in OPERATIONS:
            setattr(self, name, self._guarded(name, getattr(self, name)))

    def _guarded(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def through(path: str, *more: Any) -> Any:
            self.gate.enter(name, [path, *(each for each in more[:1] if isinstance(each, str))])
            return work(path, *more)

        return through

    def init(self, path: str) -> None:
        """It is mounted."""
        self._mounted()

    def renumber(self, seconds: float) -> None:
        """Have other inode numbers from now on, and others again after so many seconds, unless 0."""
        self._ages, self._seconds = self._ages + 1, seconds

    def _at(self, path: str) -> Path:
        return self._backing / path[1:]

    def _number(self, inode: int) -> int:
        ages = self._ages + (int(time.monotonic() / self._seconds) if self._seconds else 0)
        return inode + (ages << 32)

    # -- names -----------------------------------------------------------------------------------------

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = self._at(path).lstat() if fh is None else os.fstat(fh)
        inode = found.st_ino if path == "/" else self._number(found.st_ino)
        times = {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}
        return {name: getattr(found, name) for name in _ATTRIBUTES} | times | {"st_ino": inode}

    def readlink(self, path: str) -> str:
        return str(self._at(path).readlink())

    def mknod(self, path: str, mode: int, dev: int) -> None:
        os.mknod(self._at(path), mode, dev)

    def mkdir(self, path: str, mode: int) -> None:
        self._at(path).mkdir(mode)

    def unlink(self, path: str) -> None:
        self._at(path).unlink()

    def rmdir(self, path: str) -> None:
        self._at(path).rmdir()

    def symlink(self, path: str, leads_to: str) -> None:
        self._at(path).symlink_to(leads_to)

    def link(self, path: str, existing: str) -> None:
        os.link(self._at(existing), self._at(path), follow_symlinks=False)

    def rename(self, old: str, new: str) -> None:
        self._at(old).rename(self._at(new))

    def renameat2(self, old: str, new: str, flags: int) -> None:
        paths = os.fsencode(self._at(old)), os.fsencode(self._at(new))
        if _libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], flags):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def chmod(self, path: str, mode: int) -> None:
        self._at(path).chmod(mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._at(path), uid, gid, follow_symlinks=False)

    def truncate(self, path: str, length: int) -> None:
        os.truncate(self._at(path), length)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        was, now = self._at(path).lstat(), time.time_ns()
        atime, mtime = (
            {_UTIME_NOW: now, _UTIME_OMIT: before}.get(wanted, wanted)
            for wanted, before in zip(times, (was.st_atime_ns, was.st_mtime_ns), strict=True)
        )
        os.utime(self._at(path), ns=(atime, mtime), follow_symlinks=False)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    # -- files that are open ---------------------------------------------------------------------------

    def create(self, path: str, mode: int, flags: int) -> int:
        return os.open(self._at(path), flags | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_DIRECT)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def flush(self, path: str, fh: int) -> None:
        os.close(os.dup(fh))

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    # -- folders that are open -------------------------------------------------------------------------

    def opendir(self, path: str) -> int:
        return os.open(self._at(path), os.O_RDONLY | os.O_DIRECTORY)

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        with os.scandir(fh) as entries:
            return [(e.name, {"st_ino": self._number(e.inode()), "st_mode": _kind(e)}, 0) for e in entries]

    def releasedir(self, path: str, fh: int) -> None:
        os.close(fh)

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)


def _kind(entry: "os.DirEntry[str]") -> int:
    """What the folder itself says that an entry is; 0 for what it does not say."""
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir():
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file() else 0
