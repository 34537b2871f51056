"""One watch's inbox: look, admit, move. The scan is the truth; hints only bring it forward."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from runway_watch import clock
from runway_watch.config import WatchSettings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.following import tell_shared
from runway_watch.daemon.guard import guarded
from runway_watch.daemon.naming import new_id
from runway_watch.daemon.porter import bring_in
from runway_watch.daemon.returning import Names, were_here, write_down
from runway_watch.job import Generation, Job, Place, State, cropped
from runway_watch.log import say
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged, judge
from runway_watch.stages.desk import Candidate, Desk, Waits
from runway_watch.stages.survey import Known, survey

_AT_A_TIME = 4
"""Groups that are looked at in parallel: hashing keeps that many threads busy."""

_BATCH = 64
"""Groups that go into the ledger together: a commit costs the disk the same for one and for many."""

_LOOK_AGAIN = 1.0
"""Seconds after which a settled file that turned out not to be whole is looked at again, at the least."""


@dataclass(slots=True)
class Inbox:
    """The inbox of one watch, and what is remembered of it between two looks.

    Args:
        bench: the daemon's tools.
        watch: the watch's settings.
        spool: its folders.
        turn_seconds: for about so long drops are taken in before the next scan: what has come meanwhile does
            not wait for all of a heap. One batch is taken in however short the turn.
        turn_scans: and for at least so many times as long as the scan before it took.
    """

    bench: Bench
    watch: WatchSettings
    spool: Spool
    turn_seconds: float = 5.0
    turn_scans: float = 4.0
    waiting: dict[str, str] = field(default_factory=dict)  # path -> why
    alive_at: float = field(default_factory=clock.monotonic)  # when a look last came a step further
    _known: Known = field(default_factory=Known)
    _stuck: set[tuple[str, str]] = field(default_factory=set)  # accepted, and not to be moved just now

    async def look(self) -> float | None:
        """Scan once; admit what is complete.

        Returns:
            Seconds after which another look is worth while; None when nothing is settling.

        Raises:
            SpoolError: the inbox cannot be read; nothing is concluded from that.
        """
        self.alive_at = clock.monotonic()
        await self._carry_on()
        now = self.alive_at = clock.monotonic()
        found = await self.spool.hands(survey, self.spool, self.watch, self._known, now)
        self._known, self.waiting = found.known, found.waiting
        candidates = [c for c in found.candidates if (c.folder, c.group.name) not in self._stuck]
        say("inbox.scanned", level="debug", path=str(self.spool.inbox), ready=len(candidates))
        scanned = clock.monotonic()
        turn = max(self.turn_seconds, self.turn_scans * (scanned - now))
        soon = await self._take_turns(candidates, until=scanned + turn)
        return min((pause for pause in (soon, found.soonest) if pause is not None), default=None)

    async def _take_turns(self, candidates: list[Candidate], *, until: float) -> float | None:
        """Take in what was found, a batch at a time, up to a moment. Returns as `look` does."""
        soonest, pause = None, max(_LOOK_AGAIN, self.watch.settle_seconds)
        for start in range(0, len(candidates), _BATCH):
            if start and clock.monotonic() > until:  # what is new is first, and waits for nothing
                return pause if candidates[start].first in self._known.judged else 0.0
            if await self._take_in(candidates[start : start + _BATCH]):
                soonest = pause
        return soonest

    async def _carry_on(self) -> None:
        """Carry what was accepted before and is still on its way: a crash, or a folder in trouble."""
        root, ledger = str(self.spool.root), self.bench.ledger
        async with self.bench.lock(root):  # whoever moves files now has told the ledger when it is ours
            pending = [job for job in await self.bench.clerk(ledger.in_transit) if job.root == root]
            # What goes to done/ or failed/ is filed with its outputs, by whoever files it.
            coming_in = [job for job in pending if job.target is Place.PROCESSING]
            going_out = (job for job in pending if job.target is not Place.PROCESSING)
            self._stuck = {(job.folder, job.name) for job in going_out if job.place is Place.INBOX}
            if coming_in:
                await self._bring_in(coming_in)
                self.bench.wake()

    async def _take_in(self, candidates: list[Candidate]) -> bool:
        """Admit a batch. Returns whether one of them has to be looked at again soon."""
        judged = await self._judge_all(candidates)
        admitted = [verdict for verdict in judged if not isinstance(verdict, Waits)]
        changed = False
        if admitted:
            async with self.bench.lock(str(self.spool.root)):
                same = await self.spool.hands(self._unchanged, admitted)
                await self._move_in(same)
                changed = len(same) < len(admitted)
            self.bench.wake()
        return changed or any(isinstance(verdict, Waits) and verdict.soon for verdict in judged)

    async def _judge_all(self, candidates: list[Candidate]) -> list[Judged | Waits]:
        """All of a batch together; each alone, should a bug that one of them meets break that."""
        together = partial(self.spool.hands.each, self._judge, candidates, at_once=_AT_A_TIME)
        judged = await guarded(together, instead=lambda _: None, path=str(self.spool.inbox))
        if judged is not None:
            return judged
        alone = ((c.group.name, partial(self.spool.hands, self._judge, c)) for c in candidates)
        return [await guarded(look, instead=Waits, path=name) for name, look in alone]

    def _unchanged(self, admitted: list[Judged]) -> list[Judged]:
        """Those whose files are still what was judged; the others are looked at again."""
        return [(job, calls) for job, calls in admitted if self.spool.is_unchanged(job)]

    def _judge(self, candidate: Candidate) -> Judged | Waits:
        self.alive_at, now = clock.monotonic(), clock.now()
        desk = Desk.at(Place.INBOX, self.spool, self.bench.settings, now=now)
        judged = judge(candidate, desk=desk, job_id=new_id(now))
        if isinstance(judged, Waits):
            self.waiting |= dict.fromkeys(candidate.paths, judged.why)
            self._known.judged[candidate.first] = self.alive_at
            if judged.still:
                self._known.still[candidate.first] = candidate
        return judged

    async def _move_in(self, admitted: list[Judged]) -> None:
        """Commit, move, commit: what was refused goes to failed/ by way of its retirement."""
        back = await were_here(self.bench, self.spool, [job for job, _ in admitted])
        admitted = [(job, calls) for job, calls in admitted if job.id not in back.unclear]
        jobs = await self.spool.hands(lambda: [self._aim(job, back.taken) for job, _ in admitted])
        aimed = list(zip(jobs, [calls for _, calls in admitted], strict=True))
        written = await write_down(self.bench, self.spool, aimed, back)
        calls = {job.id: calls for job, calls in aimed}
        for job in written:
            tell_shared(job)
            _tell(job, calls.get(job.id, ()))
        await self._bring_in([job for job in written if job.state is not State.RETIRING])

    async def _bring_in(self, jobs: list[Job]) -> None:
        stays = await bring_in(self.bench, self.spool, jobs)
        self._stuck |= {(job.folder, job.name) for job in stays}

    def _aim(self, job: Job, taken: Names) -> Job:
        target = Place.FAILED if job.state is State.RETIRING else Place.PROCESSING
        names = (self.spool.name_for(job, target, job.name, after=after) for after in count())
        name = next(name for name in names if (job.folder, target, name) not in taken)
        taken.add((job.folder, target, name))
        return replace(job, target=target, target_name=name)


def _tell(job: Job, calls: Sequence[Generation]) -> None:
    verdict = job.verdict
    say(
        "job.refused" if verdict else "job.accepted",
        level="warning" if verdict else "info",
        path=job.path,
        job=job.id,
        state=job.state.value,
        operation=job.operation or None,
        model=job.model or None,
        credits=None if verdict else job.price,
        cropped=None if verdict else cropped(job, calls) or None,
        code=verdict.code if verdict else None,
        message=verdict.message if verdict else None,
    )
