"""When to try again: exponential, clamped, jittered, and never sooner than the other side asked for."""


def wait(attempt: int, *, first: float, longest: float, jitter: float, asked: float | None = None) -> float:
    """Seconds until the next try.

    Args:
        attempt: how many tries have failed, from 1.
        first: seconds after the first failure; each further one doubles it.
        longest: the most that doubling may reach, in seconds.
        jitter: 0 to 1; takes away up to half, so that a crowd that failed together comes back apart.
        asked: seconds that the other side asked for (Retry-After); wins where it is longer.
    """
    doubled = longest if attempt > 32 else min(longest, first * 2.0 ** max(0, attempt - 1))
    return max(doubled * (1 - jitter / 2), asked or 0.0)
