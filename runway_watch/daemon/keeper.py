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
    barrier,
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
REFUSED_PAUSES = 60.0
"""Times `first_seconds` (10 min): a refusal for lack of credits is put to the test again."""

BLIND_AFTER = 6
"""Pauses of an outage in which the account could not be looked at either."""

_WAITING = (State.READY, State.UPLOADING)
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
        self._first = first = settings.retry.first_seconds
        self._is_blind = False  # in an outage: nothing that is free can tell of its end
        self._limited_at: dict[str, int] = {}  # by model: at which look at the account its day was full
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
    def may_send(self) -> bool:
        """Whether anything may be paid for at all."""
        return self.may_load and ((ALL, "outage") not in self._open or self._is_blind)

    @property
    def may_load(self) -> bool:
        """Whether uploads may begin: in an outage too, for they are free, and one may find its end."""
        return not any(hold.scope == ALL and hold.reason != "outage" for hold in self._open.values())

    @property
    def may_ask(self) -> bool:
        """Whether Runway may be asked about what it is at work on."""
        return (ALL, "credentials") not in self._open

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
        blind = any((ALL, reason) in self._open for reason in BLIND)
        if not self._account.is_known or self.wants_account or blind:
            due = 0.0
        return max(
            due, self.ways[API].until, self.ways[KEY].until, self._account.tried_at + min(1.0, self._first)
        )

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
        self._open = {hold.name: hold for hold in await self._clerk(self._ledger.holds)}

    async def review(self) -> Facts:
        """Begin and end what follows from money, time and disks. Raises LedgerError."""
        facts = await self._purser.facts()
        due = {hold.name: hold for hold in standing(facts)}
        over = [h for h in self.open if h.name not in due and await self._is_over(h, facts)]
        begun = [hold for name, hold in due.items() if name not in self._open]
        await self._change(begun=begun, ended=over)
        return facts

    async def _is_over(self, hold: Hold, facts: Facts) -> bool:
        if hold.reason == "daily_limit":
            return self._account.looks > self._limited_at.get(hold.scope, 0) and not self._account.is_full(
                hold.scope
            )
        if hold.job is None:
            return is_over(hold, facts)
        found = await self._clerk(self._ledger.job, hold.job)
        if found is None or found[0].state not in _WAITING or found[0].root not in self._roots:
            return True
        if hold.reason == "credits" and hold.until is not None:  # Runway's own word
            return is_over(hold, facts)
        again = barrier(found[0], facts, **await self._purser.terms(found[0]))
        return again is None or again.name != hold.name

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
                facts, pause = await self._purser.facts(), REFUSED_PAUSES * self._first
                await self.begin(refused_credits(job, facts, price=price or 0, pause=pause))
            case Later("rate_limited") if state is State.SUBMITTING:
                await self._limited(job.model)
            case Never(verdict) if verdict.code == SAFETY:
                await self._refused()

    async def tried(self, way: str, *, works: bool, job: str, asked: float | None = None) -> None:
        """Note that a way to Runway was used; begin or end an outage where that follows."""
        self.ways.tried(way, works=works, job=job, asked=asked)
        if works:
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
        """Learn from a look at the account.

        It tells of the key. It begins no outage, and ends one only where nothing else that is free can: a
        part of Runway may be well while another is not. Where it fails for long as well, one paid request
        is tried now and then.
        """
        if isinstance(error, Denied):
            await self.denied(error.message)
            return
        if error is None:
            await self.end((ALL, "credentials"))
        if (ALL, "outage") not in self._open:
            return
        if await self._clerk(self._ledger.probes, roots=self._roots):
            if error is None:  # then let what waits for long find out: one at a time may
                await self._clerk(self._ledger.hasten, at=clock.now())
            return
        await self.tried(API, works=error is None, job="account")
        self._is_blind = error is not None and self.ways[API].rests >= BLIND_AFTER

    async def _limited(self, model: str) -> None:
        """A 429: whether it is the day's limit or only haste, the account's own figures say."""
        await self._account.refresh()
        if self._account.is_full(model):
            self._limited_at[model] = self._account.looks
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
