"""What happened, told in one place: one line per transition, after its commit, without secrets.

On a terminal the lines are for people, elsewhere they are JSON for a journal. The last processor masks
whatever looks like a key or a signed address, wherever it came from.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, suppress
from typing import Any, TextIO

import structlog

from runway_watch.config import LogSettings
from runway_watch.job import Generation, Job, State
from runway_watch.letters import printable

_SECRET = re.compile(r"key_[0-9A-Za-z_-]{8,}|(?<=[?&])[^=\s&]+=[^\s&\"']+|Bearer \S+")

_EVENTS: Mapping[str, str] = {
    "uploaded": "job.uploaded",
    "submitted": "job.submitted",
    "collected": "job.collected",
    "doubt": "job.held",
    "release": "job.released",
    "recollect": "job.released",
    "again": "job.retry_scheduled",
}
"""The state table's events by their name in the log; the rest is `job.progressed`. Ends: see `ending`."""


def set_up(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send all logs to a stream, as people or machines read them."""
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    for name in ("httpx", "httpcore", "apscheduler", "watchdog", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It complains of its own thread at every stop; what it misses while it runs, the regular scan finds.
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Libraries)]
    root.addHandler(_Libraries())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            )
            if not console
            else structlog.processors.format_exc_info,
            _mask,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=20, sort_keys=False)
            if console
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=_Patient(stream)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


class _Patient:
    """A stream whose trouble is nobody else's: a log that cannot be written stops no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """As the stream does, or not at all."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """As the stream does, or not at all."""
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Libraries(logging.Handler):
    """Takes what libraries log through the same processors: the log has one form, and no secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it as one line of ours."""
        error = record.exc_info[1] if record.exc_info else None
        say(
            "library.complained",
            level=record.levelname,
            library=record.name,
            message=record.getMessage(),
            exc_info=error,
        )


def say(event: str, *, level: str = "info", **facts: Any) -> None:
    """Log something that is no transition of a job. `event` is `noun.past_participle`."""
    known = {key: value for key, value in facts.items() if value is not None}
    structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, **known)


def about(**facts: Any) -> AbstractContextManager[None]:
    """Have these facts in every line that this task logs inside the block."""
    known = {key: value for key, value in facts.items() if value is not None}
    return structlog.contextvars.bound_contextvars(**known)


def transition(job: Job, before: Generation, after: Generation, *, event: str, now: float) -> None:
    """Log a move of a generation, after its commit."""
    name = _EVENTS.get(event, "job.progressed")
    if event == "later" and after.reason != "running":
        name = "job.retry_scheduled"
    verdict = after.verdict if after.verdict is not before.verdict else None
    waits = after.due_at > now and after.state in (
        State.READY,
        State.UPLOADING,
        State.COLLECTING,
        State.RETIRING,
    )
    say(
        name,
        level=_level(event, after),
        path=job.path,
        job=job.id,
        state=after.state.value,
        was=before.state.value,
        operation=job.operation or None,
        model=job.model or None,
        attempt=after.attempt or None,
        due_in=round(after.due_at - now, 1) if waits else None,
        code=verdict.code if verdict else after.reason,
        credits=after.credits or None,
        message=(verdict.message if verdict else after.message) or None,
    )


def _level(event: str, after: Generation) -> str:
    if event == "doubt":
        return "warning"  # a person has to do something
    return "debug" if event == "later" and after.reason == "running" else "info"


def ending(job: Job, *, was: State, charged: int) -> None:
    """Log the end of a job, after its commit."""
    verdict = job.verdict
    say(
        f"job.{job.state}",
        level="warning" if job.state is State.FAILED else "info",
        path=job.path,
        job=job.id,
        state=job.state.value,
        was=was.value,
        operation=job.operation or None,
        model=job.model or None,
        code=verdict.code if verdict else None,
        message=verdict.message if verdict else None,
        credits=charged or None,
        seconds=round(job.finished_at - job.accepted_at, 1) if job.finished_at else None,
    )


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _masked(value, lines=key == "exception") for key, value in event.items()}


def _masked(value: Any, *, lines: bool = False) -> Any:
    """The value without secrets and control characters; a traceback keeps its `lines`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    text = str(value)
    clean = "\n".join(map(printable, text.split("\n"))) if lines else printable(text)
    return _SECRET.sub("***", clean)
