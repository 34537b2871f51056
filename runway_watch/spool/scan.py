"""What lies in an inbox now: one look at every folder below it, without following a link."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runway_watch.drops import is_junk, join
from runway_watch.settle import Sight
from runway_watch.spool.folder import Folder, telling

_DEEPEST = 100
"""Folders within folders that are looked into: each costs a descriptor, and nobody has more."""

Skips = Callable[[str], bool]
"""Whether a file or folder of such a name is passed over."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder: `path` below the inbox ("" for the inbox itself), and its files by name."""

    path: str
    files: Mapping[str, Sight]


def scan(inbox: Path, ignore: Sequence[str] = ()) -> Iterator[Listing]:
    """Look at an inbox and everything below it, folder by folder.

    Raises:
        OSError: the inbox itself cannot be read. A folder below it that cannot be read is passed over
            until the next look: it may have been moved away at this very moment.
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
    files, folders = look(folder, skips, but=but)
    yield Listing(path, files)
    if path.count("/") == _DEEPEST:
        return
    for name in sorted(folders):
        with suppress(*but), folder.inner(name) as inner:
            yield from _below(inner, join(path, name), skips, but)


def look(
    folder: Folder, skips: Skips = is_junk, *, but: Collection[type[OSError]] = ()
) -> tuple[dict[str, Sight], list[str]]:
    """One folder's files, and the names of the folders in it.

    Args:
        folder: an open one.
        skips: the names that are passed over.
        but: errors for which a file is passed over; one that has just gone always is.

    Raises:
        OSError: it cannot be read.
    """
    files: dict[str, Sight] = {}
    folders: list[str] = []
    fd = folder.fd
    with telling(folder.path), os.scandir(fd) as entries:
        for entry in entries:
            if skips(entry.name) or not _is_text(entry.name):
                continue
            with suppress(FileNotFoundError, *but):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    files[entry.name] = _sight(entry)
    return files, folders


def _sight(entry: "os.DirEntry[str]") -> Sight:
    found = entry.stat(follow_symlinks=False)
    return Sight(found.st_size, found.st_mtime_ns, found.st_ino)


def _is_text(name: str) -> bool:
    """Whether the name is valid UTF-8; others cannot be written into any record and stay where they are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
