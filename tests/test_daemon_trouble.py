"""The daemon's own parts in trouble: a ledger that takes nothing, a task that dies, an unreadable inbox."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runway_watch import config, mounts
from runway_watch.daemon import Daemon
from runway_watch.daemon.inbox import Inbox
from runway_watch.errors import LedgerError, Refusal, RunwayWatchError
from runway_watch.simulator import Settings, Simulator
from runway_watch.watcher import Watcher
from tests.harness import Runway, Site, eventually

REFUSE = "CREATE TRIGGER refuse BEFORE UPDATE ON generations BEGIN INSERT INTO nowhere VALUES (1); END"


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    return Site(tmp_path, stand_in)


def order(site: Site, statement: str) -> None:
    with closing(sqlite3.connect(site.ledger, timeout=10)) as db:
        db.execute(statement)
        db.commit()


# -- the ledger --------------------------------------------------------------------------------------------


def test_a_stop_is_obeyed_while_the_ledger_takes_no_new_work(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        order(site, REFUSE)
        site.drop("cat.png")
        eventually(lambda: daemon.events("ledger.refused"))
        before = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - before < 10
    order(site, "DROP TRIGGER refuse")
    assert site.cli("run", "--once").returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 1}, 1)
    site.verify()


def test_a_paid_call_that_the_ledger_does_not_take_is_named_in_the_log_and_held_after_the_stop(
    site: Site,
) -> None:
    site.runway.fault("create", {"stall_after": 2})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"submitting": 1} and site.runway.hits() == [1])
        order(site, REFUSE)
        refused = eventually(lambda: [line for line in daemon.events("ledger.refused") if "task_id" in line])
        assert daemon.stop() == 0  # within the 30 s that systemd allows
    [task] = site.paid()
    [(job,)] = site.rows("SELECT id FROM jobs")
    assert (refused[0]["task_id"], refused[0]["job"], refused[0]["path"]) == (task["id"], job, "cat.png")
    order(site, "DROP TRIGGER refuse")
    assert site.cli("run", "--once").returncode == 1
    assert (site.counts(), len(site.paid())) == ({"held": 1}, 1)
    site.verify()


def test_an_answer_that_fits_the_ledger_no_more_is_named_in_the_log(site: Site) -> None:
    site.runway.fault("create", {"stall_after": 2})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"submitting": 1} and site.runway.hits() == [1])
        order(site, "UPDATE generations SET state = 'held'")
        [line] = eventually(lambda: daemon.events("job.overtaken"))
        assert daemon.stop() == 0
    [task] = site.paid()
    assert (line["task_id"], line["path"]) == (task["id"], "cat.png")


def test_a_ledger_that_breaks_under_a_daemon_ends_it_and_is_set_aside_at_the_next_start(site: Site) -> None:
    with site.daemon() as daemon:
        for n in range(10):
            site.drop(f"cat {n}.png")
        site.reaches(done=10)
        order(site, "PRAGMA wal_checkpoint(TRUNCATE)")
        with site.ledger.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(site.ledger.stat().st_size - 4096))
        site.drop("dog.png")
        assert daemon.process.wait(30) == 1
        assert "sets it aside at its next start" in daemon.log.read_text()
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 11}
    assert len(site.paid()) == 11


def test_an_order_that_failed_is_not_carried_out_later(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 1
    [(job,)] = site.rows("SELECT id FROM jobs WHERE state = 'held'")
    site.root.rename(site.base / "away")
    assert site.cli("retry", job).returncode == 1
    (site.base / "away").rename(site.root)
    assert site.rows("SELECT * FROM orders") == []
    assert site.cli("run", "--once").returncode == 1
    assert (site.counts(), len(site.paid())) == ({"held": 1}, 1)


# -- in this process ---------------------------------------------------------------------------------------


def settings_of(sim: Simulator, base: Path, *more: dict[str, Any]) -> config.Settings:
    watch = {"root": str(base / "root"), "settle_seconds": 0.05, "scan_seconds": 0.5}
    tables = {"api": {"base_url": sim.base_url}, "watch": [watch, *more], "retry": {"first_seconds": 0.2}}
    return config.parse(tables, {})


def daemon_of(sim: Simulator, base: Path, **more: Any) -> Daemon:
    return Daemon(
        settings_of(sim, base),
        read_key=lambda _: SecretStr(sim.key),
        ledger_url=f"sqlite:///{base}/ledger.db",
        lock_path=base / "lock",
        **more,
    )


def beside(work: Callable[[Simulator], Coroutine[Any, Any, None]], base: Path) -> None:
    async def main() -> None:
        (base / "root/inbox").mkdir(parents=True)
        async with Simulator(Settings(seconds=0.3, film_seconds=0.1)) as sim:
            await work(sim)

    asyncio.run(asyncio.wait_for(main(), 60))


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.02)


def test_a_reload_that_comes_before_the_work_has_begun_is_not_forgotten(tmp_path: Path) -> None:
    async def work(sim: Simulator) -> None:
        more = {"root": str(tmp_path / "more"), "scan_seconds": 0.5}
        (tmp_path / "more").mkdir()
        daemon = daemon_of(sim, tmp_path, reread=lambda: settings_of(sim, tmp_path, more))
        daemon.reload()
        running = asyncio.create_task(daemon.run())
        await until((tmp_path / "more/inbox").is_dir)
        daemon.stop()
        await running

    beside(work, tmp_path)


def test_a_ledger_on_a_network_drive_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_REMOTE", frozenset({mounts.kind(tmp_path)}))

    async def work(sim: Simulator) -> None:
        with pytest.raises(LedgerError, match=r"network drive, where SQLite is unsafe: set `state\.url`"):
            await daemon_of(sim, tmp_path).run()

    beside(work, tmp_path)
    assert not (tmp_path / "ledger.db").exists()


def test_a_part_that_dies_ends_the_daemon_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever started it starts it again; a daemon that looks no more would run for months."""

    def no_threads_left(_: Watcher) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Watcher, "start", no_threads_left)

    async def work(sim: Simulator) -> None:
        with pytest.raises(RunwayWatchError, match="start it again"):
            await daemon_of(sim, tmp_path).run()

    beside(work, tmp_path)
    out = capsys.readouterr().out
    assert "daemon.broken" in out
    assert "can't start new thread" in out
    assert "daemon.stopped" in out


def test_a_look_that_fails_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look, looks = Inbox.look, 0

    async def refused(inbox: Inbox) -> float | None:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise Refusal("sidecar.invalid", "a folder's defaults are none")
        return await look(inbox)

    monkeypatch.setattr(Inbox, "look", refused)

    async def work(sim: Simulator) -> None:
        daemon = daemon_of(sim, tmp_path)
        running = asyncio.create_task(daemon.run())
        await until(lambda: looks > 3)
        daemon.stop()
        await running
        assert not daemon.has_trouble

    beside(work, tmp_path)
    out = capsys.readouterr().out
    assert (out.count("inbox.unread"), out.count("share.lost")) == (2, 0)


def test_once_with_an_inbox_that_nobody_can_read_has_trouble(tmp_path: Path) -> None:
    async def work(sim: Simulator) -> None:
        daemon = daemon_of(sim, tmp_path, once=True)
        running = asyncio.create_task(daemon.run())
        # Until the folders are made, and not a moment longer: nobody has looked at them yet.
        while not (tmp_path / "root/failed").exists():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        (tmp_path / "root/inbox").rmdir()
        await running
        assert daemon.has_trouble

    beside(work, tmp_path)


def test_an_account_that_did_not_answer_is_asked_again_soon(tmp_path: Path) -> None:
    """Until it has answered, one generation runs at a time."""

    async def work(sim: Simulator) -> None:
        sim.fault("organization", {"status": 500}, times=None)
        daemon = daemon_of(sim, tmp_path)
        running = asyncio.create_task(daemon.run())
        [rule] = sim.world.faults.rules
        await until(lambda: rule.hits > 3 or running.done())
        assert rule.hits > 3
        sim.world.faults.rules.clear()
        daemon.stop()
        await running

    beside(work, tmp_path)


def test_an_account_that_takes_its_time_delays_no_order(site: Site) -> None:
    site.runway.fault("create", {"status": 400})
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 1
    site.runway.well()
    site.runway.fault("organization", {"stall": 30}, times=None)
    with site.daemon() as daemon:
        eventually(lambda: site.runway.hits() == [1])
        job = site.record("failed", "cat.error.toml")["job"]
        assert site.cli("retry", job).returncode == 0
        site.reaches(seconds=15, done=1)
        assert daemon.stop() == 0
    site.runway.well()
