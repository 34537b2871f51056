"""Passes on hints, and never goes deaf unnoticed.

Watchdog's events are hints: queues overflow, threads die, network drives send none. So a handler does nothing
but pass the hint on, and nothing is lost when none comes. But `is_sound` knows when none can come, `start`
begins anew, and where the system refuses, the scan is left to do the work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from runway_watch import inotify
from runway_watch.config import WatchSettings
from runway_watch.watcher.choice import Choice, How, choose
from runway_watch.watcher.ear import Ear

_STOPPED = "it is not started"


@dataclass(frozen=True, slots=True)
class _State:
    """What a start came to."""

    choice: Choice
    ear: Ear | None = None
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
            return _State(choice, Ear(self._inbox, self._settings.root, self._tell))
        except (OSError, RuntimeError, inotify.Scarce) as error:
            scarce = inotify.scarcity(error)
            why = scarce or f"{self._inbox} cannot be watched: {getattr(error, 'strerror', None) or error}"
            return _State(Choice("polling", why), flaw="" if scarce else why, has_fallen_back=True)
