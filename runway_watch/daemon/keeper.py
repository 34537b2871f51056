"""Keeps the holds: which are open, what they bar, when they end. Each change is committed, then told.

What it says is always what the ledger says: a restart begins with the holds that were open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from runway_watch import clock
from runway_watch.breaker import OUTAGE_AFTER
from runway_watch.clock import as_utc
from runway_watch.config import Settings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.purser import Purser
from runway_watch.daemon.ways import Ways
from runway_watch.errors import ApiError, Denied
from runway_watch.holds import (
    ALL,
    API,
    BLIND,
    CREATES,
    DOWNLOADS,
    LIFTED_BY_PEOPLE,
    REFUSALS,
    SAFETY,
    UPLOADS,
    Facts,
    is_over,
    is_streak,
    moderation,
    refused_credits,
    standing,
    ways,
)
from runway_watch.job import Hold, Job, Later, Never, Outcome, State
from runway_watch.ledger import Ledger
from runway_watch.log import say

_CLOSED: Mapping[str, str] = {
    API: "Runway cannot be reached, or answers with errors: asked again until it answers",
    CREATES: "Runway fails at paid requests again and again: one is tried now and then",
    UPLOADS: "uploads to Runway's storage fail again and again: one is tried now and then",
    DOWNLOADS: "outputs cannot be fetched, so nothing new is paid for; one is tried now and then",
}
LOOK_SECONDS, LOOK_SELDOM_SECONDS = 60.0, 300.0
"""How often the account is looked at, while it is being spent and while it is not."""

CREDITS_LOOK_SECONDS = 60.0
KEY = "key"
"""The way of the key: after a refusal it rests, however well the account can be looked at with it."""


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
        self._roots = frozenset(str(watch.root) for watch in settings.watch)
        self.ways = Ways(settings.retry)
        first = settings.retry.first_seconds
        self._looks = {"credits": min(CREDITS_LOOK_SECONDS, 6 * first), "daily_limit": 12 * first}
        self.wants_account = False
        """Whether the account should be looked at before its time."""
        self.is_busy = False
        """Whether paid calls are under way: the balance changes."""

    # -- what is barred --------------------------------------------------------------------------------

    @property
    def open(self) -> list[Hold]:
        """Every open hold."""
        return list(self._open.values())

    @property
    def may_begin(self) -> bool:
        """Whether anything new may begin at all."""
        return not any(hold.scope == ALL for hold in self._open.values())

    @property
    def may_ask(self) -> bool:
        """Whether Runway can be asked about what it is at work on."""
        return not any((ALL, reason) in self._open for reason in BLIND)

    @property
    def roots(self) -> frozenset[str]:
        """The roots below which something new may begin."""
        return self._roots - self._scopes

    def next_look(self) -> float:
        """When the account is to be looked at next, seconds since 1970."""
        reasons = {reason for _, reason in self._open}
        pauses = [pause for reason, pause in self._looks.items() if reason in reasons]
        usual = LOOK_SECONDS if self.is_busy else LOOK_SELDOM_SECONDS
        due = self._account.looked_at + min([usual, *pauses])
        if not self._account.is_known or self.wants_account or (ALL, "outage") in self._open:
            due = 0.0
        return max(due, self.ways[API].until, self.ways[KEY].until)

    @property
    def barred(self) -> frozenset[str]:
        """Models and jobs of which nothing may begin."""
        return self._scopes - self._roots

    @property
    def _scopes(self) -> frozenset[str]:
        return frozenset(hold.scope for hold in self._open.values())

    def next_end(self, *, after: float) -> float | None:
        """When the next hold ends whose end is known, or the next way may be tried again."""
        ends = [hold.until for hold in self._open.values() if hold.until is not None and hold.until > after]
        opens = self.ways.opens(self.ways.names, after=after)
        return min(ends + ([] if opens is None else [opens]), default=None)

    def is_hopeless(self, *, tries: int) -> bool:
        """Whether who waits only for a while should not wait for the end of what bars everything."""
        for hold in self._open.values():
            if hold.scope == ALL and hold.reason != "outage":
                return True
            if hold.reason == "outage" and self.ways[hold.scope].failures >= OUTAGE_AFTER + tries:
                return True
        return False

    def room(self, *, sending: int, running: int, now: float) -> int:
        """How many more paid requests may be sent, as far as the ways to Runway allow.

        Args:
            sending: how many are on their way.
            running: how many are at Runway; what cannot be fetched is not bought in heaps.
        """
        fetching = 0 if self.ways[DOWNLOADS].failures == 0 else running
        return min(
            self.ways.room(CREATES, in_use=sending, now=now),
            self.ways.room(DOWNLOADS, in_use=fetching, now=now),
        )

    # -- how they begin and end ------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the holds that are open in the ledger."""
        self._open = {hold.name: hold for hold in await self._clerk(self._ledger.holds)}

    async def review(self) -> Facts:
        """Begin and end what follows from money, time and disks. Raises LedgerError."""
        facts = await self._purser.facts()
        due = standing(facts)
        over = [hold for hold in self.open if self._is_over(hold, facts)]
        names = {hold.name for hold in due}
        await self._change(
            begun=[hold for hold in due if hold.name not in self._open],
            ended=[hold for hold in over if hold.name not in names],
        )
        return facts

    def _is_over(self, hold: Hold, facts: Facts) -> bool:
        if hold.reason == "daily_limit":
            return self._account.looked_at > hold.since and not self._account.is_full(hold.scope)
        return is_over(hold, facts)

    async def begin(self, hold: Hold) -> None:
        """Begin a hold; one that is open already is told in its new words only in `status`."""
        known = self._open.get(hold.name)
        if known is None or replace(hold, since=known.since) != known:
            await self._change(begun=[hold if known is None else replace(hold, since=known.since)])

    async def end(self, *names: tuple[str, str]) -> None:
        """End these holds, where they are open."""
        await self._change(ended=[self._open[name] for name in names if name in self._open])

    async def pause(self) -> None:
        """A person wants nothing new to begin."""
        message = "runway-watch pause was said: until `runway-watch resume`"
        await self.begin(Hold("paused", clock.now(), message=message))

    async def resume(self) -> None:
        """A person says that work may go on."""
        await self.end(*((ALL, reason) for reason in LIFTED_BY_PEOPLE))

    async def _change(self, *, begun: Iterable[Hold] = (), ended: Iterable[Hold] = ()) -> None:
        begun, ended, now = list(begun), list(ended), clock.now()
        if not begun and not ended:
            return
        await self._clerk(self._ledger.hold, begun=begun, ended=ended, at=now)
        if any(hold.reason in BLIND for hold in ended):
            await self._clerk(self._ledger.hasten, at=now)
        for hold in ended:
            self._open.pop(hold.name, None)
            say("hold.ended", scope=hold.scope, code=hold.reason, seconds=round(now - hold.since, 1))
        for hold in begun:
            if hold.name not in self._open:
                _tell(hold)
            self._open[hold.name] = hold

    # -- what is learned from work ---------------------------------------------------------------------

    async def notice(self, job: Job, state: State, outcome: Outcome, *, price: int | None = None) -> None:
        """Learn from what a stage came to, after it has been committed."""
        asked = outcome.after if isinstance(outcome, Later) else None
        for way, works in ways(state, outcome, model=job.model):
            await self.tried(way, works=works, job=job.id, asked=asked)
            if works and way == API:
                self.ways.tried(KEY, works=True, job=job.id)  # a look at the account alone proves too little
        match outcome:
            case Later("credentials"):
                await self.denied(outcome.message)
            case Later("credits"):
                await self._account.refresh()
                await self.begin(refused_credits(price or 0, await self._purser.facts()))
            case Later("rate_limited") if state is State.SUBMITTING:
                await self._limited(job.model)
            case Never(verdict) if verdict.code == SAFETY:
                await self._refused()

    async def tried(self, way: str, *, works: bool, job: str, asked: float | None = None) -> None:
        """Note that a way to Runway was used; begin or end an outage where that follows."""
        self.ways.tried(way, works=works, job=job, asked=asked)
        if works and way == API:
            await self.end((way, "outage"), (ALL, "credentials"))
        elif works:
            await self.end((way, "outage"))
        elif way in _CLOSED and self.ways.is_closed(way):
            until = self.ways[way].until
            await self.begin(
                Hold("outage", clock.now(), way, _CLOSED[way], until=None if way == API else until)
            )
            self.wants_account = True

    async def denied(self, why: str) -> None:
        """Runway does not accept the key, or there is none."""
        message = f"{why}: put a key that works where it is configured; it is looked for again and again"
        self.ways.tried(KEY, works=False, job="account")
        await self.begin(Hold("credentials", clock.now(), message=message))
        self.wants_account = True

    async def asked(self, error: ApiError | None) -> None:
        """Learn from a look at the account."""
        self.wants_account = False
        if isinstance(error, Denied):
            await self.denied(error.message)
        else:
            await self.tried(API, works=error is None, job="account")

    async def _limited(self, model: str) -> None:
        """A 429: whether it is the day's limit or only haste, the account's own figures say."""
        await self._account.refresh()
        if self._account.is_full(model):
            message = (
                f"Runway's daily limit for {model} is reached: its figures are looked at every few minutes"
            )
            await self.begin(Hold("daily_limit", clock.now(), model, message))

    async def _refused(self) -> None:
        since = await self._clerk(self._ledger.last_held, "moderation")
        codes = await self._clerk(self._ledger.latest_endings, limit=REFUSALS, since=since)
        if is_streak(codes):
            await self.begin(moderation(clock.now()))

    def excuse(self, state: State, outcome: Outcome) -> Outcome:
        """What a stage came to, without blame where its way to Runway is closed for everybody."""
        way = {State.UPLOADING: UPLOADS, State.COLLECTING: DOWNLOADS}.get(state)
        if isinstance(outcome, Later) and outcome.counts and way is not None and self.ways.is_closed(way):
            return replace(outcome, counts=False)
        return outcome


def _tell(hold: Hold) -> None:
    until = None if hold.until is None else as_utc(hold.until).isoformat()
    say("hold.began", level="warning", scope=hold.scope, code=hold.reason, message=hold.message, until=until)
