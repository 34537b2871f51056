"""The daemon: it wakes up, runs stages, decides, commits, tells. Nothing else writes the ledger."""

from runway_watch.daemon.daemon import Daemon

__all__ = ["Daemon"]
