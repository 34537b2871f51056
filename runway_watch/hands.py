"""Hands for blocking work on one share: threads of its own, that nobody else waits for.

A share may hang, and with it every thread that touches it. So each has its own threads; whoever waits for
them can be told to wait no longer, and nothing new is begun until the last abandoned call has come back.
A cancelled call ends only when its thread has, or the share was given up: nothing goes on behind anybody.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from runway_watch import clock
from runway_watch.errors import SpoolError

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")

THREADS = 12
"""More than transfers and looks need side by side by default; each waits for a disk, or for a network."""

MOMENT = 0.25
"""Seconds for which a thread takes on one after the other: whoever is cancelled waits for no longer."""


@dataclass(slots=True, eq=False)
class _Call:
    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    undo: Callable[[], object] | None = None  # done when it comes back and nobody waits for it any more
    is_due: bool = False  # it is done whoever waits: what was opened has to be closed
    begun: bool = False


class Hands:
    """The threads of one share. Call it with what is to be done: `await hands(spool.carry, job)`.

    Args:
        name: for the threads' names.
        most: threads at a time; more calls wait for one.
        idle_seconds: a thread that has had nothing to do for so long ends.
    """

    def __init__(self, name: str, *, most: int = THREADS, idle_seconds: float = 5.0) -> None:
        self._name, self._most, self._idle_seconds = name, most, idle_seconds
        self._queue: SimpleQueue[_Call] = SimpleQueue()
        self._lock, self._idle, self._threads = Lock(), Semaphore(0), 0
        self._waiting: set[_Call] = set()  # for whose result somebody waits
        self._running: dict[_Call, float] = {}  # since when, on the monotonic clock
        self._gone: str | None = None

    @property
    def busy(self) -> int:
        """How many calls have not come back, those that nobody waits for any more among them."""
        return len(self._running)

    def longest(self, now: float) -> float:
        """For how long the oldest call under way has been so, in seconds; `now` is on the monotonic clock."""
        return max((now - since for since in list(self._running.values())), default=0.0)

    async def __call__(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What `work` returns for these arguments.

        Raises:
            SpoolError: it raised an OSError, which is the cause; or the share was given up.
        """
        return await self._result(partial(work, *args, **options))

    async def each(self, work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> list[R]:
        """What `work` returns for each of these, in no particular order.

        A thread takes one after the other for a moment: handing over each costs more than a look at a small
        file. Others join in only for what it has not done by then, which waits for a disk or a network: those
        that compute take turns, and lose a quarter by that. Raises as a call does, when all that were begun
        have ended; what they returned is lost.

        Args:
            at_once: threads at a time, after the first moment.
        """
        left: SimpleQueue[T] = SimpleQueue()
        for item in items:
            left.put(item)
        done: list[R] = []
        threads = 1
        while not left.empty():
            calls = [self(_some, work, left) for _ in range(min(threads, left.qsize()))]
            for some in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(some, BaseException):
                    raise some
                done += some
            threads = at_once
        return done

    @asynccontextmanager
    async def lend(self, context: AbstractContextManager[T]) -> "AsyncIterator[Lent[T]]":
        """Open something on the share, such as a file, and close it again.

        Nobody waits for it to be closed when the share was given up. Raises as a call does.
        """
        leave = partial(context.__exit__, None, None, None)
        opened = await self._result(context.__enter__, undo=leave)
        try:
            yield Lent(opened, self)
        finally:
            leaving = self._begin(leave, is_due=True)
            if self._gone is None:
                await _ended(leaving)

    def give_up(self, why: str) -> None:
        """Have nobody wait any longer, and refuse whatever comes, until `take_up`: both with a SpoolError."""
        self._gone = why
        for call in list(self._waiting):
            if not call.future.done():
                call.future.set_exception(SpoolError(why))

    def take_up(self) -> None:
        """Work again."""
        self._gone = None

    # -- in the event loop -----------------------------------------------------------------------------

    async def _result(self, work: Callable[[], T], undo: Callable[[], object] | None = None) -> T:
        if self._gone is not None:
            raise SpoolError(self._gone)
        call = self._begin(work, undo)
        try:
            result: T = await asyncio.shield(call.future)
        except asyncio.CancelledError:
            self._withdraw(call)
            await _ended(call)
            if undo is not None and not call.future.cancelled() and call.future.exception() is None:
                self._begin(undo, is_due=True)
            raise
        except OSError as error:
            raise SpoolError.of(error, self._name) from error
        return result

    def _begin(
        self, work: Callable[[], Any], undo: Callable[[], object] | None = None, *, is_due: bool = False
    ) -> _Call:
        loop = asyncio.get_running_loop()
        call = _Call(work, loop, loop.create_future(), undo, is_due)
        self._waiting.add(call)
        call.future.add_done_callback(lambda _: self._over(call))
        self._queue.put(call)
        self._hire()
        return call

    def _over(self, call: _Call) -> None:
        self._waiting.discard(call)
        if not call.future.cancelled():
            call.future.exception()  # seen, also where nobody waits for it any more

    def _withdraw(self, call: _Call) -> None:
        """Have a call not begin, if it has not begun."""
        with self._lock:
            if not call.begun:
                call.future.cancel()

    def _deliver(self, call: _Call, result: Any, error: BaseException | None) -> None:
        if not call.future.done():
            _settle(call.future, result, error)
        elif error is None and call.undo is not None:
            self._begin(call.undo, is_due=True)

    def _hire(self) -> None:
        with self._lock:  # a thread that is about to end takes itself out under the same lock
            if self._idle.acquire(blocking=False) or self._threads >= self._most:
                return
            self._threads += 1
        Thread(target=self._work, name=self._name, daemon=True).start()

    # -- in the threads --------------------------------------------------------------------------------

    def _work(self) -> None:
        while (call := self._next()) is not None:
            with self._lock:
                call.begun = call.is_due or not call.future.done()
            if call.begun:
                self._running[call] = clock.monotonic()
                result, error = _outcome(call.work)
                del self._running[call]
                with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                    call.loop.call_soon_threadsafe(self._deliver, call, result, error)

    def _next(self) -> _Call | None:
        """The next call; None when this thread is wanted no more."""
        with suppress(Empty):
            return self._queue.get_nowait()
        self._idle.release()
        while True:
            with suppress(Empty):
                return self._queue.get(timeout=self._idle_seconds)
            with self._lock:
                if self._idle.acquire(blocking=False):  # else somebody counts on it
                    self._threads -= 1
                    return None


def _some(work: Callable[[T], R], left: "SimpleQueue[T]") -> list[R]:
    """Do one after the other for a moment, and at least one if there is one left."""
    done: list[R] = []
    until = clock.monotonic() + MOMENT
    with suppress(Empty):
        while not done or clock.monotonic() < until:
            done.append(work(left.get_nowait()))
    return done


def within(seconds: float, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """What `work` returns, for who has no event loop.

    Raises:
        SpoolError: it takes longer; its thread is left behind. Else whatever it raises.
    """
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    call = partial(work, *args, **options)
    Thread(target=lambda: done.put(_outcome(call)), name="within", daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise SpoolError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    answer: T = result
    return answer


class Lent(Generic[T_co]):
    """What is open on a share, with the hands that may touch it: `await file(work)` is `work(file)`."""

    def __init__(self, thing: T_co, hands: Hands) -> None:
        self._thing, self._hands = thing, hands

    async def __call__(
        self, work: Callable[Concatenate[T_co, P], R], *args: P.args, **options: P.kwargs
    ) -> R:
        """What `work` returns for the thing and these arguments. Raises as a call of the hands does."""
        return await self._hands(work, self._thing, *args, **options)


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
        return None, error


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


async def _ended(call: _Call) -> None:
    """Wait until nobody works on a call, or it was given up, however often that wait is cancelled."""
    while not call.future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([call.future])
