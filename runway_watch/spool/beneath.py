"""Opening what strangers put into a folder: never through a link, never out of the folder, never a pipe.

Each folder on the way is opened by descriptor without following links, and what is opened last is looked
at through its descriptor, so nothing can be swapped between the look and the use.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from runway_watch.errors import Refusal
from runway_watch.spool.folder import NOT_THERE, entered
from runway_watch.spool.spot import NotPlain, Spot

_AHEAD = 8192
"""Bytes read ahead: headers are looked at in many small steps, and each would be a system call or two."""


@contextmanager
def opened(top: Path, path: str, *, shared: bool = False, is_typed: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file below a folder for reading.

    Args:
        top: the folder that must not be left; it may itself be reached through links.
        path: the way down from there, with `/` between the parts.
        shared: it may have other names too, as outputs have that several jobs share.
        is_typed: a person has written the path, and may have spelled it otherwise than it lies there.

    Raises:
        Refusal: reference.outside (the way leads out, or through a link), reference.missing, or
            asset.not_regular (a link, a pipe, a device, a folder, or a file with a second name).
        OSError: the folder itself cannot be read.
    """
    with (_open_as_typed if is_typed else _open)(top, path) as file:
        if not shared and os.fstat(file.fileno()).st_nlink != 1:
            raise _not_regular(path)
        yield file


def _open(top: Path, path: str) -> BinaryIO:
    *folders, name = _parts(path)
    with entered(top, "/".join(folders)) as folder, _refusing(path):
        return Spot(folder, name).reading(buffering=_AHEAD)


def _open_as_typed(top: Path, path: str) -> BinaryIO:
    """Open it as it is spelled, or as it lies there: a Mac writes `ö` as two characters, others as one."""
    try:
        return _open(top, path)
    except Refusal as refusal:
        lies = _as_it_lies(top, _parts(path)) if refusal.code == "reference.missing" else None
        if lies is None:
            raise
        return _open(top, lies)


def _as_it_lies(top: Path, parts: Sequence[str]) -> str | None:
    """The path with each part as it is spelled there; None for one of which nothing else like it is there."""
    found: list[str] = []
    try:
        for part in parts:
            with entered(top, "/".join(found)) as folder:
                alike = [name for name in folder.names() if _composed(name) == _composed(part)]
            found.append(part if part in alike or len(alike) != 1 else alike[0])
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if found == [*parts] else "/".join(found)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


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


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except NotPlain:
        raise _not_regular(path) from None
    except NotADirectoryError:
        raise _outside(path) from None
    except OSError as error:
        if error.errno in NOT_THERE:
            raise _missing(path) from None
        raise


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
