"""What the kernel itself says of watched folders: how many there may be, and whether one has gone."""

from runway_watch.inotify.limits import (
    Limit,
    Scarce,
    Use,
    folders,
    in_use,
    insist_on_room,
    limit,
    scarcity,
    shortage,
    shortage_of_instances,
)
from runway_watch.inotify.tripwire import Tripwire

__all__ = [
    "Limit",
    "Scarce",
    "Tripwire",
    "Use",
    "folders",
    "in_use",
    "insist_on_room",
    "limit",
    "scarcity",
    "shortage",
    "shortage_of_instances",
]
