"""What each stage needs from the ledger and from what was learned, put around the stages themselves."""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runway_watch import clock, polling
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.filing import file_away
from runway_watch.daemon.freight import Freight
from runway_watch.decide import first_question, look_at, pace
from runway_watch.errors import ApiError, SpoolError
from runway_watch.job import Done, Generation, Job, Later, Never, Outcome, State, Unsure
from runway_watch.stages.collect import EXPIRED, Origin, collect
from runway_watch.stages.poll import poll
from runway_watch.stages.share import gone, share
from runway_watch.stages.submit import submit
from runway_watch.stages.trouble import SHARE, folder_trouble

_LOOKS = 40
"""How many looks at the running tasks of a kind are remembered."""

Key = tuple[str, int]


def key_of(call: Generation) -> Key:
    """What names a generation."""
    return call.job, call.n


class Work:
    """Runs one stage of one generation at a time, and comes back with its outcome."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.freight = Freight(bench)
        self._origins: dict[Key, list[Origin]] = {}  # secret and short-lived: only ever in memory
        self._looks: dict[str, deque[polling.Look]] = {}
        self._downloads = asyncio.Semaphore(bench.settings.limits.downloads)

    async def stage(self, job: Job, call: Generation) -> Outcome | None:
        """The stage that a generation is in. None when nothing is left to decide."""
        match call.state:
            case State.UPLOADING:
                return await self.freight.bring(job)
            case State.RUNNING:
                return await self._ask(job, call)
            case State.COLLECTING:
                return await self._collect(job, call)
            case State.RETIRING:
                await file_away(self._bench, job)
        return None

    async def send(self, job: Job, call: Generation, uris: Mapping[str, str]) -> Outcome:
        """The paid request, and when to ask about its task first."""
        outcome = await submit(job, uris, api=self._bench.api, tries=call.tries)
        if isinstance(outcome, Never):
            await self.freight.forget(job)  # what Runway will not have may be what it no longer has
        if not isinstance(outcome, Done):
            return outcome
        usual, now = await self._usual(job), clock.now()
        settings, jitter = self._bench.settings.poll, random.random()  # noqa: S311 - no secret, a spread
        return first_question(outcome, usual=usual, poll=settings, now=now, jitter=jitter)

    async def _ask(self, job: Job, call: Generation) -> Outcome:
        outcome = await poll(job, call, api=self._bench.api)
        now = clock.now()
        if isinstance(outcome, Later):
            looks = self._looks.setdefault(job.kind, deque(maxlen=_LOOKS))
            if (look := look_at(call, outcome, now=now)) is not None:
                looks.append(look)
            usual, settings = await self._usual(job), self._bench.settings.poll
            return pace(call, outcome, usual=usual, looks=looks, poll=settings, now=now)
        if isinstance(outcome, Done):
            facts = dict(outcome.facts)
            self._origins[key_of(call)] = await self._origins_of(job, facts)
            await self._learn(job, call, now)
            return Done(facts | {"polled_at": now, "polls": call.polls + 1})
        return outcome

    async def _usual(self, job: Job) -> float | None:
        return polling.usual(await self._bench.clerk.insist(self._bench.ledger.durations, job.kind))

    async def _learn(self, job: Job, call: Generation, now: float) -> None:
        """Remember how long this kind of generation takes."""
        if call.started_at is None:
            return
        seconds = polling.sample(
            started=call.started_at,
            noticed=now,
            last_seen=call.polled_at,
            progress=call.progress,
            usual=await self._usual(job),
            span=polling.span(self._looks.get(job.kind, ())),
        )
        if seconds is not None:
            await self._bench.clerk.insist(self._bench.ledger.took, job.kind, seconds)

    def has_addresses(self, call: Generation) -> bool:
        """Whether a finished task's outputs can be fetched without asking Runway."""
        return key_of(call) in self._origins

    async def _share(self, job: Job, call: Generation, leader_id: str) -> Outcome:
        """The result of the job that asked for the same; when it is gone, this one runs for itself."""
        found = await self._bench.clerk.insist(self._bench.ledger.job, leader_id)
        if found is None or found[0].wish != job.wish or found[0].root not in self._bench.spools:
            outcome: Outcome = gone("the earlier job is not what it was")
        else:
            outcome = await self._take_from(job, call, *found)
        if isinstance(outcome, Never) and job.duplicate_of is not None:
            alone, roots = self._bench.ledger.go_alone, set(self._bench.spools)
            await self._bench.clerk.insist(alone, job, at=clock.now(), roots=roots)
        return outcome

    async def _done_before(self, job: Job) -> str | None:
        """The job whose result one shares that goes alone: half of it may have been there for the taking."""
        roots = set(self._bench.spools)
        like = await self._bench.clerk.insist(self._bench.ledger.like, job.wish, but=job.id, roots=roots)
        return like.id if like is not None and like.state is State.DONE else None

    async def _take_from(self, job: Job, call: Generation, leader: Job, calls: list[Generation]) -> Outcome:
        """Take the result where it lies, which may be on another share."""
        spool, theirs = self._bench.spool(job), self._bench.spool(leader)
        away = self._bench.keeper.away
        if why := away.get(leader.root) or away.get(job.root):  # what is not to be seen there is not gone
            return Later(SHARE, why, counts=False)
        try:
            return await theirs.hands(share, job, call, leader, calls, spool=spool, theirs=theirs)
        except SpoolError as error:
            return folder_trouble(error)

    async def _collect(self, job: Job, call: Generation) -> Outcome:
        if call.task_id is None:
            leader_id = job.duplicate_of or await self._done_before(job)
            if leader_id is None:  # a crash came between its going alone and its move
                return gone("the daemon stopped when it was to run for itself")
            return await self._share(job, call, leader_id)
        origins, learned = self._origins.pop(key_of(call), None), {}
        if origins is None:
            asked = await self._ask_for_addresses(job, call)
            if not isinstance(asked, Done):
                return asked
            learned = dict(asked.facts)
            origins = await self._origins_of(job, learned)
        async with self._downloads:
            outcome = await collect(
                job,
                call,
                origins,
                courier=self._bench.courier,
                spool=self._bench.spool(job),
                max_bytes=self._bench.settings.limits.max_output_mb * 1_000_000,
            )
        if isinstance(outcome, Later) and outcome.reason == EXPIRED:
            outcome = replace(outcome, counts=True, after=self._bench.settings.poll.min_seconds)
        return (
            outcome if isinstance(outcome, Unsure) else replace(outcome, facts=learned | dict(outcome.facts))
        )

    async def _origins_of(self, job: Job, facts: dict[str, Any]) -> list[Origin]:
        """Take the addresses out of what a poll has told, each with the name of the node that made it."""
        urls, nodes = facts.pop("urls"), facts.pop("nodes")
        if not nodes:
            return [Origin(url) for url in urls]
        try:
            names = await self._bench.api.node_names(job.operation.rpartition("/")[2])
        except ApiError:  # a workflow that is not to be seen any more has made its outputs all the same
            names = {}
        return [Origin(url, names.get(node, node)) for url, node in zip(urls, nodes, strict=True)]

    async def _ask_for_addresses(self, job: Job, call: Generation) -> Outcome:
        """Fresh addresses, from the task itself; never sooner than Runway allows to ask again.

        What the task has cost was written down when it ended, unless nobody was to wait for that.
        """
        wait = (call.polled_at or 0.0) + self._bench.settings.poll.min_seconds - clock.now()
        if wait > 0:
            return Later("addresses", "waits for fresh addresses", after=wait, counts=False)
        outcome = await poll(job, call, api=self._bench.api)
        if isinstance(outcome, Unsure | Later):
            return outcome
        facts = dict(outcome.facts) | {"ended_at": clock.now()}
        known = () if call.charged is None and call.ended_at is None else ("credits", "charged", "ended_at")
        return replace(outcome, facts={key: value for key, value in facts.items() if key not in known})
