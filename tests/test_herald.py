"""What systemd hears: how it stands, and that everything turns; and nothing when something does not."""

import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runway_watch.daemon.herald import standing, watchdog_seconds
from runway_watch.job import Hold
from tests.harness import Site, eventually, simulator


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"}, None),
    ],
)
def test_the_watchdog_is_fed_by_whom_systemd_means(given: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(given, pid=7) == seconds


def test_the_status_counts_what_is_not_over_and_names_what_is_held() -> None:
    assert standing({"done": 7, "failed": 1}, []) == "nothing to do"
    assert standing({"ready": 2, "running": 3, "done": 7}, []) == "2 ready, 3 running"
    holds = [Hold("share", 0, "/srv/a"), Hold("budget", 0), Hold("paused", 0)]
    assert standing({"ready": 2}, holds) == "2 ready; on hold: budget, paused, share (/srv/a)"


class Systemd:
    """The other end of the socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def hear(self, word: str, *, within: float = 20) -> str | None:
        """The next word that begins so; None when none comes in time."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            self._channel.settimeout(left)
            try:
                said = self._channel.recv(4096).decode()
            except TimeoutError:
                return None
            if said.startswith(word):
                return said
        return None


@contextmanager
def systemd(site: Site) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(site.base / "notify"))
        yield Systemd(channel)


def fed(site: Site, seconds: float) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(site.base / "notify"), "WATCHDOG_USEC": str(round(seconds * 1e6))}


def test_a_daemon_that_works_feeds_the_watchdog_and_says_how_it_stands(tmp_path: Path) -> None:
    with simulator(seconds=60) as runway:
        site = Site(tmp_path, runway)
        with systemd(site) as ears, site.daemon(**fed(site, 1)):
            assert ears.hear("READY=1")
            site.drop("cat.png")
            assert ears.hear("STATUS=1 running")
            assert all(ears.hear("WATCHDOG=1", within=1) for _ in range(5))
            assert site.cli("pause").returncode == 0
            assert ears.hear("STATUS=1 running; on hold: paused")


def test_a_ledger_that_does_not_answer_starves_the_watchdog_until_it_does(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        with systemd(site) as ears, site.daemon(**fed(site, 1)) as daemon:
            assert ears.hear("WATCHDOG=1")
            with closing(sqlite3.connect(site.ledger)) as db:
                db.execute("BEGIN EXCLUSIVE")
                eventually(lambda: daemon.events("watchdog.starved"))
                assert ears.hear("WATCHDOG=1", within=1.5) is None
                db.rollback()
            assert ears.hear("WATCHDOG=1")


def test_a_stopped_process_starves_the_watchdog(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        with systemd(site) as ears, site.daemon(**fed(site, 1)) as daemon:
            assert ears.hear("WATCHDOG=1")
            daemon.process.send_signal(signal.SIGSTOP)
            while ears.hear("", within=0.5):
                pass
            assert ears.hear("WATCHDOG=1", within=1.5) is None
            daemon.process.send_signal(signal.SIGCONT)
            assert ears.hear("WATCHDOG=1")
