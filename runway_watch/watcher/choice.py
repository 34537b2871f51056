"""How an inbox is observed, and why: as configured, or as its filesystem allows.

The share itself is not touched, so one that hangs hangs nobody here.
"""

from dataclasses import dataclass
from typing import Literal

from runway_watch import mounts
from runway_watch.config import WatchSettings
from runway_watch.job import Place

How = Literal["events", "polling"]


@dataclass(frozen=True, slots=True)
class Choice:
    """How an inbox is observed, and why."""

    how: How
    why: str


def choose(settings: WatchSettings) -> Choice:
    """As configured, or what suits the filesystem of the inbox as the kernel knows it now."""
    table = mounts.table()
    return chosen(settings.observe, table.kinds(table.follow(settings.root / Place.INBOX)))


def chosen(wish: How | Literal["auto"], kinds: list[str]) -> Choice:
    """The choice for a wish and some filesystems: the inbox's first, then those that are mounted in it."""
    if wish == "polling":
        return Choice("polling", "as configured")
    fitting = _suited(kinds)
    if wish == "auto":
        return fitting
    doubt = f", although {fitting.why}" if fitting.how == "polling" else ""
    return Choice("events", f"as configured{doubt}")


def _suited(kinds: list[str]) -> Choice:
    if not kinds:
        return Choice("polling", "the kernel does not say on what filesystem it is")
    for each in kinds:
        if mounts.is_remote(each):
            return Choice("polling", f"{each} sends no events of changes made elsewhere")
        if each == "autofs":
            return Choice("polling", "autofs has not mounted it yet: nobody knows what it will be")
    known = mounts.is_local(kinds[0])
    return Choice("events", f"{kinds[0]} is {'local' if known else 'not known to be a network filesystem'}")
