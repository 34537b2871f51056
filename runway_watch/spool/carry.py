"""Taking a group of files from one place to another, all or none, as often as it takes.

A leg that has been made is recognised and not made again, so a crash between two legs is mended by
making all of them again. When a name turns out to be taken, what had been moved goes back.
"""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from runway_watch.errors import NameTaken
from runway_watch.job import Input, Output
from runway_watch.spool.checksum import digest_of
from runway_watch.spool.rename import move
from runway_watch.spool.spot import Spot


@dataclass(frozen=True, slots=True)
class Leg:
    """One file's way; `is_ours` tells whether what lies at a spot is that file."""

    source: Spot
    target: Spot
    is_ours: Callable[[Spot], bool]


def carry(legs: Sequence[Leg]) -> list[str]:
    """Make all legs.

    Returns:
        The names of files that are at neither end.

    Raises:
        NameTaken: a target is something else's; every file is back where it came from.
        OSError: a leg could not be made; making all of them again goes on from there.
    """
    missing = []
    for leg in legs:
        try:
            _make(leg)
        except NameTaken:
            go_back(legs)
            raise
        except FileNotFoundError:
            if leg.source.look() is not None:
                raise  # it is the target's folder that has gone
            missing.append(leg.source.name)
    for folder in {spot.folder for leg in legs for spot in (leg.source, leg.target)}:
        folder.sync()
    return missing


def go_back(legs: Sequence[Leg]) -> None:
    """Take every file that has arrived back to where it came from, as far as its place is free."""
    for leg in legs:
        if leg.source.look() is None and leg.is_ours(leg.target):
            with suppress(NameTaken):
                move(leg.target, leg.source)


def of_input(item: Input) -> Callable[[Spot], bool]:
    """Recognises an input by its inode, or by size and time where a network drive renumbers inodes."""

    def is_ours(spot: Spot) -> bool:
        found = spot.look()
        if found is None:
            return False  # any other trouble is no proof that it is not there
        return found.st_ino == item.ino or (found.st_size, found.st_mtime_ns) == (item.size, item.mtime_ns)

    return is_ours


def of_output(output: Output, staged: Spot) -> Callable[[Spot], bool]:
    """Recognises an output that has left its staging place, or was about to when a move was cut in two."""

    def is_ours(spot: Spot) -> bool:
        if not _is_like(output, spot.look()):
            return False
        return staged.look() is None or _is_left_over(staged, spot)

    return is_ours


def clear_strange(staged: Spot, output: Output) -> None:
    """Clear away what was put in an output's place while it waited: then it is missing, and fetched again."""
    found = staged.look()
    if found is not None and not _is_like(output, found):
        staged.clear()


def _is_like(output: Output, found: os.stat_result | None) -> bool:
    """Whether that may be the output: a plain file of its size."""
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_size == output.size


def _make(leg: Leg) -> None:
    if leg.source.path == leg.target.path:
        return
    if not leg.is_ours(leg.target):
        move(leg.source, leg.target)
    elif _is_left_over(leg.source, leg.target):
        leg.source.unlink()


def _is_left_over(source: Spot, target: Spot) -> bool:
    """Whether a crash has left both ends: between link and unlink, or between copy and unlink."""
    here, there = source.look(), target.look()
    if here is None or there is None:
        return False
    if here.st_dev != there.st_dev:
        return stat.S_ISREG(here.st_mode) and stat.S_ISREG(there.st_mode) and _are_alike(source, target)
    return here.st_nlink > 1 and here.st_ino == there.st_ino


def _are_alike(source: Spot, target: Spot) -> bool:
    with source.reading() as here, target.reading() as there:
        return digest_of(here) == digest_of(there)
