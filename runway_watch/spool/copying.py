"""Copies, where a file cannot simply get another name: of what was opened, whatever is swapped meanwhile."""

import errno
import os
import shutil
import stat
from typing import BinaryIO

from runway_watch.errors import SpoolError
from runway_watch.spool.checksum import digest_of
from runway_watch.spool.folder import telling
from runway_watch.spool.spot import Spot

_BLOCK = 1 << 27  # bytes; sendfile takes no more than 2 GiB at a time
_NOT_KNOWN = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def pour(source: BinaryIO, target: BinaryIO) -> None:
    """Write all bytes of one file, from its beginning, into an empty one. Raises OSError."""
    source.seek(0)
    try:
        while os.sendfile(target.fileno(), source.fileno(), None, _BLOCK):
            pass
    except OSError as error:
        if error.errno not in _NOT_KNOWN:
            raise
        shutil.copyfileobj(source, target)
        target.flush()


def copy(source: Spot, target: Spot) -> None:
    """Copy a file, with its time and permissions, or a link as a link; it is on disk when this returns.

    Args:
        source: what is copied.
        target: the new name; what lies there is removed.

    Raises:
        SpoolError: the source changed meanwhile.
        OSError: it is neither, or cannot be copied.
    """
    found = source.look()
    if found is not None and stat.S_ISLNK(found.st_mode):
        _copy_link(source, target)
        return
    with source.reading() as old, target.fresh(0o600) as new:
        pour(old, new)
        found = os.fstat(old.fileno())
        os.fchmod(new.fileno(), stat.S_IMODE(found.st_mode) & 0o777)  # a stranger's set-uid bit is not ours
        os.utime(new.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(new.fileno())
        if not _is_still(source, found) or digest_of(old) != digest_of(new):
            raise SpoolError(f"{source.path} changed while it was copied to another filesystem")


def _copy_link(source: Spot, target: Spot) -> None:
    target.clear()
    here, there = source.folder.fd, target.folder.fd
    with telling(source.path, target.path):
        os.symlink(os.readlink(source.name, dir_fd=here), target.name, dir_fd=there)


def _is_still(source: Spot, opened: os.stat_result) -> bool:
    """Whether a name is that of the file which was opened: what has taken its place must not be removed."""
    found = source.look()
    return found is not None and os.path.samestat(found, opened)
