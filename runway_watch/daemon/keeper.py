"""Keeps the holds: which are open, what they bar, when they end. Each change is committed, then told.

What it says is always what the ledger says: a restart begins with the holds that were open.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from runway_watch import clock
from runway_watch.breaker import OUTAGE_AFTER
from runway_watch.clock import as_utc
from runway_watch.config import Settings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.purser import Purser
from runway_watch.daemon.ways import Ways
from runway_watch.holds import (
    ALL,
    API,
    BLIND,
    CREATES,
    DOWNLOADS,
    LIFTED_BY_PEOPLE,
    UPLOADS,
    Facts,
    barrier,
    is_over,
    standing,
)
from runway_watch.job import Hold, State, asked
from runway_watch.ledger import Ledger
from runway_watch.log import say
from runway_watch.states import AT_RUNWAY, WAITING

_UNDER_WAY = (*WAITING, *AT_RUNWAY, State.COLLECTING)


class Keeper:
    """The holds of one daemon.

    Args:
        settings: for the budget and the pauses.
        account: asked whether a model's day is full.
        purser: says what there is to pay with.
    """

    def __init__(
        self, settings: Settings, *, ledger: Ledger, clerk: Clerk, account: Account, purser: Purser
    ) -> None:
        self._ledger, self._clerk = ledger, clerk
        self._account, self._purser = account, purser
        self._open: dict[tuple[str, str], Hold] = {}
        self._changing = asyncio.Lock()
        self._roots = settings.roots
        self.away = dict.fromkeys(self._roots, "it has not been looked at yet")
        """Roots that are not there, or not in order, and why. Nothing is done below them."""
        self.ways = Ways(settings.retry)
        self.is_blind = False
        """In the outage that is open: nothing that is free can tell of its end."""
        self.limited_at: dict[str, int] = {}
        """By model: at which look at the account its day was full."""

    # -- what is barred --------------------------------------------------------------------------------

    def is_open(self, scope: str, reason: str) -> bool:
        """Whether there is this hold."""
        return (scope, reason) in self._open

    @property
    def open(self) -> list[Hold]:
        """Every open hold."""
        return list(self._open.values())

    @property
    def may_send(self) -> bool:
        """Whether anything may be paid for at all."""
        return self.may_load and ((ALL, "outage") not in self._open or self.is_blind)

    @property
    def may_load(self) -> bool:
        """Whether uploads may begin: in an outage too, for they are free, and one may find its end."""
        return not any(hold.scope == ALL and hold.reason != "outage" for hold in self._open.values())

    @property
    def may_ask(self) -> bool:
        """Whether Runway may be asked about what it is at work on."""
        return (ALL, "credentials") not in self._open

    @property
    def there(self) -> frozenset[str]:
        """The roots whose files can be worked with."""
        return self._roots - self.away.keys()

    @property
    def roots(self) -> frozenset[str]:
        """The roots below which something new may begin."""
        return self.there - self._scopes

    @property
    def barred(self) -> frozenset[str]:
        """Models and jobs of which nothing may begin."""
        return self._scopes - self._roots

    @property
    def stuck(self) -> frozenset[str]:
        """Jobs that are held each for itself."""
        return frozenset(hold.scope for hold in self._open.values() if hold.scope == hold.job)

    @property
    def _scopes(self) -> frozenset[str]:
        return frozenset(hold.scope for hold in self._open.values())

    def next_end(self, *, after: float) -> float | None:
        """When the next hold ends whose end is known, or the next way may be tried again."""
        ends = [hold.until for hold in self._open.values() if hold.until is not None and hold.until > after]
        opens = self.ways.opens(self.ways.names, after=after)
        return min(ends + ([] if opens is None else [opens]), default=None)

    def is_hopeless(self, *, tries: int) -> bool:
        """Whether who waits only for a while should not wait until something new may begin."""
        barred = any(hold.scope == ALL and hold.reason != "outage" for hold in self._open.values())
        return barred or self.has_given_up(API, CREATES, UPLOADS, DOWNLOADS, tries=tries)

    def has_given_up(self, *ways: str, tries: int) -> bool:
        """Whether one of these ways is closed, and so many tries since then have not opened it."""
        closed = (way for way in ways if (way, "outage") in self._open)
        return any(self.ways[way].failures >= OUTAGE_AFTER + tries for way in closed)

    def room(self, *, sending: int, running: int, now: float) -> int:
        """How many more paid requests may be sent, as far as the ways to Runway allow.

        Args:
            sending: how many are on their way.
            running: how many are at Runway; what cannot be fetched is not bought in heaps.
        """
        fetching = running if self.ways.is_closed(DOWNLOADS) else 0
        return min(
            self.ways.room(CREATES, in_use=sending, now=now),
            self.ways.room(DOWNLOADS, in_use=fetching, now=now),
        )

    # -- how they begin and end ------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the holds that are open in the ledger."""
        async with self._changing:
            self._open = {hold.name: hold for hold in await self._clerk(self._ledger.holds)}
            alien = [h for h in self.open if h.reason == "share" and h.scope not in self._roots]
            await self._change(ended=alien)  # of a root that nobody watches any more

    async def review(self) -> Facts:
        """Begin and end what follows from money, time and disks. Raises LedgerError."""
        facts = await self._purser.facts()
        due = {hold.name: hold for hold in standing(facts)}
        over = [h for h in self._reviewed if h.name not in due and await self._is_over(h, facts)]
        async with self._changing:
            # What was renewed while it was looked at stays open.
            ended = [hold for hold in over if self._open.get(hold.name) is hold]
            begun = [hold for name, hold in due.items() if name not in self._open]
            await self._change(begun=begun, ended=ended)
        return facts

    @property
    def _reviewed(self) -> list[Hold]:
        """Open holds that a review may end. That of a share its sentry ends."""
        return [hold for hold in self.open if hold.reason != "share"]

    async def _is_over(self, hold: Hold, facts: Facts) -> bool:
        if hold.reason == "daily_limit":
            looked = self._account.looks > self.limited_at.get(hold.scope, 0)
            return looked and not self._account.is_full(hold.scope)
        if hold.reason == "outage" and hold.scope != ALL:  # with nobody left to find out, it is no news
            counts = await self._clerk(self._ledger.counts)
            return not any(counts.get(state) for state in _UNDER_WAY)
        if hold.job is None:
            return is_over(hold, facts)
        found = await self._clerk(self._ledger.job, hold.job)
        waiting = [] if found is None else [asked(found[0], c) for c in found[1] if c.state in WAITING]
        if found is None or not waiting or found[0].root not in self._roots:
            return True
        if hold.reason == "credits" and hold.until is not None:  # Runway's own word
            return is_over(hold, facts)
        again = [barrier(job, facts, **await self._purser.terms(job)) for job in waiting]
        return not any(barred is not None and barred.name == hold.name for barred in again)

    async def begin(self, hold: Hold) -> None:
        """Begin a hold; one that is open already is told in its new words only in `status`."""
        async with self._changing:
            known = self._open.get(hold.name)
            if known is None or replace(hold, since=known.since) != known:
                await self._change(begun=[hold if known is None else replace(hold, since=known.since)])

    async def end(self, *names: tuple[str, str]) -> None:
        """End these holds, where they are open."""
        async with self._changing:
            await self._change(ended=[self._open[name] for name in names if name in self._open])

    async def pause(self) -> None:
        """A person wants nothing new to begin."""
        message = "runway-watch pause was said: until `runway-watch resume`"
        await self.begin(Hold("paused", clock.now(), message=message))

    async def resume(self) -> None:
        """A person says that work may go on."""
        await self.end(*((ALL, reason) for reason in LIFTED_BY_PEOPLE))

    async def _change(self, *, begun: Sequence[Hold] = (), ended: Sequence[Hold] = ()) -> None:
        """Write a change down and tell of it, one at a time: else what is known and what is written part."""
        now = clock.now()
        if not begun and not ended:
            return
        await self._clerk(self._ledger.hold, begun=begun, ended=ended, at=now)
        if any(hold.reason in BLIND for hold in ended):
            await self._clerk(self._ledger.hasten, at=now)
        for hold in ended:
            self._open.pop(hold.name, None)
            self.is_blind &= hold.name != (ALL, "outage")
            say("hold.ended", scope=hold.scope, code=hold.reason, seconds=round(now - hold.since, 1))
        for hold in begun:
            if hold.name not in self._open:
                _tell(hold)
            self._open[hold.name] = hold


def _tell(hold: Hold) -> None:
    until = None if hold.until is None else as_utc(hold.until).isoformat()
    say("hold.began", level="warning", scope=hold.scope, code=hold.reason, message=hold.message, until=until)
