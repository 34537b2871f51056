"""How the ways to Runway are doing: which may be used now, by how many at once, and from when on again."""

import random
from collections.abc import Iterable
from dataclasses import replace

from runway_watch import clock
from runway_watch.breaker import WIDEST, Breaker, Pause
from runway_watch.config import RetrySettings
from runway_watch.holds import API, CREATES, DOWNLOADS, SLOTS, UPLOADS

PROBE_SECONDS = 30.0
"""The longest pause of a way whose use costs nothing: work goes on within a minute after trouble ends."""

PAID_PROBE_SECONDS = 300.0
"""The longest pause of paid requests: each that fails may leave a job in doubt for a person."""

_LONGEST = {API: PROBE_SECONDS, "key": PROBE_SECONDS, CREATES: PAID_PROBE_SECONDS}
_SEVERAL = {UPLOADS: 3, DOWNLOADS: 3}
"""So many different jobs have to fail on a way to storage: one alone may itself be what is wrong."""


_FREE = frozenset({API, UPLOADS, DOWNLOADS})


class Ways:
    """One breaker for each way; a way by a model's name is that of its paid requests.

    Args:
        retry: `first_seconds` is the first pause of each.
    """

    def __init__(self, retry: RetrySettings) -> None:
        self._retry = retry
        self._known = {CREATES: Breaker()}
        for way in (API, SLOTS, UPLOADS, DOWNLOADS):  # what costs nothing needs no slow start
            self._known[way] = Breaker(width=WIDEST)
        self._fixed = frozenset(self._known) - {SLOTS}

    def __getitem__(self, way: str) -> Breaker:
        """How a way is doing; one that nobody has used is fine."""
        return self._known.get(way, Breaker(width=WIDEST))

    def tried(self, way: str, *, works: bool, job: str | None, asked: float | None = None) -> None:
        """Note that a way was used.

        Args:
            works: whether that worked.
            job: for which job; None where what went wrong surely is about none.
            asked: the seconds of a Retry-After.
        """
        if works:
            self._known[way] = self[way].succeeded()
            return
        longest = _LONGEST.get(way, self._retry.max_seconds)
        if way in self._fixed:  # what Runway asks of one request binds that one, and not all
            asked = None
        if asked is not None:  # of a model's requests it binds all, but for so long that one may try again
            asked = min(asked, longest)
        pause = Pause(min(self._retry.first_seconds, longest), longest, asked)
        jitter = random.random()  # noqa: S311 - no secret, a spread
        self._known[way] = self[way].failed(job, now=clock.now(), pause=pause, jitter=jitter)

    def is_closed(self, way: str) -> bool:
        """Whether so much failed on it that it counts as closed."""
        return self[way].is_closed(jobs=_SEVERAL.get(way, 1))

    def room(self, way: str, *, in_use: int, now: float) -> int:
        """How many more may use it at this moment."""
        if self._is_open(way):
            return WIDEST
        return 0 if now < self[way].until else max(0, self[way].width - in_use)

    def until(self, way: str) -> float:
        """Until when nobody may use it, seconds since 1970; 0 for one that may be used."""
        return 0.0 if self._is_open(way) else self[way].until

    def _is_open(self, way: str) -> bool:
        """A way that costs nothing is wide open until so much has failed that it counts as closed."""
        return way in _FREE and not self.is_closed(way)

    def shift(self, seconds: float) -> None:
        """Take all pauses along with a clock that was set."""
        for way, breaker in self._known.items():
            if breaker.until:
                self._known[way] = replace(breaker, until=breaker.until + seconds)

    def opens(self, ways: Iterable[str], *, after: float) -> float | None:
        """When the next of these ways may be tried again; None when none is resting."""
        return min((until for way in ways if (until := self.until(way)) > after), default=None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every way that was ever used."""
        return tuple(self._known)
