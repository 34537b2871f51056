"""What each drop and each waiting job may cost, and which of them cost nothing because they share a result.

The rules are the daemon's: Runway's own word for a like request goes before the price list, a drop that
was here before goes on as the job that it was, and of those that ask for the same only the first pays.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from runway_watch import catalogue, polling
from runway_watch.catalogue import Price
from runway_watch.config import Settings
from runway_watch.decide import revive
from runway_watch.errors import SpoolError
from runway_watch.holds import unaffordable
from runway_watch.job import Generation, Job, State, Verdict
from runway_watch.ledger import Ledger
from runway_watch.report.inboxes import name
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged
from runway_watch.stages.earlier import earlier, is_kept
from runway_watch.stages.share import is_there, shares_failure


@dataclass(frozen=True, slots=True)
class Line:
    """A drop or a job, as it is told.

    Args:
        path: how a person calls it.
        credits: the most that it may cost; None when nobody knows.
        note: how sure that is.
        is_guess: nobody has said what its like costs; the credits are what is kept ready for it.
        free: why it costs nothing; "" where it does.
        seconds: how long its kind usually takes; None when nobody knows.
        verdict: why it would not go on.
    """

    path: str
    job: Job
    call: Generation
    credits: int | None = None
    note: str = ""
    is_guess: bool = False
    free: str = ""
    seconds: float | None = None
    verdict: Verdict | None = None

    @property
    def is_paid(self) -> bool:
        """Whether a generation would begin for it."""
        return self.verdict is None and not self.free


class Pricing:
    """Prices by one ledger.

    Args:
        settings: for the cap of a job and the roots.
        ledger: what has been learned and done so far.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._is_new = not ledger.counts()
        self._prices: dict[str, tuple[int | None, Price]] = {}
        self._usual: dict[str, float | None] = {}
        self._leaders: dict[str, str] = {}  # by wish: the first drop that asks for it
        self.returned: set[str] = set()
        """Jobs whose files lie in the inbox again: they are told as drops."""

    def drops(self, judged: Iterable[Judged]) -> list[Line]:
        """The lines of what lies in the inboxes, in the order of the daemon's look. Raises LedgerError."""
        with self._ledger.one_transaction():
            return [self._drop(job, call) for job, call in judged]

    def line(self, job: Job, call: Generation) -> Line:
        """The line of a job in the ledger. Raises LedgerError."""
        found = self._priced(job, call)
        leader = self._ledger.job(job.duplicate_of) if job.duplicate_of else None
        if leader is None or not _may_share(leader[0]):
            return found
        return replace(found, free=f"same as {job.duplicate_of}", verdict=None)

    def _drop(self, job: Job, call: Generation) -> Line:
        if job.verdict is not None:
            return Line(self._called(job), job, call, verdict=job.verdict)
        was = None if self._is_new else self._earlier(job)
        line = self._priced(job, call)
        if was is None:
            return self._shared(line, own=job.id)
        self.returned.add(was.id)
        if is_kept(was):
            return replace(line, free=f"is {was.state} as {was.id}, its files go back there")
        before = next(iter(self._ledger.calls(was.id)), None)
        _, again = revive(job, call, was=was, before=before)
        if again.state is State.COLLECTING:
            return replace(line, free=f"paid for as {was.id}, its result is only fetched")
        return self._shared(line, own=was.id)

    def _priced(self, job: Job, call: Generation) -> Line:
        kind = catalogue.price_kind(job.operation, job.params, job.price)
        if kind not in self._prices:
            self._prices[kind] = self._ledger.estimate(job), _listed(job)
        learned, listed = self._prices[kind]
        note, is_known = (listed.note, listed.is_known) if learned is None else ("", True)
        price = job.price if learned is None else learned
        verdict = unaffordable(job, price=price, per_job=self._settings.budget.credits_per_job)
        line = Line(self._called(job), job, call, price, note, not is_known, verdict=verdict)
        return replace(line, seconds=self._seconds(job))

    def _seconds(self, job: Job) -> float | None:
        if job.kind not in self._usual:
            self._usual[job.kind] = polling.usual(self._ledger.durations(job.kind))
        return self._usual[job.kind]

    def _shared(self, line: Line, *, own: str) -> Line:
        """The line of a drop, free where another one asks for the same."""
        job = line.job
        leader = None if job.options.get("force") else self._leaders.get(job.wish) or self._like(line, own)
        if leader is not None:
            return replace(line, free=f"same as {leader}", verdict=None)
        if line.verdict is None:
            self._leaders.setdefault(job.wish, line.path)
        return line

    def _like(self, line: Line, own: str) -> str | None:
        like = None
        if not self._is_new:
            like = like_of(line.job, line.call, ledger=self._ledger, settings=self._settings, but=own)
        return None if like is None else like.id

    def _earlier(self, job: Job) -> Job | None:
        """The job whose files these were; where nobody can tell, it is none."""
        called = self._ledger.called(root=job.root, folder=job.folder, name=job.name)
        others = (was for was in called if was.id not in self.returned)
        try:
            return earlier(job, others, spool=Spool(Path(job.root)))
        except SpoolError:
            return None

    def _called(self, job: Job) -> str:
        return name(self._settings, job.root, job.path)


def _listed(job: Job) -> Price:
    """How sure the price of a job is, whose files are not looked at again."""
    found = catalogue.price(job.operation, job.params)
    return Price(job.price) if found.credits is None and job.price is not None else found


def like_of(job: Job, call: Generation, *, ledger: Ledger, settings: Settings, but: str) -> Job | None:
    """The job whose result a drop would share, where there is something to share.

    Args:
        but: the id of the job that it would be.
    """
    roots = {str(watch.root) for watch in settings.watch}
    like = ledger.like(job.wish, but=but, at=call.due_at, roots=roots)
    if like is None:
        return None
    try:
        return like if is_there(like, ledger.calls(like.id), spool=Spool(Path(like.root))) else None
    except SpoolError:
        return None  # nobody can tell


def _may_share(leader: Job) -> bool:
    """Whether what waits for this job costs nothing: it goes on, or its end holds for both."""
    return leader.state not in (State.FAILED, State.CANCELLED) or shares_failure(leader) is not None
