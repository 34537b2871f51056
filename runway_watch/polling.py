"""When to ask Runway about a task: when it has probably just ended, never more often than it allows.

Runway asks for at least 5 s between two polls of one task (docs, guides). A poll that comes right after
the end costs nothing and loses nothing, so the end is foreseen: at first from how long this kind of
generation usually takes, then from the progress that Runway reports.
"""

from collections.abc import Sequence

MARGIN = 0.15
"""Seconds after the foreseen end: a poll that comes just before it costs a whole `least` more."""

REMEMBERED = 20
"""How many past durations of a kind are kept."""

PROBE_EVERY, PROBE_AT = 16, 0.8
"""Each 16th task is asked at 80 % of the usual time: a service that became faster is noticed."""

MEANINGFUL_PROGRESS = 0.05
"""Below this, extrapolating the progress is guesswork."""


def usual(samples: Sequence[float]) -> float | None:
    """How many seconds this kind takes at least, in three cases of four; None when nothing is known."""
    return sorted(samples)[len(samples) // 4] if samples else None


def slot_opens(now: float, ends: Sequence[float], slots: int) -> float:
    """When a task that is submitted now gets its slot.

    Args:
        now: the moment of submission.
        ends: when the tasks before it (running or queued) are foreseen to end.
        slots: how many of them Runway runs at a time.
    """
    if len(ends) < slots:
        return now
    return max(now, sorted(ends)[len(ends) - slots])


def first_poll(*, submitted: float, started: float, usual: float | None, least: float, nth: int) -> float:
    """When to ask for the first time. `nth` counts the tasks of this kind that have been seen."""
    if usual is None:
        return submitted + least
    early = PROBE_AT if nth % PROBE_EVERY == PROBE_EVERY - 1 else 1.0
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
        whole = usual if usual is not None else (now - started) / min(progress, 1.0)
        left = whole * (1 - min(progress, 1.0)) + MARGIN
    elif usual is not None and started + usual > now:
        left = started + usual + MARGIN - now
    else:
        left = least * 1.3 ** min(max(0, polls - 1), 32)
    return now + min(max(left, least), most)


def sample(
    *, started: float, noticed: float, last_seen: float | None, progress: float | None, usual: float | None
) -> float:
    """How long a finished task took, in seconds, as well as it can be known.

    It ended between the last poll that saw it running (`last_seen`, with its `progress`) and `noticed`.
    A task whose first poll found it finished tells no more than "at most this long".
    """
    observed = noticed - started
    if last_seen is None:
        return min(observed, usual) if usual is not None else observed
    if progress is not None and progress >= MEANINGFUL_PROGRESS:
        return min(observed, (last_seen - started) / min(progress, 1.0))
    return (last_seen + noticed) / 2 - started
