"""Moving a file without ever replacing another one, on whatever filesystem it lies.

The kernel's RENAME_NOREPLACE does it in one step. Where the filesystem has no such flag (NFS), a hard
link and an unlink do: a crash between them leaves two names of one file, which is repaired by repeating
the move. Where there are no hard links either, a look comes before the rename. Across filesystems the
file is copied, synced, compared and only then removed.
"""

import ctypes
import errno
import os

from runway_watch.errors import NameTaken
from runway_watch.spool.copying import copy
from runway_watch.spool.folder import telling
from runway_watch.spool.spot import Spot

_libc = ctypes.CDLL(None, use_errno=True)
_NOREPLACE = 1
_NO_FLAG = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def move(source: Spot, target: Spot) -> None:
    """Give what lies at `source` the name `target`; a link is moved itself.

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
        raise _taken(target)
    else:
        raise OSError(code, os.strerror(code), str(source.path), None, str(target.path))


def replace(source: Spot, target: Spot) -> None:
    """The same, where what has the name is ours and has to go. Raises OSError."""
    here, there = source.folder.fd, target.folder.fd
    with telling(source.path, target.path):
        os.rename(source.name, target.name, src_dir_fd=here, dst_dir_fd=there)


def link(source: Spot, target: Spot) -> None:
    """Give a file a second name. Raises FileExistsError, or OSError: it cannot have one."""
    here, there = source.folder.fd, target.folder.fd
    with telling(source.path, target.path):
        os.link(source.name, target.name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)


def _renameat2(source: Spot, target: Spot) -> int:
    """0, or the errno."""
    here, there = source.folder.fd, target.folder.fd
    ctypes.set_errno(0)
    failed = _libc.renameat2(here, os.fsencode(source.name), there, os.fsencode(target.name), _NOREPLACE)
    return ctypes.get_errno() if failed else 0


def _link_and_unlink(source: Spot, target: Spot) -> None:
    try:
        link(source, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _must_be_free(target)
        replace(source, target)
        return
    source.unlink()


def _copy_over(source: Spot, target: Spot) -> None:
    _must_be_free(target)
    half = Spot(target.folder, f".{target.name}.part")
    with half.removed_on_failure():
        copy(source, half)
        move(half, target)
    target.folder.sync()
    source.unlink()


def _must_be_free(target: Spot) -> None:
    if target.look() is not None:
        raise _taken(target)


def _taken(target: Spot) -> NameTaken:
    return NameTaken(f"{target.path} exists")
