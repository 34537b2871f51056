"""The place where a bug of ours is caught: bad luck with one file, look or chore never ends the daemon."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from runway_watch.errors import RunwayWatchError
from runway_watch.log import say

T = TypeVar("T")


async def guarded(work: Callable[[], Awaitable[T]], *, instead: Callable[[str], T], **facts: object) -> T:
    """Do the work; if it breaks, tell of it and give what stands in its place.

    Args:
        work: a stage, or a look at one drop.
        instead: makes the result from the name of what was raised.
        facts: for the log.

    Raises:
        RunwayWatchError: what the work itself raises of these.
    """
    try:
        return await work()
    except RunwayWatchError:
        raise  # no bug: somebody above knows what it means
    except Exception as error:  # noqa: BLE001 - see above
        say("work.broken", level="error", exc_info=error, **facts)
        return instead(f"{type(error).__name__}: a fault of runway-watch itself")
