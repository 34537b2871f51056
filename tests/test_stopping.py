"""Stopping and starting: at any moment, as often as one likes, and nothing is lost or cancelled by it."""

import random
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.harness import Daemon, Site, eventually

LONG = 600
"""Seconds for which a request is kept without an answer: nobody waits for it."""


def ready(site: Site) -> None:
    assert site.cli("pause").returncode == 0


def uploading(site: Site) -> None:
    site.runway.fault("upload_slot", {"stall": LONG}, times=None)


def submitting(site: Site) -> None:
    site.runway.fault("create", {"stall_after": 8}, times=None)


def running(site: Site) -> None:
    site.runway.change(seconds=6)


def collecting(site: Site) -> None:
    site.runway.fault("output", {"drip": 5.0}, times=None)


def held(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True}, times=1)


@pytest.mark.parametrize("begin", [ready, uploading, submitting, running, collecting, held])
def test_a_stop_in_any_state_is_quick_and_loses_cancels_and_pays_for_nothing(
    site: Site, begin: Callable[[Site], None]
) -> None:
    state = begin.__name__
    begin(site)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {state: 1}, what=state)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 30
    site.verify()
    asked: Mapping[str, Any] = site.runway.bill()["requests"]
    assert not [name for name in asked if name.startswith("DELETE /v1/")]
    site.runway.well()
    site.runway.change(seconds=0.3)
    for words in ("resume",), ("retry", "--all"):
        site.cli(*words)
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 1}
    assert len(site.paid()) == (2 if state == "held" else 1)  # that one a person has asked for anew
    site.verify()


def test_a_second_sigterm_changes_nothing(site: Site) -> None:
    submitting(site)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"submitting": 1})
        for _ in range(3):
            daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) == 0
        assert len(daemon.events("daemon.stopping")) == 1
    assert site.counts() == {"running": 1}


def test_a_storm_of_restarts_pays_for_nothing_twice(site: Site) -> None:
    """What systemd does with `Restart=always` when somebody stops the daemon again and again."""
    chance = random.Random(4)
    for n in range(12):
        site.drop(f"{n}.png")
    for _ in range(15):
        with site.daemon() as daemon:
            eventually(lambda daemon=daemon: daemon.events("daemon.started"), what="a start")  # type: ignore[misc]
            wait(daemon, chance.uniform(0.0, 0.6))
            assert daemon.stop() == 0
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 12}
    assert len(site.paid()) == 12
    site.verify()


def wait(daemon: Daemon, seconds: float) -> None:
    """Let it work for so long, if it lives."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until or daemon.process.poll() is not None)
