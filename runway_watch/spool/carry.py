"""Taking a group of files from one place to another, all or none, as often as it takes.

A leg that has been made is recognised and not made again, so a crash between two legs is mended by
making all of them again. When a name turns out to be taken, what had been moved goes back.
"""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runway_watch.errors import NameTaken
from runway_watch.job import Input, Output
from runway_watch.spool.checksum import digest
from runway_watch.spool.rename import move, sync_folder


@dataclass(frozen=True, slots=True)
class Leg:
    """One file's way; `is_ours` tells whether what lies at a path is that file."""

    source: Path
    target: Path
    is_ours: Callable[[Path], bool]


def carry(legs: Sequence[Leg]) -> list[str]:
    """Make all legs.

    Returns:
        The names of files that are at neither end.

    Raises:
        NameTaken: a target is something else's; every file is back where it came from.
        OSError: a leg could not be made; making all of them again goes on from there.
    """
    missing = []
    for folder in {leg.target.parent for leg in legs}:
        folder.mkdir(parents=True, exist_ok=True)
    for leg in legs:
        try:
            _make(leg)
        except NameTaken:
            go_back(legs)
            raise
        except FileNotFoundError:
            if os.path.lexists(leg.source):
                raise  # it is the target's folder that has gone
            missing.append(leg.source.name)
    for folder in {path.parent for leg in legs for path in (leg.source, leg.target)}:
        with suppress(FileNotFoundError):
            sync_folder(folder)
    return missing


def go_back(legs: Sequence[Leg]) -> None:
    """Take every file that has arrived back to where it came from, as far as its place is free."""
    for leg in legs:
        if not os.path.lexists(leg.source) and leg.is_ours(leg.target):
            with suppress(NameTaken):
                move(leg.target, leg.source)


def of_input(item: Input) -> Callable[[Path], bool]:
    """Recognises an input by its inode, or by size and time where a network drive renumbers inodes."""

    def is_ours(path: Path) -> bool:
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False  # any other trouble is no proof that it is not there
        return found.st_ino == item.ino or (found.st_size, found.st_mtime_ns) == (item.size, item.mtime_ns)

    return is_ours


def of_output(output: Output, staged: Path) -> Callable[[Path], bool]:
    """Recognises an output that has left its staging place, or was about to when a move was cut in two."""

    def is_ours(path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != output.size:
            return False
        return not staged.exists() or _is_left_over(staged, path)

    return is_ours


def _make(leg: Leg) -> None:
    if leg.source == leg.target:
        return
    if not leg.is_ours(leg.target):
        move(leg.source, leg.target)
    elif _is_left_over(leg.source, leg.target):
        leg.source.unlink()


def _is_left_over(source: Path, target: Path) -> bool:
    """Whether a crash has left both ends: between link and unlink, or between copy and unlink."""
    if not os.path.lexists(source):
        return False
    here, there = source.lstat(), target.lstat()
    if here.st_dev != there.st_dev:
        return stat.S_ISREG(here.st_mode) and digest(source) == digest(target)
    return here.st_nlink > 1 and here.st_ino == there.st_ino
