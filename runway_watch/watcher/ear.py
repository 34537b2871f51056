"""Watchdog at work on one folder, and all that there is to know whether it still hears.

It says nothing of subfolders that it cannot watch, of a folder that is moved or unmounted, or of threads of
its own that die: so they are looked at here.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from errno import ENOSPC
from pathlib import Path
from threading import Thread

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from runway_watch import inotify

# Of folders that are made faster than it follows, watchdog watches some twice, which does no harm.
warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, "watchdog")

STOP_SECONDS = 5.0
"""How long watchdog may take to end. A thread that hangs in a folder is left behind."""

_CHANGES: list[type[events.FileSystemEvent]] = [
    *(events.FileCreatedEvent, events.FileModifiedEvent, events.FileAttribEvent, events.FileClosedEvent),
    *(events.FileMovedEvent, events.FileDeletedEvent),
    *(events.DirCreatedEvent, events.DirAttribEvent, events.DirMovedEvent, events.DirDeletedEvent),
]
"""Not what our own scans cause: the kernel need not even tell of files that are opened or read."""


class _Hint(events.FileSystemEventHandler):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def dispatch(self, _: events.FileSystemEvent) -> None:
        """What leaves this ends watchdog's thread, and all hints for ever. The scan needs none."""
        with suppress(Exception):
            self._tell()


class Ear:
    """Watchdog at work on a folder, and what there is to know whether it still is."""

    def __init__(self, inbox: Path, root: Path, tell: Callable[[], None]) -> None:
        inotify.insist_on_room(inbox)
        with ExitStack() as undo:
            self._wire = inotify.Tripwire([inbox, root])
            undo.callback(self._wire.close)
            observer = Observer()
            undo.callback(_end, observer)
            # Watchdog would watch a symlink instead of the folder that it leads to.
            folder = os.path.realpath(inbox, strict=True)
            observer.schedule(_Hint(tell), folder, recursive=True, event_filter=_CHANGES)
            observer.start()
            if not self._wire.has_room():  # watchdog says nothing of subfolders that it may not watch
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            self._threads = _threads(observer)
            self._undo = undo.pop_all()

    def flaw(self) -> str:
        """Why nothing, or not everything, may be heard; "" when all is well."""
        if not all(thread.is_alive() for thread in self._threads):
            return "a thread of the observer has ended"
        if self._wire.is_torn():
            return "the inbox or its root was moved, deleted or unmounted"
        if not self._wire.has_room():
            return "no further folder could be watched: this user has no inotify watches left"
        return ""

    def close(self) -> None:
        """Give everything back."""
        self._undo.close()


def _threads(observer: BaseObserver) -> list[Thread]:
    """Its own, one for the folder, and the reader of the kernel's queue, which no public name leads to."""
    inner = [part for part in vars(observer).values() if isinstance(part, Thread)]
    return [observer, *observer.emitters, *inner]


def _end(observer: BaseObserver) -> None:
    ending = Thread(target=_stop, args=[observer], name="unwatching", daemon=True)
    ending.start()
    ending.join(STOP_SECONDS)


def _stop(observer: BaseObserver) -> None:
    with suppress(OSError, RuntimeError):  # one that is dead, or never lived, has done what is asked of it
        observer.stop()
        observer.join()
