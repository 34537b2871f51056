"""What there is to work with: the account as Runway tells it now, or as the ledger remembers it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from runway_watch import api, clock
from runway_watch.config import Settings, read_key
from runway_watch.daemon.account import KEPT, slots
from runway_watch.errors import ApiError, ConfigError, Denied
from runway_watch.ledger import Ledger

PATIENCE = api.Patience(connect=3.0, read=5.0, call=10.0, reason=2.0)
"""Somebody sits there and waits; without an answer there are the figures of the last look."""


@dataclass(frozen=True, slots=True)
class Means:
    """The account's figures.

    Args:
        balance: credits; None when they are not known.
        concurrency, daily, used: by model, as `api.Account` has them; None when nothing is known.
        at: when Runway was asked for them, seconds since 1970.
        trouble: why these are not the figures of this moment; "" when they are.
        is_fault: whether a person has to mend that.
    """

    balance: int | None = None
    concurrency: Mapping[str, int | None] | None = None
    daily: Mapping[str, int | None] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    at: float = 0.0
    trouble: str = ""
    is_fault: bool = False

    def slots(self, settings: Settings, model: str) -> int:
        """How many generations of a model run at a time."""
        return settings.limits.in_flight or slots(self.concurrency, model)


def ask(settings: Settings, ledger: Ledger, environment: Mapping[str, str]) -> Means:
    """Ask Runway, once, if there is a key; what it does not tell, the ledger does. Raises LedgerError."""
    asked_at = clock.now()
    try:
        key = read_key(settings, environment)
        if key is None:
            return _remembered(ledger, "there is no key")
        account = asyncio.run(_organization(settings, key))
    except Denied as error:
        return _remembered(ledger, f"Runway does not accept the key: {error.message}", is_fault=True)
    except ApiError as error:
        return _remembered(ledger, f"Runway does not answer: {error.message}")
    except ConfigError as error:
        return _remembered(ledger, str(error), is_fault=True)
    return Means(account.balance, account.concurrency, account.daily, account.used_today, asked_at)


async def _organization(settings: Settings, key: SecretStr) -> api.Account:
    async with api.Api(base_url=settings.api.base_url, key=key, patience=PATIENCE) as runway:
        return await runway.organization()


def _remembered(ledger: Ledger, trouble: str, *, is_fault: bool = False) -> Means:
    kept = ledger.recall(KEPT)
    if not kept:
        return Means(trouble=trouble, is_fault=is_fault)
    return Means(
        balance=kept["balance"],
        concurrency=kept["concurrency"],
        daily=kept["daily"],
        used=kept["used_today"],
        at=kept["at"],
        trouble=trouble,
        is_fault=is_fault,
    )
