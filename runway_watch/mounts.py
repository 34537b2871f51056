"""What kind of filesystem a folder lies on, and whether its changes can be heard of."""

import os
from pathlib import Path

_REMOTE = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "fuseblk", "glusterfs", "gpfs"),
        *("lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"),
    }
)
"""Filesystems that other machines can change without our kernel hearing of it."""


def kind(path: Path) -> str:
    """The type of the filesystem under a path, such as "ext4" or "nfs4"; "unknown" when nobody says."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        device = path.stat().st_dev
    except OSError:
        return "unknown"
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found = [line.partition(" - ")[2].split()[0] for line in lines if line.split()[2] == wanted]
    return found[-1] if found else "unknown"


def is_remote(filesystem: str) -> bool:
    """Whether its changes may come from elsewhere, so that events cannot be trusted."""
    return filesystem in _REMOTE or filesystem.startswith("fuse.")
