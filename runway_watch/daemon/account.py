"""What the account allows: how many generations of a model Runway runs at a time."""

from runway_watch import api
from runway_watch.config import LimitSettings
from runway_watch.errors import ApiError, Denied
from runway_watch.log import say

UNLIMITED = 100
"""Slots where Runway names no limit."""

UNKNOWN = 1
"""Slots before Runway has answered: one works for every account."""


class Account:
    """The account's figures as they were at the last look.

    Args:
        client: Runway.
        limits: `in_flight` overrides what the account says.
    """

    def __init__(self, client: api.Api, limits: LimitSettings) -> None:
        self._api = client
        self._limits = limits
        self._known: api.Account | None = None
        self._trouble: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether Runway has ever answered."""
        return self._known is not None

    @property
    def balance(self) -> int | None:
        """Credits left at the last look."""
        return self._known.balance if self._known else None

    def slots(self, model: str) -> int:
        """How many generations of a model run at the same time."""
        if self._limits.in_flight:
            return self._limits.in_flight
        if self._known is None:
            return UNKNOWN
        listed = self._known.concurrency
        if model not in listed:
            return min((n for n in listed.values() if n is not None), default=UNKNOWN)
        allowed = listed[model]
        return UNLIMITED if allowed is None else allowed

    async def refresh(self) -> None:
        """Look again. Trouble is told once, and the old figures stay."""
        try:
            self._known = await self._api.organization()
        except ApiError as error:
            message = "Runway does not accept the key" if isinstance(error, Denied) else error.message
            if message != self._trouble:
                say("account.unknown", level="warning", message=message)
            self._trouble = message
        else:
            self._trouble = None
