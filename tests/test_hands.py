"""Hands: blocking work in threads of a share's own, that nobody has to wait for for ever."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from runway_watch.errors import SpoolError
from runway_watch.hands import MOMENT, Hands, Lent, within


class Gate:
    """Work that begins, says so, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = threading.Event(), threading.Event(), threading.Event()

    def work(self, answer: str = "done") -> str:
        self.begun.set()
        assert self.may_end.wait(10)
        self.ended.set()
        return answer

    @contextmanager
    def context(self, left: threading.Event) -> Iterator[str]:
        yield self.work()
        left.set()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - threads set no asyncio.Event
            await asyncio.sleep(0.001)


def run(work: Callable[[Hands], Awaitable[None]], *, most: int = 12) -> None:
    async def all_of_it() -> None:
        await work(Hands("tests", most=most))

    asyncio.run(all_of_it())


def test_results_and_errors_come_back_and_trouble_of_the_system_is_trouble_of_the_share() -> None:
    async def work(hands: Hands) -> None:
        assert await hands(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await hands(divmod, 7, 0)
        with pytest.raises(SpoolError, match="/not/there: No such file") as caught:
            await hands(open, "/not/there")
        assert isinstance(caught.value.__cause__, FileNotFoundError)

    run(work)


def test_so_many_threads_work_side_by_side_and_no_more() -> None:
    async def work(hands: Hands) -> None:
        together = threading.Barrier(2)

        def one() -> None:
            together.wait(10)

        await asyncio.gather(*(hands(one) for _ in range(20)))  # two at a time, or the barrier breaks
        assert await asyncio.gather(*(hands(str, n) for n in range(100))) == [str(n) for n in range(100)]

    run(work, most=2)


def test_threads_end_when_there_is_nothing_to_do_and_begin_when_there_is() -> None:
    def names() -> list[str]:
        return [thread.name for thread in threading.enumerate()]

    async def work(_: Hands) -> None:
        restless = Hands("restless", idle_seconds=0.05)
        for n in range(3):
            assert await restless(str, n) == str(n)
            assert "restless" in names()
            await until(lambda: "restless" not in names())

    run(work)


def test_whoever_waits_is_let_go_when_the_share_is_given_up_and_nothing_new_begins() -> None:
    async def work(hands: Hands) -> None:
        gate = Gate()
        waiting = asyncio.ensure_future(hands(gate.work))
        await until(gate.begun.is_set)
        hands.give_up("it hangs")
        with pytest.raises(SpoolError, match="it hangs"):
            await waiting
        with pytest.raises(SpoolError, match="it hangs"):
            await hands(str, 1)
        assert hands.busy == 1
        gate.may_end.set()
        await until(lambda: hands.busy == 0)
        hands.take_up()
        assert await hands(str, 1) == "1"

    run(work)


def test_what_has_not_begun_when_the_share_is_given_up_never_begins() -> None:
    async def work(hands: Hands) -> None:
        gate, done = Gate(), list[int]()
        calls = [asyncio.ensure_future(hands(gate.work)), asyncio.ensure_future(hands(done.append, 1))]
        await until(gate.begun.is_set)
        hands.give_up("it hangs")
        assert all(isinstance(e, SpoolError) for e in await asyncio.gather(*calls, return_exceptions=True))
        gate.may_end.set()
        await until(lambda: hands.busy == 0)
        hands.take_up()
        await hands(str, 1)
        assert not done

    run(work, most=1)


def test_a_cancelled_call_ends_only_when_its_thread_has() -> None:
    async def work(hands: Hands) -> None:
        gate = Gate()
        task = asyncio.ensure_future(hands(gate.work))
        await until(gate.begun.is_set)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        gate.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.ended.is_set()

    run(work)


def test_a_cancelled_call_does_not_wait_for_a_share_that_is_given_up() -> None:
    async def work(hands: Hands) -> None:
        gate = Gate()
        task = asyncio.ensure_future(hands(gate.work))
        await until(gate.begun.is_set)
        task.cancel()
        await asyncio.sleep(0)
        hands.give_up("it hangs")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gate.ended.is_set()
        gate.may_end.set()

    run(work)


def test_what_is_lent_is_touched_and_left_by_the_hands_alone() -> None:
    async def work(hands: Hands) -> None:
        where = list[str]()

        @contextmanager
        def context() -> Iterator[list[str]]:
            where.append(threading.current_thread().name)
            yield where
            where.append(threading.current_thread().name)

        async with hands.lend(context()) as lent:
            assert isinstance(lent, Lent)
            await lent(lambda names: names.append(threading.current_thread().name))
        assert where == ["tests"] * 3

    run(work)


def test_what_was_opened_too_late_is_closed_all_the_same() -> None:
    async def work(hands: Hands) -> None:
        gate, left = Gate(), threading.Event()

        async def borrow() -> None:
            async with hands.lend(gate.context(left)):
                raise AssertionError("nobody is there any more")

        borrowing = asyncio.ensure_future(borrow())
        await until(gate.begun.is_set)
        hands.give_up("it hangs")
        with pytest.raises(SpoolError, match="it hangs"):
            await borrowing
        gate.may_end.set()
        await until(left.is_set)

    run(work)


def test_what_is_to_be_closed_is_closed_however_often_the_share_is_given_up() -> None:
    async def work(hands: Hands) -> None:
        gate, left = Gate(), threading.Event()

        @contextmanager
        def context() -> Iterator[None]:
            yield
            left.set()

        async with hands.lend(context()):
            hanging = asyncio.ensure_future(hands(gate.work))
            await until(gate.begun.is_set)
            hands.give_up("it hangs")
        hands.give_up("it still hangs")
        assert isinstance((await asyncio.gather(hanging, return_exceptions=True))[0], SpoolError)
        assert not left.is_set()
        gate.may_end.set()
        await until(left.is_set)

    run(work, most=1)


def test_who_has_no_loop_waits_for_so_long_and_no_longer() -> None:
    assert within(10, divmod, 7, 2) == (3, 1)
    with pytest.raises(FileNotFoundError):
        within(10, open, "/not/there")
    gate = Gate()
    with pytest.raises(SpoolError, match=r"no answer within 0\.05 s"):
        within(0.05, gate.work)
    gate.may_end.set()


def test_many_small_things_are_done_by_few_threads_and_each_once() -> None:
    async def work(hands: Hands) -> None:
        threads = set[str]()

        def square(n: int) -> int:
            threads.add(f"{threading.get_ident()}")
            return n * n

        assert sorted(await hands.each(square, range(500), at_once=2)) == [n * n for n in range(500)]
        assert len(threads) <= 2
        assert await hands.each(square, [], at_once=2) == []

    run(work)


def test_an_error_among_many_comes_back_when_all_that_were_begun_have_ended() -> None:
    async def work(hands: Hands) -> None:
        gate = Gate()

        def act(n: int) -> None:
            if n == 0:
                gate.work()
            raise ZeroDivisionError

        many = asyncio.ensure_future(hands.each(act, range(50), at_once=2))
        await until(gate.begun.is_set)
        await until(lambda: hands.busy == 1)
        assert not many.done()
        gate.may_end.set()
        with pytest.raises(ZeroDivisionError):
            await many

    run(work)


def test_whoever_is_cancelled_among_many_waits_for_a_moment_and_not_for_all() -> None:
    async def work(hands: Hands) -> None:
        gate, done = Gate(), list[int]()

        def act(n: int) -> None:
            gate.work()
            done.append(n)

        many = asyncio.ensure_future(hands.each(act, range(1000), at_once=1))
        await until(gate.begun.is_set)
        many.cancel()
        await until(lambda: hands.longest(time.monotonic()) > MOMENT)
        gate.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await many
        assert done == [0]

    run(work)
