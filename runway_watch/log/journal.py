"""Lines as systemd's journal takes them: each says first how much it matters, for `journalctl -p warning`.

Elsewhere no line begins so: the numbers in front would only be in the way.
"""

import os
from collections.abc import Mapping
from typing import TextIO

PRIORITIES: Mapping[str, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Our levels by syslog's numbers (sd-daemon(3)); nothing of ours is a mere notice, or an emergency."""


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written to a stream goes to the journal.

    `$JOURNAL_STREAM` names device and inode of the socket that systemd gave us (systemd.exec(5)). It is still
    set where the output was sent elsewhere since, so it is compared with the stream.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def addressed(line: str, level: str, stream: TextIO, environment: Mapping[str, str] = os.environ) -> str:
    """A line that is no log's, as it goes to a stream: with its priority where that is the journal."""
    return f"{prefix(level)}{line}" if is_journal(stream, environment) else line


def prefix(level: str) -> str:
    """What stands before a line of this level, `<6>`."""
    return f"<{PRIORITIES[level]}>"
