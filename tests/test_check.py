"""`check` before a night: a line for each thing, with what to do where it is not right."""

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli_tools import cli, unprivileged
from tests.harness import KEY, Runway, Site, eventually, simulator

CONFIG = """
[api]
base_url = "{url}"
key_file = "{key_file}"
[[watch]]
root = "{root}"
[poll]
min_seconds = 5
"""


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    ok: bool
    subject: str
    text: str


@dataclass(frozen=True)
class Report:
    """What a check said."""

    code: int
    lines: tuple[Line, ...]
    complaints: str

    def bad(self) -> list[str]:
        """The subjects of what is wrong.

        Not that somebody else cannot start an interpreter that lies in this user's own folders.
        """
        return [line.subject for line in self.lines if not line.ok and line.subject != "pictures"]

    def text(self, subject: str) -> str:
        """What it says of a subject, one line for each time."""
        return "\n".join(line.text for line in self.lines if line.subject == subject)


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


def prepare(base: Path, url: str, *, key: str | None = KEY) -> Path:
    """A configuration for a root that is ready, with a key file unless there is to be none; the root."""
    root, key_file = base / "films", base / "key"
    for place in ("inbox", "processing", "done", "failed"):
        (root / place).mkdir(parents=True)
    if key is not None:
        key_file.touch(0o600)
        key_file.write_text(f"{key}\n")
    text = CONFIG.format(url=url, key_file=key_file if key is not None else "", root=root)
    (base / "config.toml").write_text(text)
    return root


def look(at: Path, user: int | None = None, **env: str) -> Report:
    done = cli("check", at=at, env=env, user=user)
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    lines = []
    for told in done.stdout.splitlines():
        found = re.fullmatch(r"(ok  |FAIL)  (\w+) *  (.+)", told)
        assert found, told
        lines.append(Line(found[1] == "ok  ", found[2], found[3]))
    return Report(done.returncode, tuple(lines), done.stderr)


def test_a_line_for_everything_that_is_fine(runway: Runway, tmp_path: Path) -> None:
    root = prepare(tmp_path, runway.base_url)
    report = look(tmp_path)
    assert (report.code, report.bad(), report.complaints) == (0, [], "")
    subjects = [line.subject for line in report.lines]
    rest = ["filesystem", "observer", "inotify", "pictures", "films", "ledger", "key", "balance", "tier"]
    assert subjects == ["config", *["folder"] * 4, *rest]
    assert report.text("config").startswith("config.toml")
    assert report.text("folder").count("can be written to") == 4
    assert "all four folders on the same" in report.text("filesystem")
    assert re.fullmatch(r"events \(\w+ is local\), and a scan every 30 s", report.text("observer"))
    assert re.match(
        r"1 of \d+ watches needed, \d+ taken; \d+ of \d+ instances taken$", report.text("inotify")
    )
    assert report.text("ledger").endswith("ledger.sqlite3 will be made by the first run")
    assert report.text("balance") == "10000000 credits"
    assert report.text("tier").startswith("20 at a time, any number a day of gen4.5, aleph2, ")
    assert report.text("pictures") == "HEIC, AVIF, TIFF, BMP and GIF can be converted"
    assert report.text("films") == "how long they last and how they are coded is checked"
    assert [path.name for path in root.rglob("*") if path.is_file()] == []  # what it tried is gone
    assert not (tmp_path / "state").exists()


def test_after_a_run_the_ledger_is_there_and_beside_a_daemon_that_is_told(
    runway: Runway, tmp_path: Path
) -> None:
    site = Site(tmp_path, runway)
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("daemon.started"))
        during = site.cli("check")
        assert daemon.stop() == 0
    assert during.returncode == 0
    assert f"a daemon is running (process {daemon.process.pid})" in during.stdout
    after = site.cli("check")
    assert after.returncode == 0
    assert re.search(r"^ok    ledger +\S+/ledger.sqlite3$", after.stdout, re.MULTILINE)


# -- folders ------------------------------------------------------------------------------------------------


def test_a_root_that_is_not_there(runway: Runway, tmp_path: Path) -> None:
    root = prepare(tmp_path, runway.base_url)
    root.rename(tmp_path / "away")
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["root"])
    assert report.text("root") == f"{root} is not there: mount it, or make it (`runway-watch init {root}`)"
    assert report.text("balance")  # the rest is looked at all the same


def test_a_root_that_is_a_file(runway: Runway, tmp_path: Path) -> None:
    root = prepare(tmp_path, runway.base_url)
    root.rename(tmp_path / "away")
    root.write_text("in the way")
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["root"])


def test_folders_that_the_first_run_will_make(runway: Runway, tmp_path: Path) -> None:
    root = prepare(tmp_path, runway.base_url)
    for place in root.iterdir():
        place.rmdir()
    report = look(tmp_path)
    assert (report.code, report.bad()) == (0, [])
    missing = "inbox/, processing/, done/, failed/"
    assert report.text("folders") == f"{root} has no {missing} yet; `run` makes them"
    assert list(root.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(runway: Runway) -> None:
    with _as_somebody() as (base, user):
        root = prepare(base, runway.base_url)
        _give(base, user)
        (root / "done").chmod(0o555)
        report = look(base, user)
        assert (report.code, report.bad()) == (1, ["folder"])
        (line,) = [line for line in report.lines if not line.ok and line.subject == "folder"]
        assert line.text.startswith(f"{root}/done cannot be written to (Permission denied): change its owner")


def test_a_root_in_which_the_folders_cannot_be_made(runway: Runway) -> None:
    with _as_somebody() as (base, user):
        root = prepare(base, runway.base_url)
        (root / "done").rmdir()
        _give(base, user)
        root.chmod(0o555)
        report = look(base, user)
        assert (report.code, report.bad()) == (1, ["folders"])
        assert f"{root} has no done/ yet; {root} cannot be written to" in report.text("folders")


@pytest.mark.parametrize("locked", ["films", "films/inbox", "."])
def test_a_folder_that_cannot_even_be_entered(locked: str, runway: Runway) -> None:
    with _as_somebody() as (base, user):
        inner = base / "inner"
        inner.mkdir()
        root = prepare(inner, runway.base_url)
        (inner / "config.toml").rename(base / "config.toml")
        _give(base, user)
        (inner / locked).chmod(0)
        report = look(base, user, RUNWAYML_API_SECRET=KEY)
        (inner / locked).chmod(0o755)
        wrong = {".": ["root", "key"], "films": ["root"], "films/inbox": ["folder"]}
        assert (report.code, report.bad()) == (1, wrong[locked])
        advice = "is not there: mount it" if locked == "." else "change its owner or mode"
        assert advice in next(line.text for line in report.lines if str(root) in line.text and not line.ok)


def test_a_ledger_that_cannot_be_made(runway: Runway) -> None:
    with _as_somebody() as (base, user):
        prepare(base, runway.base_url)
        for mode in (0o555, 0):
            locked = base / f"locked{mode}"
            locked.mkdir()
            _give(base, user)
            locked.chmod(mode)
            report = look(base, user, STATE_DIRECTORY=str(locked / "state"))
            assert (report.code, report.bad()) == (1, ["ledger"])
            assert f"cannot be made: {locked} cannot be written to" in report.text("ledger")


def test_a_ledger_of_another_user(runway: Runway) -> None:
    with _as_somebody() as (base, user):
        if user is None:
            pytest.skip("only root can run the daemon as somebody else")
        site = Site(base / "site", runway)
        site.cli("run", "--once")
        _give(site.root, user)
        for path in (site.ledger, site.ledger.with_name("ledger.sqlite3.lock")):
            path.chmod(0o600)
        words = ["--config", str(site.config)]
        done = cli("check", *words, at=base, env=site.environment, user=user)
        assert (done.returncode, done.stderr) == (1, "")
        assert f"FAIL  ledger      {site.ledger} belongs to another user" in done.stdout
        told = cli("status", *words, at=base, env=site.environment, user=user)
        assert (told.returncode, told.stdout) == (1, "")
        assert len(told.stderr.splitlines()) == 1
        assert told.stderr.startswith("runway-watch: ")


def test_a_ledger_that_is_no_ledger(runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url)
    (tmp_path / "state/runway-watch").mkdir(parents=True)
    (tmp_path / "state/runway-watch/ledger.sqlite3").write_text("this is no database, and was never one")
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["ledger"])


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ("polling", "a scan every 30 s (as configured)"),
        ("events", "events (as configured), and a scan every 30 s"),
    ],
)
def test_how_a_folder_is_observed_and_why(wish: str, told: str, runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url)
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("[[watch]]", f'[[watch]]\nobserve = "{wish}"'))
    report = look(tmp_path)
    assert (report.code, report.text("observer")) == (0, told)
    assert bool(report.text("inotify")) is (wish == "events")  # its limits concern nobody else


# -- the key and the account --------------------------------------------------------------------------------


def test_no_key(runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url, key=None)
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["key"])
    assert "put it into a file and name it in `api.key_file`" in report.text("key")


def test_a_key_file_that_is_not_there_is_empty_or_open_to_others(runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url)
    key_file = tmp_path / "key"
    key_file.chmod(0o644)
    told = [look(tmp_path)]
    key_file.chmod(stat.S_IRUSR)
    key_file.unlink()
    told.append(look(tmp_path))
    key_file.touch(0o600)
    told.append(look(tmp_path))
    assert [(report.code, report.bad()) for report in told] == [(1, ["key"])] * 3
    assert f"others can read {key_file}; run: chmod 600 {key_file}" in told[0].text("key")
    assert f"{key_file} cannot be read: No such file or directory" in told[1].text("key")
    assert f"{key_file} is empty" in told[2].text("key")


@pytest.mark.parametrize("key", ["two\nlines", "with spaces in it", "\xe9\xe9", "\x00"])
def test_a_key_that_no_request_could_carry(key: str, runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url, key=key)
    report = look(tmp_path)
    assert report.code in (1, 78)
    assert report.bad() or report.complaints
    assert key not in report.complaints + "".join(line.text for line in report.lines)


def test_a_wrong_key(runway: Runway, tmp_path: Path) -> None:
    wrong = "key_" + "f" * 128
    prepare(tmp_path, runway.base_url, key=wrong)
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["account"])
    assert report.text("account").startswith(f"{runway.base_url} does not accept the key")
    assert wrong not in report.text("account")


def test_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    prepare(tmp_path, f"http://127.0.0.1:{port}")
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["account"])
    assert "does not answer" in report.text("account")
    assert report.text("account").endswith("Is there a network?")


def test_an_api_that_is_down(tmp_path: Path) -> None:
    with simulator() as runway:
        runway.fault("organization", {"status": 503}, times=None)
        prepare(tmp_path, runway.base_url)
        report = look(tmp_path)
        assert (report.code, report.bad()) == (1, ["account"])


def test_an_account_without_credits(tmp_path: Path) -> None:
    with simulator(credits=0) as runway:
        prepare(tmp_path, runway.base_url)
        report = look(tmp_path)
        assert (report.code, report.bad()) == (1, ["balance"])
        assert "until some are bought" in report.text("balance")


def test_the_key_may_come_from_systemd_or_the_environment(runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url, key=None)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/runwayml_api_secret").write_text(f"{KEY}\n")
    wrong = "key_" + "f" * 128
    assert look(tmp_path, RUNWAYML_API_SECRET=KEY).code == 0
    systemd = str(tmp_path / "credentials")
    assert look(tmp_path, CREDENTIALS_DIRECTORY=systemd, RUNWAYML_API_SECRET=wrong).code == 0


# -- everything at once -------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    prepare(tmp_path, "http://127.0.0.1:9", key=None).rename(tmp_path / "away")
    (tmp_path / "state/runway-watch").mkdir(parents=True)
    (tmp_path / "state/runway-watch/ledger.sqlite3").write_text("no database, and never was one")
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["root", "ledger", "key"])


def test_an_unknown_setting_is_no_check_but_a_bad_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[watch]]\nroot = "/srv"\nsetle_seconds = 1\n')
    report = look(tmp_path)
    assert (report.code, report.lines) == (78, ())
    sentence = "config.toml: watch.setle_seconds: unknown; did you mean settle_seconds?"
    assert f"runway-watch: {sentence}\n" in report.complaints


def test_a_root_whose_name_would_steer_the_terminal(runway: Runway, tmp_path: Path) -> None:
    prepare(tmp_path, runway.base_url)
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("/films", "/\\u001b[31mfilms\\u202e"))
    report = look(tmp_path)
    assert (report.code, report.bad()) == (1, ["root"])
    assert not {"\x1b", "\u202e"} & set(report.text("root"))


# -- helpers ------------------------------------------------------------------------------------------------


@contextmanager
def _as_somebody() -> Iterator[tuple[Path, int | None]]:
    with ExitStack() as stack:
        try:
            place = stack.enter_context(unprivileged())
        except PermissionError as error:
            pytest.skip(f"root is not stopped by permissions, and {error}")
        yield place


def _give(base: Path, user: int | None) -> None:
    """Make everything below a folder the property of somebody."""
    if user is None:
        return
    for path in (base, *base.rglob("*")):
        os.chown(path, user, user)
