"""What lies in an inbox now: one look at every folder below it, without following a link."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runway_watch.drops import is_junk, join
from runway_watch.settle import Sight
from runway_watch.spool.folder import NOT_THERE, Folder, telling

_DEEPEST = 100
"""Folders within folders that are looked into: each costs a descriptor, and nobody has more."""

_TOO_DEEP = f"it lies more than {_DEEPEST} folders deep, and is not looked into: move it further up"
_NO_TEXT = "its name is not UTF-8, and can stand in no record: rename it"

Skips = Callable[[str], bool]
"""Whether a file or folder of such a name is passed over."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder: `path` below the inbox ("" for the inbox itself), and its files by name.

    Or, with the reason in `unseen`, what cannot be looked at: a folder that is closed to us or lies too deep,
    or what has a name that is no text.
    """

    path: str
    files: Mapping[str, Sight]
    unseen: str = ""


def scan(inbox: Path, ignore: Sequence[str] = ()) -> Iterator[Listing]:
    """Look at an inbox and everything below it, folder by folder.

    Raises:
        OSError: the inbox itself cannot be read. A folder below it that cannot be read is passed over
            until the next look.
    """
    yield from walk(inbox, partial(is_junk, ignore=ignore), but=[OSError])


def walk(top: Path, skips: Skips, *, but: Collection[type[OSError]]) -> Iterator[Listing]:
    """Look at a folder and everything below it; each folder is reached through the open one above it.

    Args:
        top: where to begin; it may itself be reached through links.
        skips: the names that are passed over.
        but: errors for which a file, or a folder below the top, is passed over.

    Raises:
        OSError: the top, or something else, cannot be read.
    """
    with Folder.top(top) as folder:
        yield from _below(folder, "", skips, but)


def _below(folder: Folder, path: str, skips: Skips, but: Collection[type[OSError]]) -> Iterator[Listing]:
    files, folders, strange = look(folder, skips, but=but)
    yield Listing(path, files)
    for name in strange:
        yield Listing(join(path, name), {}, _NO_TEXT)
    for name in sorted(folders):
        yield from _inside(folder, name, join(path, name), skips, but)


def _inside(
    folder: Folder, name: str, path: str, skips: Skips, but: Collection[type[OSError]]
) -> Iterator[Listing]:
    if path.count("/") > _DEEPEST:
        yield Listing(path, {}, _TOO_DEEP)
        return
    try:
        with folder.inner(name) as inner:
            yield from _below(inner, path, skips, but)
    except tuple(but) as error:
        if error.errno not in NOT_THERE:  # what is not there has just gone
            yield Listing(path, {}, f"it cannot be looked into: {error.strerror}")


def look(
    folder: Folder, skips: Skips = is_junk, *, but: Collection[type[OSError]] = ()
) -> tuple[dict[str, Sight], list[str], list[str]]:
    """One folder's files, the names of the folders in it, and names that are no text.

    Args:
        folder: an open one.
        skips: the names that are passed over.
        but: errors for which a file is passed over; one that has just gone always is.

    Raises:
        OSError: it cannot be read.
    """
    files: dict[str, Sight] = {}
    folders: list[str] = []
    strange: list[str] = []
    fd = folder.fd
    with telling(folder.path), os.scandir(fd) as entries:
        for entry in entries:
            if skips(entry.name):
                continue
            with suppress(FileNotFoundError, *but):
                if not _is_text(entry.name):
                    strange.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    files[entry.name] = _sight(entry)
    return files, folders, strange


def _sight(entry: "os.DirEntry[str]") -> Sight:
    found = entry.stat(follow_symlinks=False)
    return Sight(found.st_size, found.st_mtime_ns, found.st_ino)


def _is_text(name: str) -> bool:
    """Whether the name is valid UTF-8; what has another stays where it is."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
