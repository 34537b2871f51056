"""The gate: what is new begins here and nowhere else, as far as slots, holds, money and time allow.

`submitting` is committed here, one turn at a time, and with it the most that the call may cost: however
many are sent side by side, what they may cost together never passes a cap.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.following import share_results
from runway_watch.daemon.moves import Planned, commit
from runway_watch.daemon.work import Work, key_of
from runway_watch.decide import NO_REASON, Move, fail
from runway_watch.holds import ALL, Facts, barrier, unaffordable
from runway_watch.job import Generation, Job, State, Verdict

_STALE = Move("stale", {"uploaded_at": None, "due_at": 0.0})
"""One of its media has lain at Runway for too long: it is due for another upload."""

Pair = tuple[Job, Generation]
Counts = Mapping[State, int]
Sending = tuple[Job, Generation, Mapping[str, str]]


class Gate:
    """Lets generations begin.

    Args:
        bench: the daemon's tools.
        work: knows what lies at Runway.
        is_free: whether a generation is in no stage at this moment.
    """

    def __init__(self, bench: Bench, work: Work, is_free: Callable[[Generation], bool]) -> None:
        self._bench, self._work, self._is_free = bench, work, is_free

    async def turn(self, *, now: float, sending: int) -> AsyncIterator[Sending]:
        """Begin what may begin, and give what is to be sent at once, each with where its media lie.

        It is `submitting` already when it is given: whoever takes it sends it before anything else.

        Args:
            now: the moment.
            sending: how many paid requests are on their way.

        Raises:
            LedgerError: it cannot be written to; what was not given by then has not begun.
        """
        keeper = self._bench.keeper
        facts = await keeper.review()
        await share_results(self._bench, now)
        traffic = await self._bench.clerk(self._bench.ledger.traffic, at=now, roots=self._roots)
        self._bench.lessons.is_busy = any(_at_runway(counts) for counts in traffic.values())
        for model in await self._by_priority(traffic, now):
            counts = traffic[model]
            if keeper.may_load and model not in keeper.barred:
                await self._load(model, counts, now)
            if keeper.may_send and model not in keeper.barred:
                begun, facts = await self._submit(model, counts, facts, sending=sending)
                sending += len(begun)
                for each in begun:
                    yield each

    async def _by_priority(self, models: Collection[str], now: float) -> list[str]:
        """Models in the order of their most urgent jobs: what is dear to a person spends first."""
        if len(models) < 2:
            return list(models)
        heads = {model: await self._queue(State.UPLOADING, model, now, 1) for model in models}
        firsts = {
            model: (-pairs[0][0].priority, pairs[0][0].accepted_at) for model, pairs in heads.items() if pairs
        }
        return sorted(models, key=lambda model: firsts.get(model, (float("inf"), 0.0)))

    @property
    def _roots(self) -> Collection[str]:
        return self._bench.keeper.roots

    async def _load(self, model: str, counts: Counts, now: float) -> None:
        """Begin uploads for as many as will soon find a slot."""
        begun = counts.get(State.UPLOADING, 0) + _at_runway(counts)
        ahead = self._bench.settings.limits.submit_ahead + len(self._bench.keeper.stuck)
        room = 2 * self._bench.account.slots(model) + ahead - begun
        pairs = await self._queue(State.READY, model, now, min(room, counts.get(State.READY, 0)))
        await commit(
            self._bench, [(job, call, Move("upload", {"due_at": now, **NO_REASON})) for job, call in pairs]
        )

    async def _submit(
        self, model: str, counts: Counts, facts: Facts, *, sending: int
    ) -> tuple[list[Sending], Facts]:
        """Commit `submitting` for as many as there are slots, ways and money."""
        keeper, now, running = self._bench.keeper, facts.now, _at_runway(counts)
        slots = self._bench.account.slots(model) + self._bench.settings.limits.submit_ahead
        room = min(slots - running, keeper.room(sending=sending, running=running, now=now))
        if now < keeper.ways[model].until:
            return [], facts
        pairs = await self._queue(State.UPLOADING, model, now, min(room, counts.get(State.UPLOADING, 0)))
        moves: list[Planned] = []
        loads: dict[tuple[str, int], Mapping[str, str]] = {}
        for job, call in pairs:
            move, facts = await self._allow(job, call, facts, loads)
            if move is not None:
                moves.append((job, call, move))
            elif not keeper.may_send or model in keeper.barred:
                break
        moved = await commit(self._bench, moves)
        sent = [(job, call) for (job, _, _), call in zip(moves, moved, strict=True) if key_of(call) in loads]
        return [(job, call, loads[key_of(call)]) for job, call in sent], facts

    async def _allow(
        self, job: Job, call: Generation, facts: Facts, loads: dict[tuple[str, int], Mapping[str, str]]
    ) -> tuple[Move | None, Facts]:
        """The move of the next in the queue, None when a hold bars it; the facts with its price reserved."""
        terms = await self._bench.purser.terms(job)
        price = terms["price"]
        if (verdict := await self._too_dear(job)) is not None:
            return fail(verdict, now=facts.now), facts
        hold = barrier(job, facts, **terms)
        if hold is not None:
            await self._bench.keeper.begin(hold)
            return None, facts
        lying = await self._work.freight.lying_at_runway(job)
        if lying is None:
            return _STALE, facts
        loads[key_of(call)] = lying
        known = {"estimated": price, "charged": None, "evidence": self._bench.purser.before(job)}
        return Move("submit", {**known, **NO_REASON}), facts.spending(price or 0)

    async def _too_dear(self, job: Job) -> Verdict | None:
        """The verdict on a job that may cost more than it may by now: all of its generations together."""
        per_job = self._bench.settings.budget.credits_per_job
        if not per_job and job.options.get("max_credits") is None:
            return None
        price = await self._bench.purser.together(job.id)
        return unaffordable(job, price=price, per_job=per_job)

    async def _queue(self, state: State, model: str, now: float, room: int) -> list[Pair]:
        if room <= 0:
            return []
        barred = self._bench.keeper.barred - {ALL}
        queue, limit = self._bench.ledger.queue, room + len(barred)
        pairs = await self._bench.clerk(queue, state, model, at=now, limit=limit, roots=self._roots)
        free = [(job, call) for job, call in pairs if self._is_free(call) and job.id not in barred]
        return free[:room]


def _at_runway(counts: Counts) -> int:
    return counts.get(State.SUBMITTING, 0) + counts.get(State.RUNNING, 0)
