"""The dispatcher: what is due is taken through its stage, and what comes back is decided and committed.

`submitting` is committed here, in one place and one at a time, before any paid request leaves. Only then
is the request sent, once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from runway_watch import clock, log, polling
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.filing import file_away
from runway_watch.daemon.freight import Freight
from runway_watch.decide import STAGE_OF, Move, Traffic, decide, foresee, pace
from runway_watch.errors import LostUpdate, SpoolError
from runway_watch.job import Done, Generation, Job, Later, Outcome, State, Unsure
from runway_watch.records import held
from runway_watch.spool import HELD
from runway_watch.stages.collect import EXPIRED, collect
from runway_watch.stages.poll import poll
from runway_watch.stages.submit import submit

_AT_ONCE = frozenset({State.COLLECTING, State.RETIRING})
"""Stages that follow the one before without another look at the queue."""

Key = tuple[str, int]


class Line:
    """Takes generations through their stages.

    Args:
        bench: the daemon's tools.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._freight = Freight(bench)
        self._busy: dict[Key, asyncio.Task[None]] = {}
        self._urls: dict[Key, tuple[str, ...]] = {}  # secret and short-lived: only ever in memory
        self._downloads = asyncio.Semaphore(bench.settings.limits.downloads)
        self._closed = False

    @property
    def busy(self) -> int:
        """How many generations are in a stage at this moment."""
        return len(self._busy)

    async def turn(self) -> float | None:
        """Start everything that is due. Returns when the next thing will be (seconds since 1970)."""
        if self._closed:
            return None
        now = clock.now()
        await self._load(now)
        await self._submit(now)
        for job, call in await self._bench.clerk(self._bench.ledger.due, at=now):
            self._start(job, call, lambda job=job, call=call: self._stage(job, call))
        return await self._bench.clerk(self._bench.ledger.next_due, after=now)

    async def finish(self, seconds: float) -> None:
        """Start nothing more, and give what is under way this long to reach its next commit."""
        self._closed = True
        if self._busy:
            _, late = await asyncio.wait(list(self._busy.values()), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # -- the gates -------------------------------------------------------------------------------------

    async def _load(self, now: float) -> None:
        """Begin uploads for as many as will soon find a slot."""
        for model, counts in (await self._bench.clerk(self._bench.ledger.traffic)).items():
            slots = self._bench.account.slots(model)
            room = 2 * slots + self._bench.settings.limits.submit_ahead - _begun(counts)
            for _, call in await self._queue(State.READY, model, now, room):
                await self._commit_one(call, Move("upload", {"due_at": now, "reason": None, "message": None}))

    async def _submit(self, now: float) -> None:
        """Commit `submitting` for as many as there are slots, then send them."""
        for model, counts in (await self._bench.clerk(self._bench.ledger.traffic)).items():
            slots = self._bench.account.slots(model) + self._bench.settings.limits.submit_ahead
            room = slots - counts.get(State.SUBMITTING, 0) - counts.get(State.RUNNING, 0)
            moves: list[tuple[Generation, Move]] = []
            loads: dict[Key, tuple[Job, Mapping[str, str]]] = {}
            for job, call in await self._queue(State.UPLOADING, model, now, room):
                uris = await self._freight.lying_at_runway(job)
                if uris is None:
                    await self._commit_one(call, Move("stale", {"uploaded_at": None, "due_at": now}))
                    continue
                moves.append((call, Move("submit", {"reason": None, "message": None})))
                loads[job.id, call.n] = (job, uris)
            for call in await self._commit(moves, {key: job for key, (job, _) in loads.items()}):
                job, uris = loads[call.job, call.n]
                self._start(job, call, lambda j=job, c=call, u=uris: self._send(j, c, u))

    async def _queue(self, state: State, model: str, now: float, room: int) -> list[tuple[Job, Generation]]:
        if room <= 0:
            return []
        pairs = await self._bench.clerk(self._bench.ledger.queue, state, model, at=now, limit=room)
        return [(job, call) for job, call in pairs if (job.id, call.n) not in self._busy]

    # -- the stages ------------------------------------------------------------------------------------

    def _start(self, job: Job, call: Generation, stage: Callable[[], Awaitable[Outcome | None]]) -> None:
        key = (job.id, call.n)
        if key in self._busy:
            return
        task = asyncio.create_task(self._through(job, call, stage))
        self._busy[key] = task
        task.add_done_callback(lambda _: (self._busy.pop(key, None), self._bench.wake()))

    async def _through(
        self, job: Job, call: Generation, stage: Callable[[], Awaitable[Outcome | None]]
    ) -> None:
        """One stage, and those that follow it at once."""
        while True:
            outcome = await self._guarded(call, stage)
            if outcome is None:
                return
            try:
                call = await self._settle(job, call, outcome)
            except LostUpdate as error:
                log.say("job.overtaken", level="error", job=job.id, path=job.path, message=str(error))
                return
            if call.state not in _AT_ONCE or call.due_at > clock.now() or self._closed:
                return
            stage = lambda call=call: self._stage(job, call)  # noqa: E731

    async def _guarded(
        self, call: Generation, stage: Callable[[], Awaitable[Outcome | None]]
    ) -> Outcome | None:
        try:
            return await stage()
        except Exception as error:  # noqa: BLE001 - the one place where a bug of ours becomes an outcome
            log.say("stage.broken", level="error", job=call.job, state=call.state.value, exc_info=error)
            what = f"{type(error).__name__} in {STAGE_OF[call.state]}: a fault of runway-watch itself"
            return Unsure(what) if call.state is State.SUBMITTING else Later("internal", what)

    async def _stage(self, job: Job, call: Generation) -> Outcome | None:
        match call.state:
            case State.UPLOADING:
                return await self._freight.bring(job)
            case State.RUNNING:
                return await self._poll(job, call)
            case State.COLLECTING:
                return await self._collect(job, call)
            case State.RETIRING:
                await file_away(self._bench, job.id)
        return None

    async def _send(self, job: Job, call: Generation, uris: Mapping[str, str]) -> Outcome:
        outcome = await submit(job, uris, api=self._bench.api, tries=call.tries)
        if not isinstance(outcome, Done):
            return outcome
        samples, seen = await self._bench.clerk(self._bench.ledger.durations, job.kind)
        ends = await self._bench.clerk(self._bench.ledger.foreseen_ends, job.model)
        traffic = Traffic(self._bench.account.slots(job.model), ends, samples, seen)
        return foresee(outcome, traffic, poll=self._bench.settings.poll, now=clock.now())

    async def _poll(self, job: Job, call: Generation) -> Outcome:
        outcome = await poll(job, call, api=self._bench.api)
        now = clock.now()
        if isinstance(outcome, Later):
            return pace(call, outcome, poll=self._bench.settings.poll, now=now)
        if isinstance(outcome, Done):
            facts = dict(outcome.facts)
            self._urls[job.id, call.n] = facts.pop("urls")
            await self._learn(job, call, now)
            return Done(facts | {"polled_at": now, "polls": call.polls + 1})
        return outcome

    async def _learn(self, job: Job, call: Generation, now: float) -> None:
        if call.started_at is None:
            return
        usual = None if call.foreseen_at is None else call.foreseen_at - call.started_at
        seconds = polling.sample(
            started=call.started_at,
            noticed=now,
            last_seen=call.polled_at,
            progress=call.progress,
            usual=usual,
        )
        await self._bench.clerk(self._bench.ledger.took, job.kind, max(0.0, seconds))

    async def _collect(self, job: Job, call: Generation) -> Outcome:
        urls = self._urls.pop((job.id, call.n), None)
        if urls is None:
            asked = await self._ask_for_urls(job, call)
            if not isinstance(asked, tuple):
                return asked
            urls = asked
        async with self._downloads:
            outcome = await collect(
                job,
                call,
                urls,
                courier=self._bench.courier,
                spool=self._bench.spool(job),
                max_bytes=self._bench.settings.limits.max_output_mb * 1_000_000,
            )
        if isinstance(outcome, Later) and outcome.reason == EXPIRED:
            return replace(outcome, counts=True, after=self._bench.settings.poll.min_seconds)
        return outcome

    async def _ask_for_urls(self, job: Job, call: Generation) -> tuple[str, ...] | Outcome:
        """Fresh addresses, from the task itself; never sooner than Runway allows to ask again."""
        wait = (call.polled_at or 0.0) + self._bench.settings.poll.min_seconds - clock.now()
        if wait > 0:
            return Later("addresses", "waits for fresh addresses", after=wait, counts=False)
        outcome = await poll(job, replace(call, credits=0), api=self._bench.api)
        if isinstance(outcome, Done):
            urls: tuple[str, ...] = outcome.facts["urls"]
            return urls
        return outcome

    # -- the commits -----------------------------------------------------------------------------------

    async def _settle(self, job: Job, call: Generation, outcome: Outcome) -> Generation:
        move = decide(
            call,
            outcome,
            retry=self._bench.settings.retry,
            now=clock.now(),
            jitter=random.random(),  # noqa: S311
        )
        [after] = await self._commit([(call, move)], {(job.id, call.n): job})
        if after.state is State.HELD:
            post_held(self._bench, job, after)
        return after

    async def _commit_one(self, call: Generation, move: Move) -> None:
        found = await self._bench.clerk(self._bench.ledger.job, call.job)
        if found is not None:
            await self._commit([(call, move)], {(call.job, call.n): found[0]})

    async def _commit(
        self, moves: list[tuple[Generation, Move]], jobs: Mapping[Key, Job]
    ) -> list[Generation]:
        """Write down moves, and tell of them when they are on disk."""
        if not moves:
            return []
        now = clock.now()
        moved = await self._bench.clerk.insist(self._bench.ledger.move, moves, at=now)
        for (before, move), after in zip(moves, moved, strict=True):
            log.transition(jobs[before.job, before.n], before, after, event=move.event, now=now)
        return moved


def post_held(bench: Bench, job: Job, call: Generation) -> None:
    """Write down beside a held job's files why it waits for a person."""
    assert call.verdict is not None
    text = held(job, call.verdict, since=call.submitted_at or clock.now())
    try:
        bench.spool(job).record(job, HELD, text, target=False)
    except SpoolError as error:
        log.say("record.refused", level="warning", job=job.id, path=job.path, message=str(error))


def _begun(counts: Mapping[State, int]) -> int:
    return sum(counts.get(state, 0) for state in (State.UPLOADING, State.SUBMITTING, State.RUNNING))
