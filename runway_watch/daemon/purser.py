"""What the next call may cost, and what there is to pay it with."""

from collections.abc import Mapping
from typing import Any

from runway_watch import clock, hours, polling
from runway_watch.config import Settings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.errors import ConfigError
from runway_watch.holds import Facts, Room, total
from runway_watch.hours import Hours
from runway_watch.job import Generation, Job, State, asked
from runway_watch.ledger import Ledger


class Purser:
    """Prices, the day's budget and the balance, from the ledger and the account's last figures."""

    def __init__(self, settings: Settings, *, ledger: Ledger, clerk: Clerk, account: Account) -> None:
        self._budget = settings.budget
        self._ledger, self._clerk, self._account = ledger, clerk, account
        self._hours = hours_of(settings)
        self.rooms: tuple[Room, ...] = ()
        """The disks as they were at the last look."""

    async def facts(self) -> Facts:
        """How money, time and disks stand now. Raises LedgerError."""
        now = clock.now()
        day, looked_at = self._hours.day_began(now), self._account.looked_at
        purse = await self._clerk(self._ledger.purse, day=day, looked_at=looked_at)
        return Facts(now, self._hours, self._budget, purse, self._account.balance, self.rooms)

    async def terms(self, job: Job) -> dict[str, Any]:
        """What `barrier` has to know of a generation: the most that it may cost, how long its kind takes.

        Args:
            job: as the generation wants it.
        """
        usual = polling.usual(await self._clerk(self._ledger.durations, job.kind))
        return {"price": await self._clerk(self._ledger.most, job), "usual": usual}

    async def together(self, job_id: str) -> int | None:
        """The most that a job may cost: what was spent on it, and all that was not sent yet.

        None where the price of one is not known.
        """
        found = await self._clerk(self._ledger.job, job_id)
        if found is None:
            return None
        job, calls = found
        spent = await self._clerk(self._ledger.spent, job_id)
        waits = (State.READY, State.UPLOADING)
        unsent = [asked(job, call) for call in calls if call.state in waits or call.n not in spent]
        return total([*spent.values(), *[await self._clerk(self._ledger.most, each) for each in unsent]])

    async def learn(self, job: Job, call: Generation) -> None:
        """Remember what Runway said that a call may cost."""
        if call.estimated is not None:
            await self._clerk.insist(self._ledger.estimated, job, call.estimated)

    def before(self, job: Job) -> Mapping[str, Any]:
        """The account before a paid call, should it come into doubt."""
        return self._seen(job, "before")

    def after(self, job: Job) -> Mapping[str, Any]:
        """The account after a paid call that is in doubt."""
        return self._seen(job, "after")

    def _seen(self, job: Job, when: str) -> Mapping[str, Any]:
        if not self._account.is_known:
            return {}
        return {
            f"balance_{when}": self._account.balance,
            f"generations_{when}": self._account.used(job.model),
            f"looked_{when}": self._account.looked_at,
        }


def hours_of(settings: Settings) -> Hours:
    """The hours that a configuration names. Raises ConfigError when its timezone is none on this machine."""
    schedule = settings.schedule
    try:
        zone = hours.zone(schedule.timezone)
    except ValueError as error:
        raise ConfigError([f"schedule.timezone: {error}"]) from None
    return Hours(window=schedule.window, day_starts=settings.budget.day_starts, zone=zone)
