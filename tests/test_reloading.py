"""SIGHUP: new settings are taken up without a restart, and what cannot be used changes nothing."""

import signal
import socket
from functools import partial

from runway_watch import config
from runway_watch.config import Settings
from runway_watch.daemon.reloading import changes, kept
from tests.harness import Daemon, Site, eventually


def hang_up(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGHUP)


def reloaded(daemon: Daemon, times: int) -> bool:
    return len(daemon.events("config.reloaded")) == times


def settings(**tables: object) -> Settings:
    return config.parse({"watch": [{"root": "/a"}], **tables}, {})


def test_every_setting_that_differs_is_named() -> None:
    before = settings(limits={"uploads": 4}, state={"url": "sqlite:////a"})
    after = settings(limits={"uploads": 5}, watch=[{"root": "/a", "scan_seconds": 7}, {"root": "/b"}])
    assert changes(before, before) == []
    assert changes(before, after) == [
        "limits.uploads",
        "state.url",
        "watch /a: scan_seconds",
        "watch /b is new",
    ]
    assert "watch /b is gone" in changes(after, before)
    assert kept(before, after).state == before.state
    assert kept(before, after).limits == after.limits


def test_new_settings_are_taken_up_by_the_same_process(site: Site) -> None:
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(done=1)
        site.configure(in_flight=3)
        (site.base / "second/inbox").mkdir(parents=True)
        with site.config.open("a") as file:
            file.write(f'[[watch]]\nroot = "{site.base / "second"}"\nsettle_seconds = 0.05\n')
        hang_up(daemon)
        [told] = eventually(lambda: daemon.events("config.reloaded"))
        assert told["message"] == f"changed: limits.in_flight, watch {site.base / 'second'} is new"
        site.root = site.base / "second"
        site.drop("dog.png")
        site.reaches(done=2)
        assert daemon.process.poll() is None
        assert len(daemon.events("daemon.started")) == 1
        assert not daemon.events("daemon.stopping")
        assert daemon.stop() == 0
        assert len(daemon.events("daemon.stopping")) == len(daemon.events("daemon.stopped")) == 1


def test_what_is_under_way_at_a_reload_is_paid_for_once_and_comes_to_its_end(site: Site) -> None:
    for n in range(10):
        site.drop(f"{n}.png")
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        for count in range(1, 6):
            site.configure(in_flight=count)
            hang_up(daemon)
            eventually(partial(reloaded, daemon, count))
        site.reaches(done=10)
        assert daemon.stop() == 0
    assert len(site.paid()) == 10
    site.verify()


def test_a_configuration_that_cannot_be_used_changes_nothing_and_says_everything(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        good = site.config.read_text()
        site.config.write_text(good.replace("[limits]", "[limits]\nuplaods = 3\ndownloads = 0"))
        hang_up(daemon)
        [told] = eventually(lambda: daemon.events("config.refused"))
        assert "uplaods" in told["message"]
        assert "downloads" in told["message"]
        site.drop("cat.png")
        site.reaches(done=1)
        assert daemon.stop() == 0


def test_a_secret_that_others_can_read_ends_no_service(site: Site) -> None:
    key = site.base / "secret"
    key.write_text(site.runway.key)
    key.chmod(0o644)
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        text = site.config.read_text()
        site.config.write_text(text.replace("[api]", f'[api]\nkey_file = "{key}"'))
        hang_up(daemon)
        [told] = eventually(lambda: daemon.events("config.refused"))
        assert f"chmod 600 {key}" in told["message"]
        site.drop("cat.png")
        site.reaches(done=1)
        key.chmod(0o600)
        hang_up(daemon)
        eventually(lambda: reloaded(daemon, 1))
        assert daemon.stop() == 0


def test_another_ledger_needs_a_restart_and_the_rest_is_taken_up(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        text = site.config.read_text().replace(str(site.ledger), str(site.base / "another"))
        site.config.write_text(text.replace("attempts = 3", "attempts = 4"))
        hang_up(daemon)
        eventually(lambda: daemon.events("config.reloaded"))
        [told] = daemon.events("config.unchanged")
        assert told["message"] == "state.url: needs a restart"
        site.drop("cat.png")
        site.reaches(done=1)
        assert not (site.base / "another").exists()


def test_a_reload_without_a_change_looks_at_the_inboxes_at_once(site: Site) -> None:
    site.config.write_text(site.config.read_text().replace("scan_seconds = 0.5", "scan_seconds = 3600"))
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("observer.chosen"))
        before = eventually(lambda: len(daemon.events("inbox.scanned")))
        hang_up(daemon)
        eventually(lambda: len(daemon.events("inbox.scanned")) > before)
        assert not daemon.events("config.reloaded")


def test_systemd_is_told_of_the_reload_and_of_its_end(site: Site) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(20)
        systemd.bind(str(site.base / "notify"))

        def hear(word: str) -> None:
            while not systemd.recv(4096).decode().startswith(word):
                pass

        with site.daemon(NOTIFY_SOCKET=str(site.base / "notify")) as daemon:
            hear("READY=1")
            hang_up(daemon)
            hear("RELOADING=1")
            hear("READY=1")
            site.configure(in_flight=7)
            hang_up(daemon)
            hear("RELOADING=1")
            hear("READY=1")
            daemon.process.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert daemon.process.wait(30) == 0
