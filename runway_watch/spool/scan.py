"""What lies in an inbox now: one look at every folder below it, without following a link."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runway_watch.drops import is_junk, join
from runway_watch.settle import Sight


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
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            listing, folders = look(inbox, path, ignore)
        except OSError:
            if path == "":
                raise
            continue
        yield listing
        waiting += sorted(folders, reverse=True)


def look(top: Path, path: str, ignore: Sequence[str]) -> tuple[Listing, list[str]]:
    """One folder's files, and the ways to the folders in it. Raises OSError when it cannot be read."""
    files: dict[str, Sight] = {}
    folders: list[str] = []
    with os.scandir(top / path) as entries:
        for entry in entries:
            if is_junk(entry.name, ignore) or not _is_text(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(join(path, entry.name))
            elif (sight := _sight(entry)) is not None:
                files[entry.name] = sight
    return Listing(path, files), folders


def _sight(entry: "os.DirEntry[str]") -> Sight | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # gone since the folder was read
        return None
    return Sight(found.st_size, found.st_mtime_ns, found.st_ino)


def _is_text(name: str) -> bool:
    """Whether the name is valid UTF-8; others cannot be written into any record and stay where they are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
