"""Whether files may be taken out of the folder in which they lie: what cannot be moved is not accepted.

It would stand in the ledger and never leave the inbox. Who may move a file is up to its folder, not to it.
"""

import os
import stat
from pathlib import Path

from runway_watch.stages.desk import Candidate, Desk


def why_it_stays(candidate: Candidate, desk: Desk) -> str | None:
    """What keeps a candidate where it is, and what to do; None when nothing does. Raises OSError."""
    folder = Path(desk.root, desk.place, candidate.folder)
    found = folder.stat()
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return f"cannot be moved: let the user of the daemon write to the folder {folder}"
    if found.st_mode & stat.S_ISVTX and not _is_ours(found):
        owners = [(folder / name).lstat() for name in candidate.group.files]
        if not all(map(_is_ours, owners)):
            return f"cannot be moved: in {folder} only owners may move their files; run: chmod -t {folder}"
    return None


def _is_ours(found: os.stat_result) -> bool:
    """Whether the sticky bit of a folder stops us: it does not stop root, nor the owner of folder or file."""
    return os.geteuid() in (0, found.st_uid)
