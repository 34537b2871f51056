"""The only user of watchdog, which may say one thing: look there. The scan finds out what there is.

Its events are hints: queues overflow, threads die, network drives send none. So a handler does nothing
but pass the hint on, and nothing is lost when none comes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from runway_watch import mounts
from runway_watch.config import WatchSettings

_READING = frozenset({"opened", "closed_no_write"})
"""Events that our own scans cause."""


class _Threads(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def join(self, timeout: float | None = None) -> None: ...


class _Hint(FileSystemEventHandler):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in _READING:
            self._tell()


def choose(settings: WatchSettings) -> str:
    """`events` or `polling`: as configured, or what suits the filesystem under the root."""
    if settings.observe != "auto":
        return settings.observe
    return "polling" if mounts.is_remote(mounts.kind(settings.root)) else "events"


class Watcher:
    """Passes on hints about one inbox, from `start` to `stop`.

    Args:
        inbox: the folder.
        settings: how to observe it. Polling needs no threads of ours: the regular scan polls.
        tell: called from another thread whenever something may have changed.
    """

    def __init__(self, inbox: Path, settings: WatchSettings, tell: Callable[[], None]) -> None:
        self._inbox = inbox
        self._observer: _Threads | None = None
        self.how = choose(settings)
        self._tell = tell

    def start(self) -> None:
        """Begin."""
        if self.how == "events":
            observer = Observer()
            observer.schedule(_Hint(self._tell), str(self._inbox), recursive=True)
            self._observer = observer
            try:
                self._observer.start()
            except OSError:
                self._observer = None
                self.how = "polling"

    why = ""
    is_refused = False

    def is_sound(self) -> bool:
        """Temporary."""
        return True

    def stop(self) -> None:
        """Stop listening."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)
            self._observer = None
