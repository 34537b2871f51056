"""Words to systemd over `$NOTIFY_SOCKET`: ready, status, stopping. Without a socket nothing is said."""

import os
import socket
from contextlib import suppress


def notify(*words: str) -> None:
    """Tell systemd, for instance `notify("READY=1", "STATUS=3 jobs running")`. Never fails."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto("\n".join(words).encode(), address)
