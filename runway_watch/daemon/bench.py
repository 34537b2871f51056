"""What every part of the daemon has at hand."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from runway_watch.api import Api, Courier
from runway_watch.config import Settings, WatchSettings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.job import Job
from runway_watch.ledger import Ledger
from runway_watch.spool import Spool


@dataclass(frozen=True, slots=True)
class Bench:
    """Settings, ledger, Runway and the folders.

    Args:
        clerk: calls the ledger in a thread.
        spools: each watch's folders, by root.
        moving: held while names are chosen and files moved below a root, so that nobody chooses twice.
        wake: have the dispatcher look at the ledger again.
    """

    settings: Settings
    ledger: Ledger
    clerk: Clerk
    api: Api
    courier: Courier
    account: Account
    spools: dict[str, Spool]
    wake: Callable[[], None]
    moving: dict[str, asyncio.Lock] = field(default_factory=dict)

    def spool(self, job: Job) -> Spool:
        """The folders that a job's files are in."""
        return self.spools[job.root]

    def watch_of(self, root: str) -> WatchSettings:
        """The settings of the watch with this root."""
        return next(watch for watch in self.settings.watch if str(watch.root) == root)

    def lock(self, root: str) -> asyncio.Lock:
        """Held while files below a root are moved."""
        return self.moving.setdefault(root, asyncio.Lock())
