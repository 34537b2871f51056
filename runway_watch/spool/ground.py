"""Whether a root is there, is the one that was there before, and does what is asked of it.

"Gone" is never "empty". A bare mount point has none of the four folders, and what was mounted anew, or made
anew under the old name, has another device or inode.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runway_watch.errors import SpoolError
from runway_watch.job import Place
from runway_watch.spool.folder import Folder
from runway_watch.spool.rename import move
from runway_watch.spool.spot import Spot

_TRIAL = b"runway-watch"


@dataclass(frozen=True, slots=True)
class Ground:
    """What tells a root from another that has taken its place.

    The devices of its four folders belong to it, their inodes do not: network drives may number them anew.
    """

    device: int
    inode: int
    devices: tuple[int, ...]


def survey_ground(root: Path) -> Ground:
    """Look at a root and its four folders, with few calls: on a slow share each takes its time.

    Raises:
        SpoolError: it is not there, cannot be read, or nothing can be moved in it; with what to do.
    """
    with _spool_errors(root):
        top = root.stat()
        devices = tuple((root / place).stat().st_dev for place in Place)
        _read(root / Place.INBOX)
        if os.statvfs(root).f_flag & os.ST_RDONLY:
            raise SpoolError(f"{root} is mounted read-only: nothing can be moved in it")
        return Ground(top.st_dev, top.st_ino, devices)


def make_ready(root: Path, *, is_new: bool) -> Ground:
    """Have the four folders below a root that is there; then look at it.

    Args:
        is_new: nobody has seen this root yet, so that none of them need be there. Later, a root without any
            is a mount point without its share; and one that lacks only some was tidied up by somebody.

    Raises:
        SpoolError: as `survey_ground`; nothing was made where nothing was.
    """
    with _spool_errors(root):
        if is_new or any((root / place).is_dir() for place in Place):
            make_folders(root)
        ground = survey_ground(root)
        for folder in (root / place for place in Place):
            _read(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise SpoolError(f"{folder} cannot be written to: give it to the user of runway-watch")
        return ground


def make_folders(root: Path) -> None:
    """Make the four folders below an existing root. Raises OSError."""
    for folder in (root / place for place in Place):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)


def marks(root: Path) -> list[int]:
    """What this root and no other has, also after a restart, by which devices may have other numbers.

    Raises:
        OSError: it cannot be read.
    """
    inodes = [folder.stat().st_ino for folder in (root, *(root / place for place in Place))]
    return [os.statvfs(root).f_fsid, *inodes]


def try_out(root: Path) -> None:
    """Find out whether files can be made, written, moved, opened, read and removed.

    Raises:
        SpoolError: they cannot. Want of room is no reason: another hold tells of that.
    """
    try:
        with _spool_errors(root), Folder.top(root / Place.PROCESSING) as folder:
            _use(folder)
    except SpoolError as error:
        if not error.is_full:
            raise


def _read(folder: Path) -> None:
    with os.scandir(folder) as entries:
        next(entries, None)


def _use(folder: Folder) -> None:
    # Named as a half of no job, so that the next start removes what a crash has left.
    nobody = f".000000-{secrets.token_hex(4)}"
    written, moved = Spot(folder, f"{nobody}-0-0.part"), Spot(folder, f"{nobody}-0-1.part")
    try:
        with written.fresh(0o600) as file:
            file.write(_TRIAL)
            file.flush()
            os.fsync(file.fileno())
        move(written, moved)
        with moved.reading() as file:
            if file.read() != _TRIAL:
                raise SpoolError(f"{folder.path}: what was written there is not what is read")
    finally:
        for spot in (written, moved):
            with suppress(FileNotFoundError):
                spot.unlink()


@contextmanager
def _spool_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"{error.filename or root} is not there"
        raise SpoolError(f"{what}: mount the share, or put back what was there") from error
    except OSError as error:
        raise SpoolError.of(error, root) from error
