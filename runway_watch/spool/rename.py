"""Moving a file without ever replacing another one, on whatever filesystem it lies.

The kernel's RENAME_NOREPLACE does it in one step. Where the filesystem has no such flag (NFS), a hard
link and an unlink do: a crash between them leaves two names of one file, which is repaired by repeating
the move. Where there are no hard links either, a look comes before the rename. Across filesystems the
file is copied, synced, compared and only then removed.
"""

import ctypes
import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from runway_watch.errors import NameTaken, SpoolError
from runway_watch.spool.checksum import digest

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_NOREPLACE = 1
_NO_FLAG = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def move(source: Path, target: Path) -> None:
    """Give `source` the name `target`.

    Raises:
        NameTaken: there is something of that name already; nothing was changed.
        OSError: it cannot be moved; the source is still there.
    """
    code = _renameat2(source, target)
    if code == 0:
        return
    if code in _NO_FLAG:
        _link_and_unlink(source, target)
    elif code == errno.EXDEV:
        _copy_over(source, target)
    elif code == errno.EEXIST:
        raise NameTaken(f"{target} exists")
    else:
        raise OSError(code, os.strerror(code), str(source), None, str(target))


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk. Filesystems that know no such thing are taken at their word."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FLAG:
            raise
    finally:
        os.close(fd)


def _renameat2(source: Path, target: Path) -> int:
    """0, or the errno."""
    ctypes.set_errno(0)
    failed = _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _NOREPLACE)
    return ctypes.get_errno() if failed else 0


def _link_and_unlink(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise NameTaken(f"{target} exists") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise NameTaken(f"{target} exists") from None
        source.rename(target)
        return
    source.unlink()


def _copy_over(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise NameTaken(f"{target} exists")
    copy = target.with_name(f".{target.name}.part")
    try:
        shutil.copy2(source, copy, follow_symlinks=False)
        if not copy.is_symlink():
            _sync_and_compare(source, copy)
        move(copy, target)
    except BaseException:
        with suppress(OSError):
            copy.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    source.unlink()


def _sync_and_compare(source: Path, copy: Path) -> None:
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    if digest(source) != digest(copy):
        raise SpoolError(f"{source} changed while it was copied to another filesystem")
