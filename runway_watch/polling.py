"""When to ask Runway about a task: when it has probably just ended, never more often than it allows.

Runway asks for at least 5 s between two polls of one task (docs, guides). A poll that comes right after
the end costs nothing and loses nothing, so the end is foreseen: at first from how long this kind of
generation usually takes, then from the progress that Runway reports.
"""

from collections.abc import Sequence
from math import inf

MARGIN = 0.15
"""Seconds after the foreseen end: a poll that comes just before it costs a whole `least` more."""

REMEMBERED = 20
"""How many past durations of a kind are kept."""

PROBED, PROBE_AT = 0.02, 0.8
"""The share of tasks that is asked at 80 % of the usual time, so that a faster service is noticed. It is
small, because a task that is asked too early is not asked again for `least` seconds."""

UNATTENDED = 120.0
"""Seconds between two looks at a task beyond which nobody was looking: no daemon ran, or no answer came."""

MEANINGFUL_PROGRESS = 0.05
"""Below this, extrapolating the progress is guesswork."""


def usual(samples: Sequence[float]) -> float | None:
    """How many seconds this kind takes at the least; None when nothing is known.

    A sample is never shorter than the truth, so the shortest is the best. What takes longer than that is
    asked about once more, when its progress says.
    """
    return min(samples, default=None)


def slot_opens(now: float, ends: Sequence[float | None], slots: int) -> float | None:
    """When a task that is submitted now gets its slot; None when that cannot be foreseen.

    Args:
        now: the moment of submission.
        ends: when the tasks before it (running or queued) are foreseen to end, None where nobody knows.
        slots: how many of them Runway runs at a time; one, if it says none and took the task all the same.
    """
    slots = max(1, slots)
    if len(ends) < slots:
        return now
    latest = sorted(inf if end is None else end for end in ends)[len(ends) - slots]
    return None if latest == inf else max(now, latest)


def first_poll(
    *, submitted: float, started: float | None, usual: float | None, least: float, jitter: float
) -> float:
    """When to ask for the first time. `jitter`, 0 to 1, chooses the few that are asked early."""
    if usual is None or started is None:
        return submitted + least
    early = PROBE_AT if jitter < PROBED else 1.0
    return max(submitted + least, started + usual * early + MARGIN)


def next_poll(  # noqa: PLR0913 - everything that is known of a task
    now: float,
    *,
    started: float,
    usual: float | None,
    progress: float | None,
    polls: int,
    least: float,
    most: float,
) -> float:
    """When to ask again after `polls` answers that said "not yet"; between `least` and `most` seconds on.

    Args:
        started: when it probably got its slot.
        usual: how long this kind takes, in seconds, if that is known.
        progress: how far Runway says that it is, 0 to 1; None while it is queued.
    """
    if progress is not None and progress >= MEANINGFUL_PROGRESS:
        left = (now - started) * (1 / min(progress, 1.0) - 1) + MARGIN
    elif usual is not None and started + usual > now:
        left = started + usual + MARGIN - now
    else:
        left = least * 1.3 ** min(max(0, polls - 1), 32)
    return now + min(max(left, least), most)


def started(now: float, *, before: float, waited: bool, usual: float | None, progress: float | None) -> float:
    """When a task probably got its slot, now that it has been seen running.

    Args:
        before: what was believed until now.
        waited: it had to wait for the slot, so that belief was a guess.
        usual, progress: from which a better guess can be made.
    """
    if waited and usual is not None and progress is not None:
        return now - usual * progress
    return before


def sample(
    *, started: float, noticed: float, last_seen: float | None, progress: float | None, usual: float | None
) -> float | None:
    """How long a finished task took, in seconds, as well as it can be known; never less than nothing.

    It ended between the last poll that saw it running (`last_seen`, with its `progress`) and `noticed`.
    A task whose first poll found it finished tells no more than "at most this long". None when nobody
    was looking when it ended: a night without a daemon is no duration.
    """
    observed = noticed - started
    if last_seen is None and usual is not None:
        took = min(observed, usual)
    elif noticed - (started if last_seen is None else last_seen) > UNATTENDED:
        return None
    elif last_seen is None:
        took = observed
    elif progress is not None and progress >= MEANINGFUL_PROGRESS:
        took = min(observed, (last_seen - started) / min(progress, 1.0))
    else:
        took = (last_seen + noticed) / 2 - started
    return max(0.0, took)
