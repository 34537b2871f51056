"""One watch's inbox: scan, let settle, admit, move. The scan is the truth; hints only bring it forward."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from runway_watch import clock, drops, settle, sidecar
from runway_watch.clock import as_utc
from runway_watch.config import WatchSettings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.returning import write_down
from runway_watch.drops import FOLDER_DEFAULTS, Group
from runway_watch.errors import NameTaken, Refusal, SpoolError
from runway_watch.job import Generation, Job, Place, State
from runway_watch.log import say
from runway_watch.settle import Sight, Watched
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Listing, Spool, scan
from runway_watch.stages.admit import Desk, Waits, admit

_AT_A_TIME = 4
"""Groups that are looked at in parallel: hashing keeps that many threads busy."""

_BATCH = 64
"""Groups that go into the ledger together: a commit costs the disk the same for one and for many."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group whose files have settled."""

    folder: str
    group: Group
    sights: Mapping[str, Sight]
    layers: tuple[Sidecar, ...]
    patient: bool


@dataclass(slots=True)
class Inbox:
    """The inbox of one watch, and what is remembered of it between two scans.

    Args:
        bench: the daemon's tools.
        watch: the watch's settings.
        spool: its folders.
    """

    bench: Bench
    watch: WatchSettings
    spool: Spool
    waiting: dict[str, str] = field(default_factory=dict)  # path -> why
    _seen: dict[str, Watched] = field(default_factory=dict)
    _defaults: dict[str, tuple[Sight, Sidecar | Refusal]] = field(default_factory=dict)

    async def look(self) -> float | None:
        """Scan once; admit what is complete.

        Returns:
            Seconds after which another look is worth while because something may have settled by then;
            None when nothing is settling.

        Raises:
            SpoolError: the inbox cannot be read; nothing is concluded from that.
        """
        try:
            listings = await asyncio.to_thread(lambda: list(scan(self.spool.inbox, self.watch.ignore)))
        except OSError as error:
            raise SpoolError(f"{self.spool.inbox}: {error.strerror}") from error
        now = clock.monotonic()
        self._remember(listings, now)
        self.waiting = {}
        candidates: list[Candidate] = []
        soonest: float | None = None
        for listing in listings:
            for candidate, pause in self._sort(listing, now):
                if candidate is not None:
                    candidates.append(candidate)
                elif pause is not None:
                    soonest = pause if soonest is None else min(soonest, pause)
        say("inbox.scanned", level="debug", path=str(self.spool.inbox), ready=len(candidates))
        for start in range(0, len(candidates), _BATCH):
            await self._take_in(candidates[start : start + _BATCH])
        return soonest

    def _remember(self, listings: Iterable[Listing], now: float) -> None:
        sights = {_path(li.path, name): s for li in listings for name, s in li.files.items()}
        self._seen = {path: settle.watch(self._seen.get(path), sight, now) for path, sight in sights.items()}

    def _sort(self, listing: Listing, now: float) -> Iterable[tuple[Candidate | None, float | None]]:
        """The groups of a folder: candidates, or how long one has still to settle, or a reason to wait."""
        try:
            layers = self._layers(listing)
        except Refusal as refusal:
            self.waiting |= {_path(listing.path, name): refusal.message for name in listing.files}
            return
        optional = sidecar.layered(layers).job.get("sidecar") == "optional"
        for name in drops.unsupported(listing.files):
            self.waiting[_path(listing.path, name)] = (
                "unsupported: neither a picture, a film, a sound nor a sidecar"
            )
        for group in drops.pair(listing.files, optional=optional):
            watched = [self._seen[_path(listing.path, name)] for name in group.files]
            pause = max(settle.remaining(w, now=now, settle=self.watch.settle_seconds) for w in watched)
            if group.why:
                self._wait(listing.path, group, group.why)
            elif pause > 0:
                self._wait(listing.path, group, "still arriving")
                yield None, pause
            else:
                timeout = self.watch.settle_timeout_seconds
                patient = not all(settle.overdue(w, now=now, timeout=timeout) for w in watched)
                sights = {name: listing.files[name] for name in group.files}
                yield Candidate(listing.path, group, sights, layers, patient), None

    def _layers(self, listing: Listing) -> tuple[Sidecar, ...]:
        """The defaults for a folder, the most general first. Raises Refusal when one cannot be read."""
        if listing.defaults is None:
            self._defaults.pop(listing.path, None)
        else:
            self._read_defaults(listing.path, listing.defaults)
        table = dict(self.watch.defaults)
        layers = [Sidecar(table, table.pop("job", {}))]
        for folder in _chain(listing.path):
            found = self._defaults.get(folder, (None, sidecar.EMPTY))[1]
            if isinstance(found, Refusal):
                raise found
            layers.append(found)
        return tuple(layers)

    def _read_defaults(self, folder: str, sight: Sight) -> None:
        known = self._defaults.get(folder)
        if known is not None and known[0] == sight:
            return
        path = _path(folder, FOLDER_DEFAULTS)
        read: Sidecar | Refusal
        try:
            with self.spool.referred(path) as file:
                read = sidecar.parse(file.read(sidecar.MAX_BYTES + 1), name=path)
        except Refusal as refusal:
            read = refusal
        self._defaults[folder] = (sight, read)

    async def _take_in(self, candidates: list[Candidate]) -> None:
        limit = asyncio.Semaphore(_AT_A_TIME)

        async def judge(candidate: Candidate) -> tuple[Job, Generation] | None:
            async with limit:
                return await asyncio.to_thread(self._judge, candidate)

        judged = await asyncio.gather(*(judge(candidate) for candidate in candidates))
        admitted = [pair for pair in judged if pair is not None]
        if admitted:
            async with self.bench.lock(str(self.spool.root)):
                await self._move_in(admitted)
            self.bench.wake()

    def _judge(self, candidate: Candidate) -> tuple[Job, Generation] | None:
        now = clock.now()
        desk = Desk(
            root=str(self.spool.root),
            place=Place.INBOX,
            reading=self.spool.referred,
            referred=self.spool.referred,
            layers=candidate.layers,
            api=self.bench.settings.api,
            credits_per_job=self.bench.settings.budget.credits_per_job,
            now=now,
            patient=candidate.patient,
        )
        try:
            judged = admit(
                candidate.group, candidate.folder, candidate.sights, desk=desk, job_id=_new_id(now)
            )
        except (SpoolError, OSError) as error:
            self._wait(candidate.folder, candidate.group, f"cannot be read: {error}")
            return None
        if isinstance(judged, Waits):
            self._wait(candidate.folder, candidate.group, judged.why)
            return None
        return judged

    async def _move_in(self, admitted: list[tuple[Job, Generation]]) -> None:
        """Commit, move, commit: what was refused goes to failed/ by way of its retirement."""
        taken: set[tuple[str, Place, str]] = set()
        aimed = [(self._aim(job, taken), call) for job, call in admitted]
        written = await write_down(self.bench, self.spool, aimed)
        for job in written:
            _tell(job)
        arrived = [job for job in written if job.state is not State.RETIRING and await self._carry(job)]
        await self.bench.clerk.insist(self.bench.ledger.arrived, arrived)

    def _aim(self, job: Job, taken: set[tuple[str, Place, str]]) -> Job:
        target = Place.FAILED if job.state is State.RETIRING else Place.PROCESSING
        suffixes = [item.suffix for item in job.inputs]
        wanted, after = drops.safe(job.name), 0
        while True:
            name = self.spool.free_name(target, job.folder, wanted, suffixes, after=after)
            if (job.folder, target, name) not in taken:
                break
            after += 1
        taken.add((job.folder, target, name))
        return replace(job, target=target, target_name=name)

    async def _carry(self, job: Job) -> bool:
        try:
            missing = await asyncio.to_thread(self.spool.carry, job)
        except (SpoolError, NameTaken) as error:
            say("share.refused", level="warning", job=job.id, path=job.path, message=str(error))
            return False
        if missing:
            say("job.incomplete", level="warning", job=job.id, path=job.path, message=f"gone: {missing}")
        return True

    def _wait(self, folder: str, group: Group, why: str) -> None:
        self.waiting |= {_path(folder, name): why for name in group.files}


def _tell(job: Job) -> None:
    verdict = job.verdict
    say(
        "job.refused" if verdict else "job.accepted",
        level="warning" if verdict else "info",
        job=job.id,
        path=job.path,
        state=job.state.value,
        operation=job.operation or None,
        model=job.model or None,
        credits=job.price,
        code=verdict.code if verdict else None,
        message=verdict.message if verdict else None,
    )


def _new_id(now: float) -> str:
    """A job's name: its day, so that people can find it, and enough chance to be the only one."""
    return f"{as_utc(now):%y%m%d}-{secrets.token_hex(4)}"


def _chain(folder: str) -> list[str]:
    """A folder and those above it, the inbox itself first."""
    parts = folder.split("/") if folder else []
    return [""] + ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
