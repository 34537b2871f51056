"""What the account has and allows, as it was at the last look; kept in the ledger for whoever asks next."""

from collections.abc import Mapping
from dataclasses import asdict

from runway_watch import api, clock
from runway_watch.config import LimitSettings
from runway_watch.daemon.clerk import Clerk
from runway_watch.errors import ApiError, Denied, LedgerError
from runway_watch.ledger import Ledger
from runway_watch.log import say

UNLIMITED = 100
"""Slots where Runway names no limit."""

UNKNOWN = 1
"""Slots before Runway has answered: one works for every account."""

KEPT = "account"
"""The name under which the ledger keeps the last look."""


class Account:
    """The account's figures.

    Args:
        client: Runway.
        limits: `in_flight` overrides what the account says.
        ledger, clerk: where the last look is kept.
    """

    def __init__(self, client: api.Api, limits: LimitSettings, ledger: Ledger, clerk: Clerk) -> None:
        self._api = client
        self._limits = limits
        self._ledger, self._clerk = ledger, clerk
        self._known: api.Account | None = None
        self._trouble: str | None = None
        self.looked_at = 0.0
        """When the figures were asked for, seconds since 1970; 0 when Runway has never answered."""
        self.tried_at = 0.0
        """When they were asked for last, whether or not there was an answer."""
        self.looks = 0
        """How often Runway has answered."""

    @property
    def is_known(self) -> bool:
        """Whether Runway has answered since the start."""
        return self._known is not None

    @property
    def balance(self) -> int | None:
        """Credits left at the last look."""
        return self._known.balance if self._known else None

    def slots(self, model: str) -> int:
        """How many generations of a model run at the same time."""
        return self._limits.in_flight or slots(self._known.concurrency if self._known else None, model)

    def used(self, model: str) -> int | None:
        """How many generations of a model were begun in the last 24 h, at the last look."""
        return self._known.used_today.get(model, 0) if self._known else None

    def is_full(self, model: str) -> bool:
        """Whether the account has had all the generations of a model that it may have in 24 h."""
        most = self._known.daily.get(model) if self._known else None
        return most is not None and (self.used(model) or 0) >= most

    def shift(self, seconds: float) -> None:
        """Take the last look along with a clock that was set, unless it was made after that."""
        now = clock.now()
        if self.looked_at:
            self.looked_at = _nearest(now, self.looked_at, self.looked_at + seconds)
        if self.tried_at:
            self.tried_at = _nearest(now, self.tried_at, self.tried_at + seconds)

    async def refresh(self) -> ApiError | None:
        """Look again. Trouble is told once and returned, and the old figures stay."""
        self.tried_at, began = clock.now(), clock.monotonic()
        try:
            found = await self._api.organization()
        except ApiError as error:
            message = (
                f"Runway does not accept the key: {error}" if isinstance(error, Denied) else error.message
            )
            if message != self._trouble:
                say("account.unknown", level="warning", message=message)
            self._trouble = message
            return error
        asked_at = clock.now() - (clock.monotonic() - began)  # by the clock as it is now, should it be set
        self._known, self._trouble, self.looked_at = found, None, asked_at
        self.looks += 1
        try:
            await self._clerk(self._ledger.remember, KEPT, {"at": asked_at, **asdict(found)})
        except LedgerError as trouble:  # the figures are good all the same
            say("ledger.refused", level="warning", message=str(trouble))
        return None


def slots(concurrency: Mapping[str, int | None] | None, model: str) -> int:
    """How many generations of a model an account runs at a time, by its own figures (None: not known)."""
    if concurrency is None:
        return UNKNOWN
    if model not in concurrency:
        return min((n for n in concurrency.values() if n is not None), default=UNKNOWN)
    allowed = concurrency[model]
    return UNLIMITED if allowed is None else allowed


def _nearest(now: float, *moments: float) -> float:
    return min(moments, key=lambda moment: abs(now - moment))
