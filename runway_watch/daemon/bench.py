"""What every part of the daemon has at hand."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from runway_watch.api import Api, Courier
from runway_watch.config import Settings, WatchSettings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.keeper import Keeper
from runway_watch.daemon.lessons import Lessons
from runway_watch.daemon.purser import Purser
from runway_watch.job import Job
from runway_watch.ledger import Ledger
from runway_watch.spool import Spool


async def _no_key() -> None:
    """For who has none configured."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Settings, ledger, Runway and the folders.

    Args:
        clerk: calls the ledger in a thread.
        purser: prices and money.
        keeper: the holds.
        lessons: what work teaches of them.
        spools: each watch's folders, by root.
        ledger_file: where the ledger is, if it is a file.
        read_key: looks where the key is configured; ConfigError when what is there can be none, SpoolError
            when that place does not answer.
        moving: held while names are chosen and files moved below a root, so that nobody chooses twice.
        suspicions: set when something went wrong below a root, so that its sentry looks closely.
        wake: have the dispatcher look at the ledger again.
    """

    settings: Settings
    ledger: Ledger
    clerk: Clerk
    api: Api
    courier: Courier
    account: Account
    purser: Purser
    keeper: Keeper
    lessons: Lessons
    spools: dict[str, Spool]
    wake: Callable[[], None]
    ledger_file: Path | None = None
    read_key: Callable[[], Awaitable[SecretStr | None]] = _no_key
    moving: dict[str, asyncio.Lock] = field(default_factory=dict)
    suspicions: dict[str, asyncio.Event] = field(default_factory=dict)

    @classmethod
    def furnished(
        cls, settings: Settings, *, ledger: Ledger, clerk: Clerk, api: Api, **others: Any
    ) -> "Bench":
        """A bench with its account, purser and keeper; `others` are the fields that are left."""
        account = Account(api, settings.limits, ledger=ledger, clerk=clerk)
        purser = Purser(settings, account=account, ledger=ledger, clerk=clerk)
        keeper = Keeper(settings, account=account, purser=purser, ledger=ledger, clerk=clerk)
        lessons = Lessons(
            settings.retry, keeper=keeper, account=account, purser=purser, ledger=ledger, clerk=clerk
        )
        return cls(
            settings,
            ledger,
            clerk,
            api,
            account=account,
            purser=purser,
            keeper=keeper,
            lessons=lessons,
            **others,
        )

    def spool(self, job: Job) -> Spool:
        """The folders that a job's files are in."""
        return self.spools[job.root]

    def watch_of(self, root: str) -> WatchSettings:
        """The settings of the watch with this root."""
        return next(watch for watch in self.settings.watch if str(watch.root) == root)

    def lock(self, root: str) -> asyncio.Lock:
        """Held while files below a root are moved."""
        return self.moving.setdefault(root, asyncio.Lock())

    def suspicion(self, root: str) -> asyncio.Event:
        """Set it when something went wrong below a root."""
        return self.suspicions.setdefault(root, asyncio.Event())
