"""What happened, told in one place: one line per transition, after its commit, without secrets."""

from runway_watch.log.journal import addressed
from runway_watch.log.lines import about, ending, returned, say, transition
from runway_watch.log.outlet import set_up
from runway_watch.log.overhearing import overhear

__all__ = ["about", "addressed", "ending", "overhear", "returned", "say", "set_up", "transition"]
