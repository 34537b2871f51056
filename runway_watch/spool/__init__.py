"""The spool, the only room that moves files: the four folders of a watch."""

from runway_watch.drops import ERROR, HELD, RESULT
from runway_watch.spool.beneath import below
from runway_watch.spool.checksum import digest_of
from runway_watch.spool.ground import Ground, make_ready, marks, survey_ground, try_out
from runway_watch.spool.inventory import Half, discard, halves, inventory, keep
from runway_watch.spool.reunite import reunite
from runway_watch.spool.scan import Listing, scan
from runway_watch.spool.spool import Spool

__all__ = [
    "ERROR",
    "HELD",
    "RESULT",
    "Ground",
    "Half",
    "Listing",
    "Spool",
    "below",
    "digest_of",
    "discard",
    "halves",
    "inventory",
    "keep",
    "make_ready",
    "marks",
    "reunite",
    "scan",
    "survey_ground",
    "try_out",
]
