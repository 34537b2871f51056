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
from runway_watch.decide import Move, decide, departure
from runway_watch.errors import LostUpdate, RunwayWatchError, SpoolError
from runway_watch.job import Generation, Job, Later, Outcome, State, Unsure
from runway_watch.records import held
from runway_watch.spool import HELD

_AT_ONCE = frozenset({State.COLLECTING, State.RETIRING})
"""Stages that follow the one before without another look at the queue."""

_STALE = Move("stale", {"uploaded_at": None, "due_at": 0.0})
"""One of its media has lain at Runway for too long: it is due for another upload."""

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
        """Start everything that is due. Returns when the next thing will be (seconds since 1970)."""
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
        ends = await self._bench.clerk(self._bench.ledger.foreseen_ends, model) if pairs else []
        moves = []
        for job, call in pairs:
            move = _STALE if loads[key_of(call)] is None else await self._departure(job, ends, now)
            moves.append((job, call, move))
        for (job, _, _), call in zip(moves, await self._commit(moves), strict=True):
            uris = loads[key_of(call)]
            if uris is not None:
                self._start(job, call, self._sending(job, call, uris))

    async def _departure(self, job: Job, ends: list[float | None], now: float) -> Move:
        """The move to `submitting`; its foreseen end joins those that the next one queues behind."""
        samples = await self._bench.clerk(self._bench.ledger.durations, job.kind)
        slots = self._bench.account.slots(job.model)
        times = departure(now, ends=ends, slots=slots, samples=samples)
        ends.append(times["foreseen_at"])
        return Move("submit", {"reason": None, "message": None} | times)

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
            try:
                call = await self._settle(job, call, outcome)
            except LostUpdate as error:
                log.say("job.overtaken", level="error", job=job.id, path=job.path, message=str(error))
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

    async def _settle(self, job: Job, call: Generation, outcome: Outcome) -> Generation:
        retry, jitter = self._bench.settings.retry, random.random()  # noqa: S311 - no secret, a spread
        move = decide(call, outcome, retry=retry, now=clock.now(), jitter=jitter)
        [after] = await self._commit([(job, call, move)])
        if after.state is State.HELD:
            await asyncio.to_thread(post_held, self._bench, job, after)
        return after

    async def _commit(self, moves: list[tuple[Job, Generation, Move]]) -> list[Generation]:
        """Write down moves, and tell of them when they are on disk."""
        if not moves:
            return []
        now = clock.now()
        rows = [(call, move) for _, call, move in moves]
        moved = await self._bench.clerk.insist(self._bench.ledger.move, rows, at=now)
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
