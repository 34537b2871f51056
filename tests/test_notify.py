"""Words to systemd go to its socket, and to nobody where there is none."""

import socket
from pathlib import Path

import pytest

from runway_watch.notify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_words_arrive_in_one_datagram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"@runway-watch-{tmp_path.name}-{tmp_path.parent.name}" if abstract else "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        notify("READY=1", "STATUS=3 jobs running")
        assert systemd.recv(100) == b"READY=1\nSTATUS=3 jobs running"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "x" * 300])
def test_nobody_listening_is_no_trouble(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")
