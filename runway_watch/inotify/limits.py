"""What the kernel grants of inotify, looked at before it bites.

Every user has so many instances and so many watches, one for each folder. A limit that cannot be read
(there is no `/proc/sys` under systemd's `ProcSubset=pid`) is no trouble: what is too much is refused anyway.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

_PER_INBOX = 2
"""Instances that are taken for one inbox: watchdog's and the tripwire's."""

_FAIR_SHARE = 0.5
"""The part of the watches allowed that one inbox may take: the user's other programs need some."""

_USUAL = {"watches": 524288, "instances": 512}
"""What to recommend where the limit is not known; the kernel begins with 8192 or more, and with 128."""

_Thing = Literal["watches", "instances"]


class Scarce(Exception):
    """There is not enough left; it says of what, and which sysctl to raise."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a user may have of something.

    Args:
        sysctl: the name of the setting.
        allowed: its value now.
    """

    sysctl: str
    allowed: int

    def advice(self, wanted: int) -> str:
        """What to do, in the words of a shell. `wanted` is a value that would do; it is rounded up."""
        return f"run: sysctl -w {self.sysctl}={1 << max(wanted - 1, 2 * self.allowed - 1).bit_length()}"


@dataclass(frozen=True, slots=True)
class Use:
    """What this user's processes have, as far as /proc shows them."""

    instances: int
    watches: int


def limit(thing: _Thing) -> Limit | None:
    """The lower one of the machine's limit and our user namespace's; None when neither can be read."""
    names = (f"fs.inotify.max_user_{thing}", f"user.max_inotify_{thing}")
    numbers = [(name, _number(Path("/proc/sys", *name.split(".")))) for name in names]
    known = [Limit(name, number) for name, number in numbers if number is not None]
    return min(known, key=lambda each: each.allowed, default=None)


def in_use() -> Use:
    """Count what counts against our limits. A process that ends meanwhile does not matter."""
    counts = [_watches(process, number) for process in _own_processes() for number in _instances(process)]
    return Use(len(counts), sum(counts))


def folders(inbox: Path, most: int) -> int:
    """How many watches an inbox needs: one for itself and each folder below. Counting ends at `most`."""
    return sum(1 for _ in islice(_walk(inbox), most))


def shortage(needed: int, use: Use, watches: Limit) -> str | None:
    """Why so many watches more are too many, and what to do; None when they are not."""
    if needed <= watches.allowed * _FAIR_SHARE and needed + use.watches <= watches.allowed:
        return None
    return (
        f"{needed} or more inotify watches are needed, {use.watches} of {watches.allowed} are taken, "
        f"and other programs need some too; {watches.advice(4 * needed + use.watches)}"
    )


def shortage_of_instances(use: Use, instances: Limit) -> str | None:
    """Why there are too few for one more inbox, and what to do; None when there are enough."""
    if use.instances + _PER_INBOX <= instances.allowed:
        return None
    return (
        f"{_PER_INBOX} inotify instances are needed, and {use.instances} of {instances.allowed} are taken; "
        f"{instances.advice(0)}"
    )


def insist_on_room(inbox: Path) -> None:
    """Have enough watches for an inbox.

    Raises:
        Scarce: they would be too many.
    """
    watches = limit("watches")
    reason = watches and shortage(folders(inbox, watches.allowed + 1), in_use(), watches)
    if reason:
        raise Scarce(reason)


def scarcity(error: Exception) -> str | None:
    """What was scarce when something failed, and what to do; None when it failed for another reason."""
    if isinstance(error, Scarce):
        return str(error)
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EMFILE):
        return None
    thing: _Thing = "watches" if error.errno == errno.ENOSPC else "instances"
    now = limit(thing) or Limit(f"fs.inotify.max_user_{thing}", _USUAL[thing] // 2)
    return f"this user has no inotify {thing} left; {now.advice(0)}"


def _walk(folder: Path) -> Iterator[Path]:
    """Every folder from this one down, without recursion, which somebody's thousand folders would break."""
    waiting = [folder]
    while waiting:
        yield (here := waiting.pop())
        with suppress(OSError), os.scandir(here) as entries:
            waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _own_processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == os.geteuid():
                yield process


def _instances(process: Path) -> list[str]:
    found = []
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == "anon_inode:inotify":
                    found.append(descriptor.name)
    return found


def _watches(process: Path, descriptor: str) -> int:
    with suppress(OSError):
        return (process / "fdinfo" / descriptor).read_bytes().count(b"inotify wd:")
    return 0
