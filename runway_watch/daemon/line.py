"""The dispatcher: what is due is taken through its stage, and what comes back is decided and committed.

What is new passes the gate first, which commits `submitting` before any paid request leaves. Only then
is the request sent, once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.disks import learn_size, look_at_disks
from runway_watch.daemon.doubts import post_held
from runway_watch.daemon.gate import Gate
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.moves import insist
from runway_watch.daemon.work import Key, Work, key_of
from runway_watch.decide import Move, decide
from runway_watch.errors import LedgerError, LostUpdate, RunwayWatchError
from runway_watch.holds import API, DOWNLOADS, SLOTS, UPLOADS
from runway_watch.job import Generation, Job, Later, Outcome, State, Unsure
from runway_watch.stages.trouble import SHARE

_AT_ONCE = frozenset({State.COLLECTING, State.RETIRING})
"""Stages that follow the one before without another look at the queue."""

Stage = Callable[[], Awaitable[Outcome | None]]


class Line:
    """Takes generations through their stages.

    Args:
        bench: the daemon's tools.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._work = Work(bench)
        self._gate = Gate(bench, self._work, self._is_free)
        self._busy: dict[Key, asyncio.Task[None]] = {}
        self._stages: dict[Key, State] = {}  # in which stage each of them is
        self._stopped: set[str] = set()  # jobs that are being cancelled
        self._closed = False

    @property
    def busy(self) -> int:
        """How many generations are in a stage at this moment."""
        return sum(1 for task in self._busy.values() if not task.done())

    async def turn(self) -> float | None:
        """Start everything that is due. Returns when the next thing will be (seconds since 1970).

        Raises:
            LedgerError: it cannot be written to; what had not begun by then has not begun.
        """
        now, roots, ledger = clock.now(), self._bench.keeper.there, self._bench.ledger
        async for job, call, uris in self._gate.turn(now=now, sending=self._at(State.SUBMITTING)):
            self._start(job, call, partial(self._work.send, job, call, uris))
        for job, call in await self._bench.clerk(ledger.due, at=now, roots=roots):
            if self._is_free(call) and self._may_go_on(call, now):
                self._start(job, call, partial(self._work.stage, job, call))
        due = await self._bench.clerk(ledger.next_due, after=now, roots=roots)
        ends = self._bench.keeper.next_end(after=now)
        return min((moment for moment in (due, ends) if moment is not None), default=None)

    def _is_free(self, call: Generation) -> bool:
        return key_of(call) not in self._busy and call.job not in self._stopped

    def _may_go_on(self, call: Generation, now: float) -> bool:
        """Whether what has begun may take its next step: what is paid for does, wherever it can."""
        keeper = self._bench.keeper
        match call.state:
            case State.UPLOADING:
                return keeper.may_load and self._room(call.state, now, API, UPLOADS, SLOTS)
            case State.RUNNING:
                return keeper.may_ask and self._room(call.state, now, API)
            case State.COLLECTING if self._work.has_addresses(call):
                return self._room(call.state, now, DOWNLOADS)
            case State.COLLECTING:
                return keeper.may_ask and self._room(call.state, now, API, DOWNLOADS)
        return True

    def _room(self, state: State, now: float, *ways: str) -> bool:
        """Whether one more may use these ways; what has failed is tried by one of a stage at a time."""
        room = self._bench.keeper.ways.room
        return all(room(way, in_use=self._at(state), now=now) > 0 for way in ways)

    def _at(self, state: State) -> int:
        """How many are in a stage at this moment."""
        return Counter(self._stages.values())[state]

    @asynccontextmanager
    async def stopped(self, job_id: str) -> AsyncIterator[None]:
        """Break off the stage of a job, and begin none within the block.

        Only where that loses nothing: a paid request, or a filing, is not broken off.
        """
        self._stopped.add(job_id)
        try:
            tasks = [
                task
                for key, task in self._busy.items()
                if key[0] == job_id and self._stages.get(key) not in (State.SUBMITTING, State.RETIRING)
            ]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            yield
        finally:
            self._stopped.discard(job_id)

    async def finish(
        self, soon: Callable[[], float], left: Callable[[], float], give_up: Callable[[], None]
    ) -> None:
        """Start no further stage, and give those under way some time to reach their next commit.

        Args:
            soon: how many seconds there are left for that.
            left: the same for paid requests: one that is cut off is in doubt.
            give_up: has nobody wait for a share any longer, once the time is over.
        """
        self._closed = True
        await self._wait(soon)
        give_up()
        late = self._under_way()
        sent = [task for key, task in late.items() if self._stages.get(key) is State.SUBMITTING]
        for task in set(late.values()) - set(sent):
            task.cancel()
        await self._wait(left)
        for task in sent:
            task.cancel()
        await asyncio.gather(*late.values(), return_exceptions=True)

    def _under_way(self) -> "dict[Key, asyncio.Task[None]]":
        return {key: task for key, task in self._busy.items() if not task.done()}

    async def _wait(self, left: Callable[[], float]) -> None:
        """Wait until nothing is under way, or no time is left."""
        while (late := self._under_way()) and left() > 0:
            await asyncio.wait(late.values(), timeout=min(left(), 1.0))

    # -- the stages ------------------------------------------------------------------------------------

    def _start(self, job: Job, call: Generation, stage: Stage) -> None:
        key = key_of(call)
        self._stages[key] = call.state
        task = asyncio.create_task(self._through(job, call, stage))
        self._busy[key] = task
        task.add_done_callback(lambda _: self._stepped(key, task))

    def _stepped(self, key: Key, task: asyncio.Task[None]) -> None:
        """Make room. What broke outside its stage stays busy: starting it again would only break it again."""
        self._stages.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.say("work.stuck", level="error", job=key[0], exc_info=error)
            if not isinstance(error, RunwayWatchError):
                return
        del self._busy[key]
        self._bench.wake()

    async def _through(self, job: Job, call: Generation, stage: Stage) -> None:
        """One stage, and those that follow it at once."""
        while (outcome := await self._guarded(call, stage)) is not None:
            before, outcome = call, self._bench.lessons.excuse(call.state, outcome)
            if job.duplicate_of is None:
                self._bench.lessons.note(job, call.state, outcome)
            move = self._decide(call, outcome)
            # A task that was paid for is named in the log, should the ledger not take its name.
            with log.about(job=job.id, path=job.path, task_id=move.changes.get("task_id", call.task_id)):
                try:
                    call = await self._settle(job, call, move)
                except LostUpdate as error:
                    log.say("job.overtaken", level="error", message=str(error))
                    return
            await self._learn(job, before, call, outcome)
            if call.state not in _AT_ONCE or call.due_at > clock.now() or self._closed:
                return
            if job.root not in self._bench.keeper.there:  # it was only asked about: its files come later
                return
            self._stages[key_of(call)] = call.state
            stage = partial(self._work.stage, job, call)

    async def _learn(self, job: Job, before: Generation, call: Generation, outcome: Outcome) -> None:
        """Let holds, prices and sizes follow what has been committed."""
        if isinstance(outcome, Later) and outcome.reason == SHARE:
            self._bench.suspicion(job.root).set()
        if job.duplicate_of is not None:
            return
        try:
            await self._bench.lessons.notice(job, before.state, outcome, price=before.estimated)
            if isinstance(outcome, Later) and outcome.reason == "disk":
                await look_at_disks(self._bench)
            await learn_size(self._bench, call.outputs)
            if before.state is State.SUBMITTING and call.state is State.RUNNING:
                await self._bench.purser.learn(job, call)
        except LedgerError as error:  # it is learned again from the next one
            log.say("ledger.refused", level="warning", message=str(error))

    async def _guarded(self, call: Generation, stage: Stage) -> Outcome | None:
        def instead(what: str) -> Outcome:
            # A paid request that broke on our side may still have been carried out.
            return Unsure(what) if call.state is State.SUBMITTING else Later("internal", what)

        try:
            return await guarded(stage, instead=instead, job=call.job, state=call.state.value)
        except RunwayWatchError as error:
            return instead(str(error))

    # -- the commits -----------------------------------------------------------------------------------

    def _decide(self, call: Generation, outcome: Outcome) -> Move:
        retry, jitter = self._bench.settings.retry, random.random()  # noqa: S311 - no secret, a spread
        return decide(call, outcome, retry=retry, now=clock.now(), jitter=jitter)

    async def _settle(self, job: Job, call: Generation, move: Move) -> Generation:
        """Write down what a stage came to. It has happened, so the ledger has to take it, however long."""
        [after] = await insist(self._bench, [(job, call, move)])
        if after.state is State.HELD:
            await post_held(self._bench, job)
            self._bench.lessons.wants_account = True
        return after
