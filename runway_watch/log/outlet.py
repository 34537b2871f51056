"""Where the log goes and in which form; the last look at every line masks what is secret in it.

On a terminal the lines are for people, elsewhere they are JSON, with a priority before it in the journal.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from runway_watch.config import LogSettings
from runway_watch.letters import printable
from runway_watch.log import journal
from runway_watch.log.overhearing import listen_to_libraries
from runway_watch.masking import masked


def set_up(
    settings: LogSettings, stream: TextIO = sys.stderr, environment: Mapping[str, str] = os.environ
) -> None:
    """Send all logs to a stream, as people or machines read them.

    Args:
        settings: how much, and in which form.
        stream: where to.
        environment: `JOURNAL_STREAM` says whether the stream is systemd's journal.
    """
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    listen_to_libraries()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            *(_for_people(stream) if console else _for_machines(stream, environment)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=_Patient(stream)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def _for_people(stream: TextIO) -> Sequence[Processor]:
    form = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=20, sort_keys=False)
    return [structlog.processors.format_exc_info, _mask, form]


def _for_machines(stream: TextIO, environment: Mapping[str, str]) -> Sequence[Processor]:
    tables = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    form: list[Processor] = [
        structlog.processors.ExceptionRenderer(tables),
        _mask,
        structlog.processors.JSONRenderer(),
    ]
    return [*form, _prioritise] if journal.is_journal(stream, environment) else form


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


def _prioritise(_: Any, level: str, line: Any) -> str:
    return f"{journal.prefix(level)}{line}"


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _masked(value, lines=key == "exception") for key, value in event.items()}


def _masked(value: Any, *, lines: bool = False) -> Any:
    """The value without secrets and control characters; a traceback keeps its `lines`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_masked(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    text = str(value)
    clean = "\n".join(map(printable, text.split("\n"))) if lines else printable(text)
    return masked(clean)
