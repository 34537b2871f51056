"""`status`: the truth about jobs and waiting files, for programs and for people, daemon or not."""

import json
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch import __version__, drops, records
from runway_watch.job import Verdict
from runway_watch.stages.survey import RECORD, UNSUPPORTED
from tests import samples
from tests.cli_tools import cli, command, environment, terminal
from tests.harness import Runway, Site, eventually, picture, sidecar, simulator

TOP = {"schema", "daemon", "holds", "counts", "credits", "waiting", "jobs"}
JOB = {
    *("job", "path", "state", "operation", "model", "attempt", "due_at", "task_id", "progress"),
    *("credits", "code", "message"),
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UNSAFE = {"\x1b", "\x07", "\u202e", "\u2028"}


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


def ask(site: Site) -> dict[str, Any]:
    """`status --json`, checked for its shape."""
    done = site.cli("status", "--json", environment={})
    assert (done.returncode, done.stderr) == (0, "")
    status: dict[str, Any] = json.loads(done.stdout)
    check_shape(status)
    return status


def check_shape(status: dict[str, Any]) -> None:
    """The document is what was promised, to the key."""
    assert set(status) == TOP
    assert status["schema"] == 1
    assert set(status["daemon"]) == {"running", "pid", "since", "version"}
    assert set(status["credits"]) == {"today", "reserved", "cap", "balance"}
    assert all(set(hold) == {"scope", "reason", "since", "until", "message"} for hold in status["holds"])
    assert all(set(line) == {"path", "why"} for line in status["waiting"])
    assert all(set(job) - {"generations"} == JOB for job in status["jobs"])
    assert all(isinstance(n, int) for n in status["counts"].values())
    assert status["counts"]["waiting"] == len(status["waiting"])
    for moment in (status["daemon"]["since"], *(job["due_at"] for job in status["jobs"])):
        assert moment is None or MOMENT.fullmatch(moment)


def waiting(site: Site) -> dict[str, str]:
    """Why files wait, by their path below the inbox."""
    return {
        str(Path(line["path"]).relative_to(site.root / "inbox")): line["why"] for line in ask(site)["waiting"]
    }


# -- the daemon: never run, stopped, running ----------------------------------------------------------------


def test_before_the_first_run_there_is_nothing_and_it_stays_so(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    assert ask(site) == {
        "schema": 1,
        "daemon": {"running": False, "pid": None, "since": None, "version": None},
        "holds": [],
        "counts": {"waiting": 0},
        "credits": {"today": 0, "reserved": 0, "cap": None, "balance": None},
        "waiting": [],
        "jobs": [],
    }
    assert not site.ledger.parent.exists()
    assert site.cli("status").stdout == (
        "daemon not running - nothing to do - 0 credits today, 0 more reserved\n"
    )


def test_of_a_daemon_that_stopped_its_work_remains(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    site.drop("films/cat.png")
    site.drop("bad.png", text='ratio = "16:9"')
    site.cli("run", "--once")
    status = ask(site)
    assert status["daemon"] == {"running": False, "pid": None, "since": None, "version": None}
    assert status["counts"] == {"done": 1, "failed": 1, "waiting": 0}
    assert status["credits"]["today"] == 60
    good, bad = sorted(status["jobs"], key=lambda job: str(job["state"]))
    assert good["path"] == str(site.root / "done/films/cat.png")
    assert (good["operation"], good["model"], good["credits"]) == ("image_to_video", "gen4.5", 60)
    assert (good["task_id"] is not None, good["code"], good["message"]) == (True, None, None)
    assert bad["path"] == str(site.root / "failed/bad.png")
    assert (bad["code"], bad["credits"], bad["task_id"]) == ("params.invalid", 0, None)
    assert "16:9" in bad["message"]
    lines = site.cli("status").stdout.splitlines()
    assert lines[0].startswith("daemon not running - 1 done, 1 failed - 60 credits today")
    assert f"{bad['job']}  failed  {bad['path']} - params.invalid: {bad['message']}" in lines


def test_of_a_running_daemon_one_sees_who_it_is_and_how_far_it_is(tmp_path: Path) -> None:
    with simulator(seconds=60) as runway:
        site = Site(tmp_path, runway)
        site.drop("cat.png")
        with site.daemon() as daemon:
            eventually(lambda: site.counts().get("running"))
            running = eventually(lambda: _with_progress(site))
            assert running["daemon"]["running"] is True
            assert running["daemon"]["pid"] == daemon.process.pid
            assert running["daemon"]["version"] == __version__
            since = datetime.fromisoformat(running["daemon"]["since"])
            assert abs((datetime.now(UTC) - since).total_seconds()) < 60
            (job,) = running["jobs"]
            assert (job["state"], job["path"]) == ("running", str(site.root / "processing/cat.png"))
            assert 0 <= job["progress"] < 1
            assert running["credits"]["reserved"] == 60
            assert daemon.stop() == 0
        stopped = ask(site)
        assert (stopped["daemon"]["running"], stopped["counts"]["running"]) == (False, 1)


def _with_progress(site: Site) -> dict[str, Any]:
    status = ask(site)
    return status if status["jobs"][0]["progress"] is not None else {}


def test_a_daemon_that_was_killed_does_not_count_as_running(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("daemon.started"))
        daemon.kill()
    assert ask(site)["daemon"]["running"] is False


def test_a_job_in_doubt_is_told_with_its_reason(runway: Runway, tmp_path: Path) -> None:
    runway.fault("create", {"reset_after": True})
    site = Site(tmp_path, runway)
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 1
    (job,) = ask(site)["jobs"]
    assert (job["state"], job["code"]) == ("held", "submit.uncertain")
    assert job["message"]


# -- waiting files ------------------------------------------------------------------------------------------


def test_every_waiting_file_has_its_reason_without_a_daemon(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    for name in ("bare.png", "rivals.png", "rivals.jpg", "twin.png", "sub/deep/lone.png"):
        site.put(name, picture())
    for name in ("rivals.prompt.toml", "twin.prompt.toml", "early.png.prompt.toml"):
        site.put(name, sidecar("x"))
    site.put("notes.txt", b"hello")
    site.put("_refs/style.png", picture())
    site.put(".hidden.png", picture())
    rivals = "rivals.prompt.toml could belong to rivals.jpg or rivals.png: name it "
    told = waiting(site)
    assert {name: why for name, why in told.items() if not name.startswith("rivals")} == {
        "bare.png": "waits for its sidecar, bare.prompt.toml",
        "early.png.prompt.toml": "waits for early.png",
        "notes.txt": UNSUPPORTED + drops.UNSUPPORTED,
        "sub/deep/lone.png": "waits for its sidecar, lone.prompt.toml",
        "twin.png": "complete: it is taken in when the daemon runs",
        "twin.prompt.toml": "complete: it is taken in when the daemon runs",
    }
    assert sorted(name for name in told if name.startswith("rivals")) == [
        *("rivals.jpg", "rivals.png", "rivals.prompt.toml")
    ]
    assert all(why.startswith(rivals) for name, why in told.items() if name.startswith("rivals"))
    lines = site.cli("status").stdout.splitlines()
    assert lines[0].startswith("daemon not running - 9 waiting - ")
    assert f"waiting  {site.root}/inbox/bare.png - waits for its sidecar, bare.prompt.toml" in lines


def test_what_waits_while_the_daemon_runs_says_for_what(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("inbox.scanned"))
        site.put("alone.prompt.toml", sidecar("@image in the rain", '[job]\noperation = "text_to_image"'))
        site.put("half.png", picture()[:-200])
        site.put("half.prompt.toml", sidecar("x"))
        site.put("cat.error.toml", b'job = "j1"')
        daemon.looks(2)
        told = {Path(line["path"]).name: line["why"] for line in ask(site)["waiting"]}
    assert told == {
        "alone.prompt.toml": "waits for its picture",
        "half.png": "half.png is still arriving",
        "half.prompt.toml": "half.png is still arriving",
        "cat.error.toml": RECORD,
    }


def test_an_inbox_that_is_gone_is_told_and_is_not_empty(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    (site.root / "inbox").rename(tmp_path / "away")
    (line,) = ask(site)["waiting"]
    assert line == {
        "path": str(site.root / "inbox"),
        "why": "cannot be read: No such file or directory",
    }


def test_a_ledger_that_cannot_be_read_is_an_error_and_no_empty_status(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    site.ledger.parent.mkdir()
    site.ledger.write_text("this is no database, and was never one")
    done = site.cli("status", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("runway-watch: the ledger cannot be ")


# -- names that want to write on the terminal ---------------------------------------------------------------


def test_a_name_that_would_steer_a_terminal_is_refused_and_never_shown_raw(
    runway: Runway, tmp_path: Path
) -> None:
    site = Site(tmp_path, runway)
    names = ["red\x1b[31m.png", "new\nline.png", "bidi\u202egnp.png", "bell\x07.png", "line\u2028.png"]
    for name in names:
        site.drop(name)
    lone = f"waits\x1b]0;title\x07{chr(0x202E)}.png"
    site.put(lone, picture())
    before = site.cli("status")
    assert not UNSAFE & set(before.stdout)
    done = site.cli("run", "--once")
    assert done.returncode == 1
    assert not UNSAFE & set(done.stderr)
    safe = ["bell_", "bidi_gnp", "line_", "new_line", "red_[31m"]
    assert site.files("failed") == sorted(
        f"{name}{end}" for name in safe for end in (".png", ".prompt.toml", ".error.toml")
    )
    assert site.files("inbox") == [lone]
    for name in safe:
        record = (site.root / f"failed/{name}.error.toml").read_text()
        assert 'code = "name.unsafe"' in record
        assert not UNSAFE & set(record)
    for words in (["status"], ["status", "--json"], ["retry", "--all", "--dry-run"]):
        shown = site.cli(*words).stdout
        assert not UNSAFE & set(shown)
        assert len(shown.splitlines()) >= len(names)
    assert {job["code"] for job in ask(site)["jobs"]} == {"name.unsafe"}


@given(st.text(st.sampled_from([chr(n) for n in (*range(0xA1), *range(0x2000, 0x2070))])))
def test_no_record_steers_a_terminal_and_each_reads_back_as_it_was(text: str) -> None:
    refusal = Verdict("admit", "name.unsafe", text, problems=(text,))
    one = samples.job("j1", name=text, params={text: text})
    written = records.error(one, [], refusal)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", written)
    read = tomllib.loads(written)
    assert (read["message"], read["problems"], read["request"]) == (text, [text], {text: text})


def test_such_a_name_does_not_steer_a_real_terminal_either(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    site.drop("red\x1b[31m[bold]x.png", text='ratio = "16:9"')
    site.put("waits\x1b[35m.png", picture())
    site.cli("run", "--once")
    words = ["status", "--config", str(site.config)]
    with terminal(*words, at=tmp_path, env=site.environment) as screen:
        assert screen.finish() == 0
        assert b"\x1b[31m" not in screen.seen
        assert b"\x1b[35m" not in screen.seen
        assert b"[bold]x.png" in screen.seen


# -- following ----------------------------------------------------------------------------------------------


def test_followed_into_a_pipe_it_writes_a_line_for_every_change(tmp_path: Path) -> None:
    with simulator(seconds=2) as runway:
        site = Site(tmp_path, runway)
        words = ["status", "--follow", "--config", str(site.config)]
        with subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path)
        ) as following:
            assert following.stdout is not None
            assert following.stdout.readline().startswith("daemon not running - nothing to do")
            site.drop("cat.png")
            lines = _until(following.stdout, "waiting  ")
            with site.daemon() as daemon:
                lines += _until(following.stdout, "daemon running since")
                lines += _until(following.stdout, "/done/cat.png")
                assert daemon.stop() == 0
            lines += _until(following.stdout, "daemon not running")
            following.send_signal(signal.SIGINT)
            assert following.wait(20) == 0
        assert not any("\x1b" in line for line in lines)
        assert any(re.search(r"  running \d+%  \S+/processing/cat\.png", line) for line in lines)
        assert [line for line, after in pairwise(lines) if line == after] == []


def _until(pipe: Any, part: str) -> list[str]:
    """Lines up to the one that holds a part; pytest's time limit ends a wait in vain."""
    lines: list[str] = []
    while not lines or part not in lines[-1]:
        line = pipe.readline()
        assert line, f"it ended before {part!r} came: {lines}"
        lines.append(line)
    return lines


def test_followed_as_json_every_line_is_a_whole_document(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    words = ["status", "--follow", "--json", "--config", str(site.config)]
    with subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path)
    ) as following:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        site.put("x.png", picture())
        second = json.loads(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    for status in (first, second):
        check_shape(status)
    assert [status["counts"] for status in (first, second)] == [{"waiting": 0}, {"waiting": 1}]


def test_on_a_terminal_it_is_a_live_table_until_ctrl_c(tmp_path: Path) -> None:
    with simulator(seconds=3) as runway:
        site = Site(tmp_path, runway)
        site.drop("cat.png")
        words = ["status", "--follow", "--config", str(site.config)]
        with site.daemon() as daemon, terminal(*words, at=tmp_path) as screen:
            screen.until(lambda seen: b"running" in seen and b"cat.png" in seen)
            screen.until(lambda seen: "━".encode() in seen)  # a bar of progress
            screen.until(lambda seen: b"1 done" in seen)
            assert b"\x1b[?25l" in screen.seen  # the cursor is hidden ...
            assert screen.interrupt() == 0
            assert b"\x1b[?25h" in screen.seen  # ... and comes back
            assert b"Traceback" not in screen.seen
            assert daemon.stop() == 0


def test_a_pipe_that_closes_ends_it_without_a_traceback(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    words = ["status", "--follow", "--config", str(site.config)]
    with subprocess.Popen(
        command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        following.stdout.readline()
        following.stdout.close()
        site.put("x.png", picture())
        following.wait(20)
        assert "Traceback" not in following.stderr.read()


def test_a_status_under_another_home_finds_nothing_and_says_so(tmp_path: Path) -> None:
    done = cli("status", at=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert "no configuration found" in done.stderr
