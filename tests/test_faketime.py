"""The machine's clock is set while a daemon of its own is at work: no test touches what the daemon reads.

libfaketime answers its questions for the time, from a file that is rewritten under way; the clock that
nobody can set goes on as it is. Work goes on within seconds, and nothing is paid for twice.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from apscheduler.schedulers import base

from runway_watch import clock as clock_module
from runway_watch.timetable import Timetable
from tests.forked import REPOSITORY
from tests.harness import Runway, Site, eventually, simulator

LIBRARY = next(
    (
        path
        for top in ("/usr/lib", "/usr/lib64", "/usr/local/lib")
        for pattern in ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")
        for path in sorted(Path(top).glob(pattern))
    ),
    None,
)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")

HOUR, YEARS = 3600, 10 * 365 * 86_400


class Clock:
    """The clock of the machine on which the daemon believes itself to be."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, ahead: int) -> None:
        """Set it so many seconds ahead of what it really is."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}\n")
        fresh.rename(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process believe it."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # the times of files on a share are not this machine's
        }


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    with simulator(seconds=1.5) as runway:
        yield runway


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    made = Site(tmp_path, stand_in)
    # libfaketime spoils the sleep until a moment of the true clock in which watchdog groups its events.
    made.config.write_text(made.config.read_text().replace("[[watch]]", '[[watch]]\nobserve = "polling"'))
    return made


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@contextmanager
def daemon(site: Site, clock: Clock) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon that was started anew: what is forked has loaded its libraries already."""
    command = [sys.executable, "-m", "runway_watch", "run", "--config", str(site.config)]
    environment = site.surroundings() | clock.environment | {"PYTHONPATH": str(REPOSITORY)}
    with (
        (site.logs / f"{len(list(site.logs.iterdir()))}.log").open("wb") as log,
        subprocess.Popen(command, stderr=log, cwd=site.base, env=environment) as process,
    ):
        try:
            yield process
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


def jumps(site: Site) -> int:
    """How often a daemon has noticed that its clock was set."""
    return sum(path.read_text().count('"clock.jumped"') for path in site.logs.iterdir())


def ends(site: Site, paid: int) -> None:
    """All is done, and paid for once."""
    site.reaches(done=paid, seconds=30)
    assert len(site.paid()) == paid


@pytest.mark.parametrize("ahead", [-HOUR, HOUR, YEARS], ids=["an hour back", "an hour on", "ten years on"])
def test_what_runs_and_what_comes_goes_on_after_the_clock_was_set(
    ahead: int, site: Site, clock: Clock
) -> None:
    with daemon(site, clock):
        site.drop("running.png")
        site.reaches(running=1)
        clock.set(ahead)
        site.drop("coming.png")
        ends(site, 2)
        eventually(lambda: jumps(site) == 1)
    site.verify()


@pytest.mark.parametrize("ahead", [-HOUR, HOUR, YEARS], ids=["an hour back", "an hour on", "ten years on"])
def test_a_job_that_waits_to_be_tried_again_is_tried_within_seconds(
    ahead: int, site: Site, clock: Clock
) -> None:
    site.runway.fault("create", {"status": 429, "headers": {"Retry-After": "4"}})
    with daemon(site, clock):
        site.drop("waiting.png")
        eventually(lambda: site.rows("SELECT 1 FROM generations WHERE reason = 'rate_limited'"))
        clock.set(ahead)
        ends(site, 1)
    site.verify()


def test_a_clock_that_is_set_again_and_again_leaves_nothing_stuck(site: Site, clock: Clock) -> None:
    with daemon(site, clock):
        for n, ahead in enumerate((HOUR, YEARS, 0), 1):
            site.drop(f"{n}.png")
            eventually(partial(is_submitted, site, n))
            clock.set(ahead)
        ends(site, 3)
    site.verify()


def is_submitted(site: Site, jobs: int) -> bool:
    """Whether so many jobs have a task."""
    return len(site.rows("SELECT 1 FROM generations WHERE task_id IS NOT NULL")) == jobs


def test_a_daemon_that_is_started_in_the_past_goes_on_with_what_it_had_begun(
    site: Site, clock: Clock
) -> None:
    with daemon(site, clock):
        site.drop("running.png")
        site.reaches(running=1)
    clock.set(-HOUR)
    with daemon(site, clock):
        site.reaches(done=1, seconds=10)


def test_a_timer_goes_on_when_the_clock_is_set_right_after_it_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the two readings from which the timer follows, so that it is due at once."""
    real, woken, ahead = time.time, [0], [0.0]

    class AsSet(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(real() + ahead[0], tz)

    def read() -> float:
        now = real() + ahead[0]
        if woken[0] == 3:
            ahead[0] = HOUR
        return now

    def wake() -> None:
        woken[0] += 1

    async def work() -> None:
        timetable = Timetable()
        timetable.start()
        timetable.every(0.1, "scan", wake)
        async with asyncio.timeout(10):  # the clock is looked at every 5 s
            while woken[0] < 6:  # noqa: ASYNC110 - it is what has to happen
                await asyncio.sleep(0.05)
        timetable.stop()

    monkeypatch.setattr(base, "datetime", AsSet)
    monkeypatch.setattr(clock_module, "now", read)
    asyncio.run(work())
