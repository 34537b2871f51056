"""The ledger for an event loop: one thread of its own, one transaction at a time, in order."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from runway_watch.errors import LedgerError, LostUpdate
from runway_watch.log import say

P = ParamSpec("P")
R = TypeVar("R")

_PAUSE = 2.0
"""Seconds between two tries to write down what has happened and cannot be made not to have happened."""


class Clerk:
    """Calls the ledger's methods, which block, without blocking the loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def __call__(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One transaction. Raises LedgerError as the method does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(method, *args, **kwargs))

    async def insist(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One transaction that has to be made: as long as the ledger cannot take it, it is tried again.

        Raises:
            LostUpdate: the ledger took it and it does not fit; trying again would not help.
        """
        while True:
            try:
                return await self(method, *args, **kwargs)
            except LostUpdate:
                raise
            except LedgerError as error:
                say("ledger.refused", level="error", message=f"{error}; trying again", due_in=_PAUSE)
                await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """End the thread when what it is doing is done."""
        self._thread.shutdown()
