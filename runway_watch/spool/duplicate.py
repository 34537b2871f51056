"""A second name for a file's contents: a hard link where the filesystem has them, else a copy."""

import os
import shutil
import stat
from pathlib import Path

from runway_watch.spool.checksum import digest_of


def duplicate(source: Path, target: Path, *, sha256: str) -> bool:
    """Give contents a second name, on disk when this returns.

    Args:
        source: a file, never followed through a link.
        target: the new name; what lies there is removed.
        sha256: what the contents have to be.

    Returns:
        Whether they were; if not, there is no target.

    Raises:
        OSError: the folders are in trouble.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        if not stat.S_ISREG(source.lstat().st_mode):
            return False
        try:
            os.link(source, target, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:  # another filesystem, or one without links
            shutil.copyfile(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    with target.open("rb") as file:
        os.fsync(file.fileno())
        if digest_of(file) == sha256:
            return True
    target.unlink()
    return False
