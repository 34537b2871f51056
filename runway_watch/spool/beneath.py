"""Opening what strangers put into a folder: never through a link, never out of the folder, never a pipe.

Each folder on the way is opened by descriptor without following links, and what is opened last is looked
at through its descriptor, so nothing can be swapped between the look and the use.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from runway_watch.errors import Refusal

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_THERE = {errno.ENOENT, errno.ENAMETOOLONG}


@contextmanager
def opened(top: Path, path: str) -> Iterator[BinaryIO]:
    """Open a regular file below a folder for reading.

    Args:
        top: the folder that must not be left; it may itself be reached through links.
        path: the way down from there, with `/` between the parts.

    Raises:
        Refusal: reference.outside (the way leads out, or through a link), reference.missing, or
            asset.not_regular (a link, a pipe, a device, a folder, or a file with a second name).
        OSError: the folder itself cannot be read.
    """
    parts = _parts(path)
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            folder = _step(folder, part, path)
        fd = _leaf(folder, parts[-1], path)
    finally:
        os.close(folder)
    _must_be_regular(fd, path)
    with os.fdopen(fd, "rb", buffering=0) as file:
        yield file


def below(folder: str, reference: str) -> str:
    """The way down to what a sidecar in `folder` calls `reference`. Raises Refusal (reference.outside)."""
    parts: list[str] = [part for part in folder.split("/") if part]
    if reference.startswith("/") or "\\" in reference or "\0" in reference:
        raise _outside(reference)
    for part in PurePosixPath(reference).parts:
        if part == "..":
            if not parts:
                raise _outside(reference)
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or path.startswith("/"):
        raise _outside(path)
    return parts


def _step(folder: int, part: str, path: str) -> int:
    try:
        inner = os.open(part, _FOLDER, dir_fd=folder)
    except NotADirectoryError:
        raise _outside(path) from None
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise _missing(path) from None
        raise
    os.close(folder)
    return inner


def _leaf(folder: int, name: str, path: str) -> int:
    try:
        return os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise _missing(path) from None
        if _is_special(folder, name):
            raise _not_regular(path) from None
        raise


def _is_special(folder: int, name: str) -> bool:
    """Whether an open failed because of what the thing is: a link (ELOOP), a socket (ENXIO) ..."""
    return not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _must_be_regular(fd: int, path: str) -> None:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(fd)
        raise _not_regular(path)


def _outside(path: str) -> Refusal:
    return Refusal(
        "reference.outside",
        f"{path} leads out of the inbox or through a link.",
        hint="Put the file into the inbox, for instance into a folder `_refs`, and refer to it from there.",
    )


def _missing(path: str) -> Refusal:
    return Refusal("reference.missing", f"{path} is not in the inbox.", hint="Put it there, then try again.")


def _not_regular(path: str) -> Refusal:
    return Refusal(
        "asset.not_regular",
        f"{path} is not a plain file of its own: it is a link, a pipe, a device, or has a second name.",
        hint="Put a copy of the real file there.",
    )
