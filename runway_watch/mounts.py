"""What kind of filesystem a folder lies on, and whether its changes can be heard of.

`Mounts` knows it from the kernel's table alone: it touches no filesystem but local ones, so a share that
hangs hangs nobody. `kind` asks the folder itself, and may wait for it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

How = Literal["events", "polling"]

_REMOTE = frozenset(
    {
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fakeowner", "fuse", "fuseblk"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs"),
        *("prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wslfs"),
    }
)
"""Filesystems that others (machines, or programs) can change without our kernel hearing of it."""

_LOCAL = frozenset(
    {
        *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "msdos", "nilfs2", "ntfs3"),
        *("overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs", "vfat", "xfs", "zfs"),
    }
)
"""Filesystems of which our kernel hears everything (of an overlay: all that is changed through it)."""

_LINKS = 40
"""Symlinks on one way, as for the kernel: more are a circle."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How an inbox is observed, and why."""

    how: How
    why: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of `/proc/self/mountinfo`, proc_pid_mountinfo(5), as far as it matters here."""

    id: str
    parent: str
    point: str
    kind: str


class Mounts:
    """The tree of mounts.

    Args:
        text: that of a `mountinfo`.
    """

    def __init__(self, text: str) -> None:
        self._all = [_mount(line) for line in text.split("\n") if " - " in line]
        known = {mount.id for mount in self._all}
        self._upon = {(_base(mount, known), mount.point): mount for mount in self._all}

    def kinds(self, folder: Path) -> list[str]:
        """The type of the filesystem that a folder lies on, then of those mounted below it; or none."""
        own = self._at(folder)
        if own is None:
            return []
        inner = [mount for mount in self._all if folder in Path(mount.point).parents]
        return [own.kind, *(mount.kind for mount in inner if self._at(Path(mount.point)) is mount)]

    def follow(self, path: Path) -> Path:
        """An absolute path without its symlinks, as far as local filesystems go; the rest stays as it is."""
        done, left, links = Path("/"), list(reversed(path.parts)), _LINKS
        while left:
            there = Path(os.path.normpath(done / left.pop()))
            target = self._link(there) if links else None
            if target is None:
                done = there
            else:
                left += reversed(target.parts)
                links -= 1
        return done

    def _at(self, path: Path) -> Mount | None:
        """The mount that an absolute path without symlinks lies on.

        From the root upwards, as the kernel goes: what a later mount hides is not found, and of several on
        one point the last is, since each lies upon the one before.
        """
        found: Mount | None = None
        for point in reversed([path, *path.parents]):
            while upon := self._upon.get((found.id if found else None, str(point))):
                found = upon
        return found

    def _link(self, path: Path) -> Path | None:
        mount = self._at(path)
        if mount is None or not is_local(mount.kind):
            return None
        try:
            return path.readlink()
        except OSError:
            return None


def _mount(line: str) -> Mount:
    fields, _, rest = line.partition(" - ")
    number, parent, _, _, point, *_ = fields.split(" ")
    return Mount(number, parent, _unescaped(point), rest.split(" ")[0])


def _base(mount: Mount, known: set[str]) -> str | None:
    """The mount that this one lies on: the first one's parent is nowhere, or itself."""
    return mount.parent if mount.parent in known and mount.parent != mount.id else None


def _unescaped(text: str) -> str:
    """Blanks and backslashes in names are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def table() -> Mounts:
    """The tree as it is now; empty when the kernel does not show it."""
    try:
        return Mounts(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))
    except OSError:
        return Mounts("")


def kind(path: Path) -> str:
    """The type of the filesystem under a path, such as "ext4" or "nfs4"; "unknown" when nobody says.

    It looks at the path: on a share that hangs, it hangs.
    """
    try:
        there = Path(os.path.realpath(path, strict=True))
    except OSError:
        return "unknown"
    return next(iter(table().kinds(there)), "unknown")


def suited(kinds: list[str]) -> Choice:
    """What suits these types of filesystems: the inbox's first, then those that are mounted inside it."""
    if not kinds:
        return Choice("polling", "the kernel does not say on what filesystem it is")
    for each in kinds:
        if is_remote(each):
            return Choice("polling", f"{each} sends no events of changes made elsewhere")
        if each == "autofs":
            return Choice("polling", "autofs has not mounted it yet: nobody knows what it will be")
    known = is_local(kinds[0])
    return Choice("events", f"{kinds[0]} is {'local' if known else 'not known to be a network filesystem'}")


def is_remote(filesystem: str) -> bool:
    """Whether its changes may come from elsewhere, so that events cannot be trusted."""
    return filesystem in _REMOTE or filesystem.startswith("fuse.")


def is_local(filesystem: str) -> bool:
    """Whether it is known that our kernel hears of all its changes."""
    return filesystem in _LOCAL
