"""When to ask Runway about a task: when it has probably just ended, never more often than it allows.

Runway asks for at least 5 s between two polls of one task (docs, guides). A poll that comes right after
the end costs nothing and loses nothing, so the end is foreseen: at first from how long this kind of
generation usually takes, then from the progress that Runway reports.
"""

from collections.abc import Sequence
from statistics import linear_regression

MARGIN = 0.15
"""Seconds after the foreseen end: a poll that comes just before it costs a whole `least` more."""

REMEMBERED = 20
"""How many past durations of a kind are kept."""

PROBED, PROBE_AT = 0.05, 0.8
"""The share of tasks that is asked at 80 % of the usual time, so that a faster service is noticed. Only of
kinds that take so long that this costs a question and no time: the next one may come when it ends."""

SPREAD = 0.5
"""Seconds that the looks at a kind have to lie apart before a line is drawn through them."""

DITHER = 0.2
"""The first questions about a kind of which nothing is known are spread by up to this share of `least`."""

Look = tuple[float, float]
"""How old a task was when it was seen running, in seconds, and how far it was, 0 to 1."""

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


def span(looks: Sequence[Look]) -> float | None:
    """How many seconds a kind takes, by how far its tasks were at various ages; None when nobody can tell.

    One look is not enough: a task may wait a while in its slot before its progress begins to grow.
    """
    ages, progress = [age for age, _ in looks], [share for _, share in looks]
    if len(looks) < 2 or max(ages) - min(ages) < SPREAD:
        return None
    slope, at_start = linear_regression(ages, progress)
    return (1 - at_start) / slope if slope > 0 else None


def first_poll(*, submitted: float, usual: float | None, least: float, jitter: float) -> float:
    """When to ask for the first time.

    Args:
        submitted: when its request was answered, seconds since 1970.
        usual: how long this kind takes, in seconds; None when nobody knows.
        least: Runway's floor, in seconds.
        jitter: 0 to 1; spreads the first questions about an unknown kind, and chooses the few probes.
    """
    if usual is None:
        return submitted + least * (1 + DITHER * jitter)
    probes = jitter < PROBED and usual * (1 - PROBE_AT) >= least
    return submitted + max(least, usual * (PROBE_AT if probes else 1.0) + MARGIN)


def next_poll(  # noqa: PLR0913 - everything that is known of a task
    now: float,
    *,
    started: float,
    usual: float | None,
    span: float | None,
    progress: float | None,
    polls: int,
    least: float,
    most: float,
) -> float:
    """When to ask again after `polls` answers that said "not yet"; between `least` and `most` seconds on.

    Args:
        started: when it probably got its slot.
        usual: how long this kind took before, in seconds, if that is known.
        span: how long it takes by what is seen just now, in seconds, if that can be told.
        progress: how far Runway says that it is, 0 to 1; None while it is queued.
    """
    share = min(progress, 1.0) if progress is not None and progress >= MEANINGFUL_PROGRESS else None
    if usual is not None and (share is not None or started + usual > now):
        # It may have waited for its slot longer than anybody knows: its progress is the better clock.
        left = started + usual - now if share is None else usual * (1 - share)
    elif share is not None:
        left = started + span - now if span is not None else (now - started) * (1 / share - 1)
    else:
        left = least * 1.3 ** min(max(0, polls - 1), 32)
    return now + min(max(left + MARGIN, least), most)


def sample(
    *,
    started: float,
    noticed: float,
    last_seen: float | None,
    progress: float | None,
    usual: float | None,
    span: float | None,
) -> float | None:
    """How long a finished task took, in seconds, as well as it can be known; never less than nothing.

    It ended between the last poll that saw it running (`last_seen`, with its `progress`) and `noticed`.
    A task whose first poll found it finished tells no more than "at most this long". None when nobody
    was looking when it ended: a night without a daemon is no duration.
    """
    observed = noticed - started
    if observed < 0:
        return None  # somebody set the clock
    if last_seen is None and usual is not None:
        took = min(observed, usual)
    elif noticed - (started if last_seen is None else last_seen) > UNATTENDED:
        return None
    elif last_seen is None:
        took = observed
    elif progress is not None and progress >= MEANINGFUL_PROGRESS:
        foreseen = (last_seen - started) / min(progress, 1.0) if span is None else span
        took = min(observed, max(foreseen, last_seen - started))
    else:
        took = (last_seen + noticed) / 2 - started
    return max(0.0, took)
