"""The gate that every call on a share of the tests passes: there it is counted, and meets the faults."""

import errno
import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

OPERATIONS = frozenset(
    {
        *("getattr", "readlink", "mknod", "mkdir", "unlink", "rmdir", "symlink", "link", "rename"),
        *("renameat2", "chmod", "chown", "truncate", "utimens", "create", "open", "read", "write", "flush"),
        *("release", "fsync", "opendir", "readdir", "releasedir", "fsyncdir", "statfs"),
    }
)
"""What the kernel asks of a filesystem, by FUSE's words: to look for a name is `getattr`, a rename with flags
(RENAME_NOREPLACE) is `renameat2`, and who closes a file waits for its `flush`, not for its `release`."""


@dataclass(eq=False)
class Fault:
    """What happens to calls: they wait, and then they fail or go on.

    Args:
        only: the operations; none means all.
        below: the file or folder, relative to the share, that they concern; "" means any.
        seconds: how long they wait.
        code: the errno with which they end; 0 lets them go on.
    """

    only: frozenset[str]
    below: str
    seconds: float = 0.0
    code: int = 0

    def __post_init__(self) -> None:
        known(self.only)

    def hits(self, operation: str, paths: Iterable[str]) -> bool:
        """Whether it concerns a call with these paths, which begin at the share with a slash."""
        top = f"/{self.below}/" if self.below else "/"
        return (not self.only or operation in self.only) and any(f"{path}/".startswith(top) for path in paths)


def known(operations: Iterable[str]) -> frozenset[str]:
    """The operations as they are, if there are such. Raises ValueError: there are not."""
    if unknown := set(operations) - OPERATIONS:
        raise ValueError(f"{sorted(unknown)} are no operations: {sorted(OPERATIONS)}")
    return frozenset(operations)


class Gate:
    """Lets calls through, from many threads at once.

    Args:
        lacks: operations that are never let through: the drive does not know them.
    """

    def __init__(self, lacks: Iterable[str]) -> None:
        self._lacks = frozenset(lacks)
        self._faults: list[Fault] = []
        self._changed = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._waiting = 0

    def add(self, fault: Fault) -> None:
        """Switch a fault on, beside those that are."""
        with self._changed:
            self._faults.append(fault)

    def heal(self) -> None:
        """Switch all faults off; what waits goes on."""
        with self._changed:
            self._faults.clear()
            self._changed.notify_all()

    def report(self) -> tuple[Counter[str], int]:
        """How many calls of each operation there were, and how many are waiting now."""
        with self._changed:
            return self._calls.copy(), self._waiting

    def enter(self, operation: str, paths: Iterable[str]) -> None:
        """Return when a call may go on. Raises OSError: it has failed."""
        with self._changed:
            self._calls[operation] += 1
            if operation in self._lacks:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            for fault in [each for each in self._faults if each.hits(operation, paths)]:
                self._meet(fault)

    def _meet(self, fault: Fault) -> None:
        self._waiting += 1
        is_healed = self._changed.wait_for(lambda: fault not in self._faults, fault.seconds)
        self._waiting -= 1
        if fault.code and not is_healed:
            fault.seconds = 0.0  # what nobody healed in its time fails at once from now on
            raise OSError(fault.code, os.strerror(fault.code))
