"""The log: one line per transition, nothing secret in it, and nothing that steers a terminal."""

import gc
import io
import json
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runway_watch import log
from runway_watch.config import LogSettings
from runway_watch.job import State
from runway_watch.letters import printable
from runway_watch.masking import conceal, masked
from runway_watch.states import TABLE
from tests import forked
from tests.harness import Runway, Site
from tests.samples import NOW, VERDICT, call, job

S = State


def said(*what: Any, form: str = "json", level: str = "info", **facts: Any) -> str:
    stream = io.StringIO()
    log.set_up(LogSettings(format=form, level=level), stream)  # type: ignore[arg-type]
    log.say(*what, **facts)
    return stream.getvalue()


def test_a_line_is_json_where_no_terminal_is_with_flat_keys_and_no_nulls() -> None:
    line = json.loads(said("job.done", form="auto", path="a/cat.png", credits=60, code=None))
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job.done", "level": "info", "path": "a/cat.png", "credits": 60}


def test_levels_are_kept() -> None:
    assert said("x.y", level="warning") == ""
    stream = io.StringIO()
    log.set_up(LogSettings(level="warning"), stream)
    log.say("x.y", level="error")
    assert stream.getvalue()


SECRETS = [
    "key_0123456789abcdef",
    "Bearer abc.def",
    "https://storage.example/a.mp4?X-Amz-Signature=topsecret&Expires=9",
]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("shape", ["text", "error", "path", "list", "table", "deep"])
def test_a_secret_is_masked_whatever_it_is_wrapped_in(form: str, secret: str, shape: str) -> None:
    wrapped: Any = {
        "text": f"see {secret}",
        "error": ValueError(secret),
        "path": Path(secret),
        "list": [secret],
        "table": {"a": secret},
        "deep": [{"a": (secret, ValueError(secret))}],
    }[shape]
    line = said("x.y", form=form, value=wrapped)
    assert "***" in line
    for word in ("0123456789abcdef", "abc.def", "topsecret"):
        assert word not in line


ODD = "plain-looking/key+of=another.form"


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("shape", ["text", "bytes", "error", "path", "list", "table", "name", "traceback"])
def test_a_key_that_does_not_look_like_one_is_masked_once_it_is_known(form: str, shape: str) -> None:
    conceal(ODD)
    error = RuntimeError(f"and {ODD} again")
    error.__cause__ = ValueError(f"refused {ODD}")
    wrapped: Any = {
        "text": f"see {ODD}.",
        "bytes": ODD.encode(),
        "error": error,
        "path": Path(ODD),
        "list": [(ODD,)],
        "table": {"a": {"b": ODD}},
        "name": {ODD: 1},
        "traceback": None,
    }[shape]
    line = said("x.y", form=form, value=wrapped, exc_info=error if shape == "traceback" else None)
    assert "***" in line
    assert "plain-looking" not in line
    assert "another" not in line


def test_a_word_that_is_too_short_to_be_a_key_makes_no_holes() -> None:
    conceal("")
    conceal("log")
    assert masked("the log and nothing else") == "the log and nothing else"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_locals_and_no_secret(form: str) -> None:
    stream = io.StringIO()
    log.set_up(LogSettings(format=form), stream)  # type: ignore[arg-type]
    secret = "key_" + "0123456789abcdef"
    try:
        int(f"refused {secret} \x1b[31m")
    except ValueError as error:
        log.say("stage.broken", exc_info=error)
    told = stream.getvalue()
    assert "ValueError" in told
    assert "test_log.py" in told
    assert secret not in told
    assert "\x1b[31m" not in told


@pytest.mark.parametrize(
    "name", ["cat\x1b[2J.png", "a\nb", "photo\u202egnp.exe", "Traceback\x1b[31m.png", "x\u2028y", "\x9b31m"]
)
def test_a_name_cannot_steer_the_terminal_or_forge_a_line(name: str) -> None:
    line = said("job.refused", form="console", path=name)
    assert line.count("\n") == 1
    assert not set(line[:-1]) & {"\x1b", "\n", "\u202e", "\u2028", "\x9b"}


@pytest.mark.parametrize("text", ["été 🐈", "a\udc80b", "\x00"])
def test_printing_never_raises(text: str) -> None:
    printable(text).encode()
    said("x.y", value=text).encode()


def transition(event: str, before: State, after: State, **changes: Any) -> dict[str, Any]:
    stream = io.StringIO()
    log.set_up(LogSettings(format="json", level="debug"), stream)
    log.transition(job(), call(state=before), call(state=after, **changes), event=event, now=NOW)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


@pytest.mark.parametrize(("state", "event"), sorted(TABLE))
def test_every_row_of_the_table_has_its_line(state: State, event: str) -> None:
    line = transition(event, state, TABLE[state, event], reason="unreachable")
    assert line["event"].startswith("job.")
    assert (line["job"], line["path"], line["was"], line["state"]) == (
        "j1",
        "j1.png",
        state,
        TABLE[state, event],
    )
    assert {"operation", "model"} <= set(line)
    assert "prompt" not in json.dumps(line)


@pytest.mark.parametrize(
    ("event", "before", "after", "changes", "expected"),
    [
        ("later", S.UPLOADING, S.UPLOADING, {"reason": "share", "due_at": NOW + 90, "attempt": 2},
         {"event": "job.retry_scheduled", "due_in": 90.0, "attempt": 2, "code": "share"}),
        ("later", S.RUNNING, S.RUNNING, {"reason": "running"}, {"event": "job.progressed", "level": "debug"}),
        ("later", S.RUNNING, S.RUNNING, {"reason": "unreachable"},
         {"event": "job.retry_scheduled", "level": "info"}),
        ("doubt", S.SUBMITTING, S.HELD, {"verdict": VERDICT}, {"event": "job.held", "code": "task.internal"}),
        ("submitted", S.SUBMITTING, S.RUNNING, {}, {"event": "job.submitted"}),
    ],
)  # fmt: skip
def test_a_line_says_the_consequence(
    event: str, before: State, after: State, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert transition(event, before, after, **changes).items() >= expected.items()


def test_the_end_of_a_job_is_a_line_of_its_own() -> None:
    stream = io.StringIO()
    log.set_up(LogSettings(format="json"), stream)
    log.ending(job(state=S.FAILED, verdict=VERDICT, finished_at=NOW + 12.34), [call()], was=S.RETIRING)
    line = json.loads(stream.getvalue())
    told = line["event"], line["level"], line["code"], line["seconds"]
    assert told == (
        "job.failed",
        "warning",
        "task.internal",
        12.3,
    )


def test_the_log_goes_to_standard_error_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(format="json"), sys.stderr)
    log.say("x.y")
    out, err = capsys.readouterr()
    assert (out, json.loads(err)["event"]) == ("", "x.y")


# -- what others say ----------------------------------------------------------------------------------------


@pytest.fixture
def as_python_was() -> Iterator[None]:
    """Leave Python's own last words to whoever had them."""
    before = sys.excepthook, sys.unraisablehook, threading.excepthook
    with warnings.catch_warnings():
        yield
        logging.captureWarnings(capture=False)
    sys.excepthook, sys.unraisablehook, threading.excepthook = before


def _break() -> None:
    raise ValueError(SECRETS[0])


def _crash() -> None:
    try:
        _break()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)


def _crash_in_a_thread() -> None:
    thread = threading.Thread(target=_break, name="worker")
    thread.start()
    thread.join()


class _Fragile:
    def __del__(self) -> None:
        _break()


def _break_where_nobody_can_catch_it() -> None:
    thing = _Fragile()
    del thing
    gc.collect()


def _warn() -> None:
    warnings.simplefilter("always")
    warnings.warn(SECRETS[0], stacklevel=1)


def _complain() -> None:
    logging.getLogger("asyncio").error("never retrieved: %s", SECRETS[0], exc_info=ValueError(SECRETS[0]))


@pytest.mark.usefixtures("as_python_was")
@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    ("speak", "event"),
    [
        (_crash, "process.broken"),
        (_crash_in_a_thread, "thread.broken"),
        (_break_where_nobody_can_catch_it, "process.complained"),
        (_warn, "library.complained"),
        (_complain, "library.complained"),
    ],
)
def test_what_python_would_print_by_itself_is_a_line_of_the_log(
    form: str, speak: Callable[[], None], event: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    log.set_up(LogSettings(format=form), stream)  # type: ignore[arg-type]
    log.overhear()
    speak()
    told = stream.getvalue()
    assert event in told
    assert "***" in told
    assert "0123456789abcdef" not in told
    assert capfd.readouterr() == ("", "")


# -- the journal --------------------------------------------------------------------------------------------


def journalled(path: Path, settings: LogSettings, *, named: str = "{dev}:{ino}") -> list[str]:
    """The lines of each level in a file of which `$JOURNAL_STREAM` says that it is the journal's."""
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": named.format(dev=found.st_dev, ino=found.st_ino)}
        log.set_up(settings, stream, environment)
        for level in ("debug", "info", "warning", "error", "critical"):
            log.say("x.y", level=level)
    return path.read_text().splitlines()


def test_in_the_journal_each_line_says_first_how_much_it_matters(tmp_path: Path) -> None:
    lines = journalled(tmp_path / "journal", LogSettings(level="debug"))
    told = [re.fullmatch(r"<(\d)>(\{.*\})", line) for line in lines]
    assert [found and (found[1], json.loads(found[2])["level"]) for found in told] == [
        ("7", "debug"),
        ("6", "info"),
        ("4", "warning"),
        ("3", "error"),
        ("2", "critical"),
    ]


def test_a_pipe_may_be_the_journal_too() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", buffering=1) as stream, os.fdopen(reading) as journal:
        found = os.fstat(stream.fileno())
        log.set_up(LogSettings(), stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        log.say("x.y", level="warning")
        assert journal.readline().startswith("<4>{")


def test_a_daemon_whose_standard_error_is_the_journal_speaks_its_language(tmp_path: Path) -> None:
    site = Site(tmp_path, Runway("http://127.0.0.1:9", "key_" + "0" * 128))
    journal = site.logs / "journal"
    journal.touch()
    found = journal.stat()
    named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    words = ("run", "--once", "--config", str(site.config))
    surroundings = site.surroundings(site.environment | named)
    daemon = forked.command(*words, environment=surroundings, at=site.base, out=os.devnull, err=journal)
    assert daemon.wait(60) == 0
    lines = journal.read_text().splitlines()
    assert any(line.startswith("<6>{") and "daemon.started" in line for line in lines)
    assert all(re.match(r"<[3-7]>\{", line) for line in lines)


@pytest.mark.parametrize("named", ["", "{dev}:1", "1:{ino}", "{ino}:{dev}", "journal", "{dev}:{ino}:1"])
def test_elsewhere_no_line_begins_with_a_number(tmp_path: Path, named: str) -> None:
    """`$JOURNAL_STREAM` is inherited by whoever is started under systemd, wherever their output goes."""
    lines = journalled(tmp_path / "log", LogSettings(level="debug"), named=named)
    assert [line[0] for line in lines] == ["{"] * 5


def test_lines_for_people_have_no_numbers_in_the_journal_either(tmp_path: Path) -> None:
    lines = journalled(tmp_path / "journal", LogSettings(level="debug", format="console"))
    assert len(lines) == 5
    assert not any(line.startswith("<") for line in lines)


def test_a_complaint_that_ends_a_command_has_its_priority_in_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    found = journal.stat()
    site = Site(tmp_path, Runway("http://127.0.0.1:9", "key_" + "0" * 128))
    site.config.write_text("[wacth]")
    surroundings = site.surroundings({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    words = ("run", "--config", str(site.config))
    daemon = forked.command(*words, environment=surroundings, at=site.base, out=os.devnull, err=journal)
    assert daemon.wait(60) == 78
    lines = journal.read_text().splitlines()
    assert lines
    assert all(line.startswith("<3>runway-watch: ") for line in lines)
