"""The only user of watchdog, which may say one thing: look there. The scan finds out what there is.

Its events are hints: queues overflow, threads die, network drives send none. So a handler does nothing
but pass the hint on, and nothing is lost when none comes. But a watcher never goes deaf unnoticed:
`is_sound` knows, `start` begins anew, and where the system refuses, the scan is left to do the work.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from threading import Lock, Thread

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from runway_watch import inotify, mounts
from runway_watch.config import WatchSettings
from runway_watch.job import Place
from runway_watch.mounts import Choice, How

__all__ = ["Choice", "Watcher", "choose"]

STOP_SECONDS = 5.0
"""How long watchdog may take to end. A thread that hangs in a folder is left behind."""

_STOPPED = "it is not started"

_CHANGES: list[type[events.FileSystemEvent]] = [
    *(events.FileCreatedEvent, events.FileModifiedEvent, events.FileAttribEvent, events.FileClosedEvent),
    *(events.FileMovedEvent, events.FileDeletedEvent),
    *(events.DirCreatedEvent, events.DirAttribEvent, events.DirMovedEvent, events.DirDeletedEvent),
]
"""Not what our own scans cause: the kernel need not even tell of files that are opened or read."""


def choose(settings: WatchSettings) -> Choice:
    """As configured, or what suits the filesystem of the inbox. The share itself is not touched."""
    if settings.observe == "polling":
        return Choice("polling", "as configured")
    table = mounts.table()
    fitting = mounts.suited(table.kinds(table.follow(settings.root / Place.INBOX)))
    if settings.observe == "auto":
        return fitting
    doubt = f", although {fitting.why}" if fitting.how == "polling" else ""
    return Choice("events", f"as configured{doubt}")


class _Hint(events.FileSystemEventHandler):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def dispatch(self, _: events.FileSystemEvent) -> None:
        """What leaves this ends watchdog's thread, and all hints for ever. The scan needs none."""
        with suppress(Exception):
            self._tell()


class _Ear:
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


@dataclass(frozen=True, slots=True)
class _State:
    """What a start came to."""

    choice: Choice
    ear: _Ear | None = None
    flaw: str = ""
    has_fallen_back: bool = False

    def close(self) -> None:
        if self.ear:
            self.ear.close()


class Watcher:
    """Passes on hints about one inbox, from `start` to `stop`.

    Args:
        inbox: the folder.
        settings: how to observe it. Polling needs no threads of ours: the regular scan polls.
        tell: called from another thread whenever something may have changed. What it raises is dropped.
    """

    def __init__(self, inbox: Path, settings: WatchSettings, tell: Callable[[], None]) -> None:
        self._inbox = inbox
        self._settings = settings
        self._tell = tell
        self._lock = Lock()
        self._turn = object()
        self._state = _State(choose(settings), flaw=_STOPPED)

    @property
    def how(self) -> How:
        """What it does: `events`, or `polling`, in which it is the regular scan that notices."""
        return self._state.choice.how

    @property
    def why(self) -> str:
        """The reason for `how`; after falling back, with what to do."""
        return self._state.choice.why

    @property
    def has_fallen_back(self) -> bool:
        """Whether events were chosen, and the system refused."""
        return self._state.has_fallen_back

    def start(self) -> None:
        """Begin to listen, or begin anew: hints of what happened meanwhile do not come.

        It waits for the folder, for ever if that hangs. When the system refuses, it polls.
        """
        self.stop()
        turn = self._turn
        state = self._begin()
        with self._lock:
            if self._turn is turn:
                self._state, state = state, self._state
        state.close()  # this one if it hung, and was stopped or overtaken meanwhile

    def stop(self) -> None:
        """Stop listening. Ends within `STOP_SECONDS`, whatever state it is in, and may be called again."""
        with self._lock:
            self._turn = object()
            state, self._state = self._state, _State(self._state.choice, flaw=_STOPPED)
        state.close()

    def is_sound(self) -> bool:
        """Whether all is as after a good start. At once, without touching the folder.

        Polling because of a limit is sound; because the folder was not to be had, it is not: another start
        may find it.
        """
        return not self.flaw()

    def flaw(self) -> str:
        """Why another start is due; "" when none is."""
        state = self._state
        return state.ear.flaw() if state.ear else state.flaw

    def _begin(self) -> _State:
        choice = choose(self._settings)
        if choice.how == "polling":
            return _State(choice)
        try:
            return _State(choice, _Ear(self._inbox, self._settings.root, self._tell))
        except (OSError, RuntimeError, inotify.Scarce) as error:
            scarce = inotify.scarcity(error)
            why = scarce or f"{self._inbox} cannot be watched: {getattr(error, 'strerror', None) or error}"
            return _State(Choice("polling", why), flaw="" if scarce else why, has_fallen_back=True)


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
