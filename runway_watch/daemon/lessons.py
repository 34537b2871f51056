"""What work and looks at the account teach: when an outage, or trouble with the key, begins and ends."""

from collections.abc import Mapping
from dataclasses import replace

from runway_watch import clock
from runway_watch.config import RetrySettings
from runway_watch.daemon.account import Account
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.keeper import Keeper
from runway_watch.daemon.purser import Purser
from runway_watch.errors import ApiError, Denied
from runway_watch.holds import (
    ALL,
    API,
    BLIND,
    CREATES,
    DOWNLOADS,
    REFUSALS,
    SAFETY,
    UPLOADS,
    is_streak,
    moderation,
    refused_credits,
    ways_tried,
)
from runway_watch.job import Hold, Job, Later, Never, Outcome, State
from runway_watch.ledger import Ledger
from runway_watch.stages.trouble import STORAGE

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

WELL_SECONDS = 10.0
"""An outage is over when the account has answered for so long and nothing has failed: what is free and can
tell would have been tried by then."""

KEY = "key"
"""The way of the key: after a refusal it rests, however well the account can be looked at with it."""


class Lessons:
    """Draws conclusions for the keeper of the holds.

    Args:
        retry: the pauses.
        keeper: the holds, and the ways to Runway.
        account, purser: what there is to pay with.
        ledger, clerk: what has happened so far.
    """

    def __init__(
        self,
        retry: RetrySettings,
        *,
        keeper: Keeper,
        account: Account,
        purser: Purser,
        ledger: Ledger,
        clerk: Clerk,
    ) -> None:
        self._keeper, self._account, self._purser = keeper, account, purser
        self._ledger, self._clerk = ledger, clerk
        self._first = first = retry.first_seconds
        self._looks = {"credits": min(CREDITS_LOOK_SECONDS, 6 * first), "daily_limit": 12 * first}
        self.wants_account = False
        """Whether the account should be looked at before its time."""
        self._well_since: float | None = None  # on the monotonic clock: the account answers since
        self._failures = 0  # of the API by then
        self.is_busy = False
        """Whether paid calls are under way: the balance changes."""

    def next_look(self) -> float:
        """When the account is to be looked at next, seconds since 1970."""
        reasons = {hold.reason for hold in self._keeper.open}
        pauses = [pause for reason, pause in self._looks.items() if reason in reasons]
        usual = LOOK_SECONDS if self.is_busy else LOOK_SELDOM_SECONDS
        due = self._account.looked_at + min([usual, *pauses])
        blind = any(self._keeper.is_open(ALL, reason) for reason in BLIND)
        if not self._account.is_known or self.wants_account or blind:
            due = 0.0
        soonest, ways = self._account.tried_at + min(1.0, self._first), self._keeper.ways
        return max(due, soonest, ways.until(API), ways.until(KEY))

    def note(self, job: Job, state: State, outcome: Outcome) -> None:
        """Learn which ways to Runway held, as soon as a stage has come to its end.

        Before that is committed: the commit gives its slot to the next paid request, and the first that
        fails is to be the last but for those that are on their way.
        """
        asked, tried = outcome.after if isinstance(outcome, Later) else None, self._keeper.ways.tried
        about = None if isinstance(outcome, Later) and outcome.reason == STORAGE else job.id
        for way, works in ways_tried(state, outcome, model=job.model):
            tried(way, works=works, job=about, asked=asked)
            if works and way == API:
                tried(KEY, works=True, job=job.id)  # a look at the account alone proves too little

    async def notice(self, job: Job, state: State, outcome: Outcome, *, price: int | None = None) -> None:
        """Let holds begin and end by what a stage came to, after it has been noted and committed."""
        for way, works in ways_tried(state, outcome, model=job.model):
            await self._judge(way, works=works)
        match outcome:
            case Later("credentials"):
                await self.denied(outcome.message)
            case Later("credits"):
                await self._account.refresh()
                facts, pause = await self._purser.facts(), REFUSED_PAUSES * self._first
                await self._keeper.begin(refused_credits(job, facts, price=price or 0, pause=pause))
            case Later("rate_limited") if state is State.SUBMITTING:
                await self._limited(job.model)
            case Never(verdict) if verdict.code == SAFETY:
                await self._refused()

    async def _judge(self, way: str, *, works: bool) -> None:
        """Begin or end an outage where a way to Runway is closed, or works."""
        if works:
            await self._keeper.end((way, "outage"))
        elif way in _CLOSED and self._keeper.ways.is_closed(way):
            until = self._keeper.ways[way].until
            await self._keeper.begin(
                Hold("outage", clock.now(), way, _CLOSED[way], until=None if way == API else until)
            )
            self.wants_account = True

    async def denied(self, why: str) -> None:
        """Runway does not accept the key, or there is none."""
        message = f"{why}: put a key that works where it is configured; it is looked for again and again"
        self._keeper.ways.tried(KEY, works=False, job="account")
        await self._keeper.begin(Hold("credentials", clock.now(), message=message))
        self.wants_account = True

    async def asked(self, error: ApiError | None) -> None:
        """Learn from a look at the account.

        It tells of the key. It begins no outage, and ends one only where nothing else that is free can, or
        does for a while: a part of Runway may be well while another is not. Where it fails for long as well,
        one paid request is tried now and then.
        """
        if isinstance(error, Denied):
            await self.denied(error.message)
            return
        if error is None:
            await self._keeper.end((ALL, "credentials"))
        if not self._keeper.is_open(ALL, "outage"):
            return
        if await self._clerk(self._ledger.probes, roots=self._keeper.roots):
            if error is None:  # then let what waits for long find out: one at a time may
                await self._clerk(self._ledger.hasten, at=clock.now())
            if not self._is_long_well(error):
                return
        self._keeper.ways.tried(API, works=error is None, job="account")
        await self._judge(API, works=error is None)
        self._keeper.is_blind = error is not None and self._keeper.ways[API].rests >= BLIND_AFTER

    def _is_long_well(self, error: ApiError | None) -> bool:
        """Whether the account has answered for a while in which nothing has failed: then it is over."""
        now, failures = clock.monotonic(), self._keeper.ways[API].failures
        if error is not None or self._well_since is None or failures != self._failures:
            self._well_since, self._failures = None if error is not None else now, failures
            return False
        return now - self._well_since >= WELL_SECONDS

    async def _limited(self, model: str) -> None:
        """A 429: whether it is the day's limit or only haste, the account's own figures say."""
        await self._account.refresh()
        if self._account.is_full(model):
            self._keeper.limited_at[model] = self._account.looks
            message = (
                f"Runway's daily limit for {model} is reached: its figures are looked at every few minutes"
            )
            await self._keeper.begin(Hold("daily_limit", clock.now(), model, message))

    async def _refused(self) -> None:
        since = await self._clerk(self._ledger.last_held, "moderation")
        codes = await self._clerk(self._ledger.latest_endings, limit=REFUSALS, since=since)
        if is_streak(codes):
            await self._keeper.begin(moderation(clock.now()))

    def excuse(self, state: State, outcome: Outcome) -> Outcome:
        """What a stage came to, without blame where its way to Runway is closed for everybody."""
        way = {State.UPLOADING: UPLOADS, State.COLLECTING: DOWNLOADS}.get(state)
        if (
            isinstance(outcome, Later)
            and outcome.counts
            and way is not None
            and self._keeper.ways.is_closed(way)
        ):
            return replace(outcome, counts=False)
        return outcome
