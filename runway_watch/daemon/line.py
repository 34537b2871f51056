"""The dispatcher: what is due is taken through its stage, and what comes back is decided and committed.

`submitting` is committed here, in one place and one at a time, before any paid request leaves. Only then
is the request sent, once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from runway_watch import clock, log
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.work import Key, Work, key_of
from runway_watch.decide import Move, decide
from runway_watch.errors import LostUpdate, RunwayWatchError, SpoolError
from runway_watch.job import Generation, Job, Later, Outcome, State, Unsure
from runway_watch.records import held
from runway_watch.spool import HELD

_AT_ONCE = frozenset({State.COLLECTING, State.RETIRING})
"""Stages that follow the one before without another look at the queue."""

_STALE = Move("stale", {"uploaded_at": None, "due_at": 0.0})
"""One of its media has lain at Runway for too long: it is due for another upload."""

_SUBMIT = Move("submit", {"reason": None, "message": None})

Stage = Callable[[], Awaitable[Outcome | None]]
Pair = tuple[Job, Generation]
Counts = Mapping[State, int]


class Line:
    """Takes generations through their stages.

    Args:
        bench: the daemon's tools.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._work = Work(bench)
        self._roots = frozenset(bench.spools)
        self._busy: dict[Key, asyncio.Task[None]] = {}
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
        now, roots = clock.now(), self._roots
        for model, counts in (await self._bench.clerk(self._bench.ledger.traffic, roots=roots)).items():
            await self._load(model, counts, now)
            await self._submit(model, counts, now)
        due = await self._bench.clerk(self._bench.ledger.due, at=now, roots=roots)
        for job, call in self._free(due):
            self._start(job, call, self._next_stage(job, call))
        return await self._bench.clerk(self._bench.ledger.next_due, after=now, roots=roots)

    async def finish(self, seconds: float) -> None:
        """Start no further stage, and give those under way this long to reach their next commit."""
        self._closed = True
        under_way = [task for task in self._busy.values() if not task.done()]
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # -- the gates -------------------------------------------------------------------------------------

    async def _load(self, model: str, counts: Counts, now: float) -> None:
        """Begin uploads for as many as will soon find a slot."""
        begun = sum(counts.get(state, 0) for state in (State.UPLOADING, State.SUBMITTING, State.RUNNING))
        room = 2 * self._bench.account.slots(model) + self._bench.settings.limits.submit_ahead - begun
        pairs = await self._queue(State.READY, model, now, min(room, counts.get(State.READY, 0)))
        begin = Move("upload", {"due_at": now, "reason": None, "message": None})
        await self._commit([(job, call, begin) for job, call in pairs])

    async def _submit(self, model: str, counts: Counts, now: float) -> None:
        """Commit `submitting` for as many as there are slots, then send them."""
        slots = self._bench.account.slots(model) + self._bench.settings.limits.submit_ahead
        room = slots - counts.get(State.SUBMITTING, 0) - counts.get(State.RUNNING, 0)
        pairs = await self._queue(State.UPLOADING, model, now, min(room, counts.get(State.UPLOADING, 0)))
        loads = {key_of(call): await self._work.freight.lying_at_runway(job) for job, call in pairs}
        moves = [(job, call, _STALE if loads[key_of(call)] is None else _SUBMIT) for job, call in pairs]
        for (job, _, _), call in zip(moves, await self._commit(moves), strict=True):
            uris = loads[key_of(call)]
            if uris is not None:
                self._start(job, call, self._sending(job, call, uris))

    async def _queue(self, state: State, model: str, now: float, room: int) -> list[Pair]:
        if room <= 0:
            return []
        queue, roots = self._bench.ledger.queue, self._roots
        return self._free(await self._bench.clerk(queue, state, model, at=now, limit=room, roots=roots))

    def _free(self, pairs: list[Pair]) -> list[Pair]:
        """Those that are in no stage at this moment."""
        return [(job, call) for job, call in pairs if key_of(call) not in self._busy]

    # -- the stages ------------------------------------------------------------------------------------

    def _next_stage(self, job: Job, call: Generation) -> Stage:
        return lambda: self._work.stage(job, call)

    def _sending(self, job: Job, call: Generation, uris: Mapping[str, str]) -> Stage:
        return lambda: self._work.send(job, call, uris)

    def _start(self, job: Job, call: Generation, stage: Stage) -> None:
        key = key_of(call)
        task = asyncio.create_task(self._through(job, call, stage))
        self._busy[key] = task
        task.add_done_callback(lambda _: self._stepped(key, task))

    def _stepped(self, key: Key, task: asyncio.Task[None]) -> None:
        """Make room. What broke outside its stage stays busy: starting it again would only break it again."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.say("work.stuck", level="error", job=key[0], exc_info=error)
            return
        del self._busy[key]
        self._bench.wake()

    async def _through(self, job: Job, call: Generation, stage: Stage) -> None:
        """One stage, and those that follow it at once."""
        while (outcome := await self._guarded(call, stage)) is not None:
            move = self._decide(call, outcome)
            # A task that was paid for is named in the log, should the ledger not take its name.
            with log.about(job=job.id, path=job.path, task_id=move.changes.get("task_id", call.task_id)):
                try:
                    call = await self._settle(job, call, move)
                except LostUpdate as error:
                    log.say("job.overtaken", level="error", message=str(error))
                    return
            if call.state not in _AT_ONCE or call.due_at > clock.now() or self._closed:
                return
            if job.root not in self._roots:  # it was only asked about; its files are looked after later
                return
            stage = self._next_stage(job, call)

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
        [after] = await self._bench.clerk.insist(self._bench.ledger.move, [(call, move)], at=clock.now())
        log.transition(job, call, after, event=move.event, now=clock.now())
        if after.state is State.HELD:
            await asyncio.to_thread(post_held, self._bench, job, after)
        return after

    async def _commit(self, moves: list[tuple[Job, Generation, Move]]) -> list[Generation]:
        """Write down what is about to be done. Nothing has happened yet: trouble is the caller's."""
        if not moves:
            return []
        now = clock.now()
        rows = [(call, move) for _, call, move in moves]
        moved = await self._bench.clerk(self._bench.ledger.move, rows, at=now)
        for (job, before, move), after in zip(moves, moved, strict=True):
            log.transition(job, before, after, event=move.event, now=now)
        return moved


def post_held(bench: Bench, job: Job, call: Generation) -> None:
    """Write down beside a held job's files why it waits for a person."""
    assert call.verdict is not None
    text = held(job, call.verdict, since=call.submitted_at or clock.now())
    try:
        bench.spool(job).record(job, HELD, text, target=False)
    except SpoolError as error:
        log.say("record.refused", level="warning", job=job.id, path=job.path, message=str(error))
