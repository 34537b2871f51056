"""How a way to Runway has been doing: what fails in a row pauses the way for longer and longer. Pure.

A way that works is wide: it may be used many times at once. One that nobody has tried yet is tried by few,
one that has failed by one alone; it widens with each success, so that whatever is wrong hits few.
"""

from dataclasses import dataclass

from runway_watch.backoff import wait

OUTAGE_AFTER = 5
"""Failures in a row after which a way counts as closed."""

WIDEST = 1024

FIRST_WIDTH = 2
"""How many try a way of which nothing is known: should one of them stall, the other goes on."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """One way.

    Args:
        failures: how many in a row.
        rests: how many pauses that has led to; what fails while the way rests already was under way before.
        jobs: of which jobs; None stands for what is about none of them.
        width: how many may use it at once.
        until: nobody may before (seconds since 1970).
    """

    failures: int = 0
    rests: int = 0
    jobs: frozenset[str | None] = frozenset()
    width: int = FIRST_WIDTH
    until: float = 0.0

    def succeeded(self) -> "Breaker":
        """After one that worked."""
        return Breaker(width=min(self.width * 2, WIDEST))

    def failed(self, job: str | None, *, now: float, pause: "Pause", jitter: float) -> "Breaker":
        """After one that did not; `jitter` is 0 to 1."""
        rests = self.rests if now < self.until else self.rests + 1
        seconds = wait(rests, first=pause.first, longest=pause.longest, jitter=jitter, asked=pause.asked)
        until = self.until if now < self.until and pause.asked is None else now + seconds
        return Breaker(self.failures + 1, rests, self.jobs | {job}, width=1, until=max(self.until, until))

    def is_closed(self, *, failures: int = OUTAGE_AFTER, jobs: int = 1) -> bool:
        """Whether so many in a row failed, of so many different jobs or of none's making."""
        return self.failures >= failures and (None in self.jobs or len(self.jobs) >= jobs)


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a way rests after its first failure, at the most, and at the least; in seconds."""

    first: float
    longest: float
    asked: float | None = None
