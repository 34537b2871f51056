"""What others say is said by us: libraries, Python's warnings, and the last words of what has broken.

Python prints these by itself, as they are, with whatever stands in them. As lines of the log they have its
form, and no secrets.
"""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

from runway_watch.log.lines import say

_TALKATIVE = ("httpx", "httpcore", "apscheduler", "watchdog", "sqlalchemy")


def listen_to_libraries() -> None:
    """Take what libraries log through the log's own processors."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # It complains of its own thread at every stop; what it misses while it runs, the regular scan finds.
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Libraries)]
    root.addHandler(_Libraries())


def overhear() -> None:
    """Have Python say nothing on its own any more. For a process that is ours alone, not for a library."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _broken
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_broken


class _Libraries(logging.Handler):
    """Hands on what libraries log; asyncio's "Task exception was never retrieved" comes this way too."""

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


def _broken(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    say("process.broken", level="error", exc_info=error)


def _thread_broken(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread else None
    say("thread.broken", level="error", thread=name, exc_info=what.exc_value)


def _unraisable(what: Any) -> None:
    say("process.complained", level="error", message=what.err_msg, exc_info=what.exc_value)
