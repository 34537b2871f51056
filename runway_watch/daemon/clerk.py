"""The ledger for an event loop: one thread of its own, calls in order, one commit for all that wait.

A commit waits for the disk; twenty steps that end together should wait for it once. Calls that arrive
while a commit is under way are carried out in one transaction after it, and nobody hears of a result
before it is on disk. Should one of them fail, all are carried out again, each in its own transaction.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from runway_watch.errors import LedgerError, LostUpdate
from runway_watch.ledger import Ledger
from runway_watch.ledger.aside import Damaged
from runway_watch.log import say

P = ParamSpec("P")
R = TypeVar("R")

_PAUSE = 2.0
"""Seconds between two tries to write down what has happened and cannot be made not to have happened."""

_TOGETHER = 200
"""Calls in one transaction at most."""


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class Clerk:
    """Calls the ledger's methods, which block, without blocking the loop.

    Args:
        ledger: nobody else may use it from now on.
        on_damage: called when it turns out to be broken; whoever asked is told too.
    """

    def __init__(self, ledger: Ledger, on_damage: Callable[[Damaged], None] = lambda _: None) -> None:
        self._ledger = ledger
        self._on_damage = on_damage
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    async def __call__(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One call. Raises LedgerError as the method does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._calls.put(_Call(partial(method, *args, **kwargs), loop, future))
        try:
            return await future
        except Damaged as error:
            self._on_damage(error)
            raise

    async def insist(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One call that has to succeed: as long as the ledger cannot take it, it is tried again.

        Raises:
            LostUpdate: the ledger took it and it does not fit; trying again would not help.
            Damaged: it is broken, and will be set aside at the next start.
        """
        while True:
            try:
                return await self(method, *args, **kwargs)
            except (LostUpdate, Damaged):
                raise
            except LedgerError as error:
                say("ledger.refused", level="error", message=f"{error}; trying again", due_in=_PAUSE)
                await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """End the thread when everything asked for is done."""
        self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            calls, last = self._waiting(call)
            for one, (result, error) in zip(calls, self._together(calls), strict=True):
                one.loop.call_soon_threadsafe(_deliver, one.future, result, error)
            if last:
                return

    def _waiting(self, first: _Call) -> tuple[list[_Call], bool]:
        """Everything that has been asked for by now, and whether it was the last."""
        calls = [first]
        while len(calls) < _TOGETHER:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                return calls, True
            calls.append(call)
        return calls, False

    def _together(self, calls: list[_Call]) -> list[tuple[Any, Exception | None]]:
        if len(calls) > 1:
            try:
                with self._ledger.one_transaction():
                    return [(call.work(), None) for call in calls]
            except Exception as error:  # noqa: BLE001 - whose it was is found out by doing each alone
                del error
        return [_alone(call) for call in calls]


def _alone(call: _Call) -> tuple[Any, Exception | None]:
    try:
        return call.work(), None
    except Exception as error:  # noqa: BLE001 - it is raised where the call was made
        return None, error


def _deliver(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
