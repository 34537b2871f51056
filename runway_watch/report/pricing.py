"""What each drop and each waiting job may cost, and which of them cost nothing because they share a result.

The rules are the daemon's: Runway's own word for a like request goes before the price list, a drop that
was here before goes on as the job that it was, and of those that ask for the same only the first pays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runway_watch import catalogue, polling
from runway_watch.catalogue import Price
from runway_watch.config import Settings
from runway_watch.errors import SpoolError
from runway_watch.holds import total, unaffordable
from runway_watch.job import Generation, Job, State, Verdict, asked
from runway_watch.ledger import Ledger
from runway_watch.report.inboxes import name
from runway_watch.reviving import revive
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged
from runway_watch.stages.earlier import earlier, is_kept, may_go_on
from runway_watch.stages.share import is_shared, is_there


@dataclass(frozen=True, slots=True)
class Part:
    """One generation of a line.

    Args:
        credits: the most that it may cost; None when nobody knows.
        seconds: how long its kind usually takes; None when nobody knows.
    """

    call: Generation
    credits: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A drop or a job, as it is told.

    Args:
        path: how a person calls it.
        parts: those of its generations that are told of.
        note: how sure the price is.
        is_guess: nobody has said what its like costs; the credits are what is kept ready for it.
        free: why it costs nothing; "" where it does.
        verdict: why it would not go on.
    """

    path: str
    job: Job
    parts: Sequence[Part]
    note: str = ""
    is_guess: bool = False
    free: str = ""
    verdict: Verdict | None = None

    @property
    def call(self) -> Generation:
        """The first of its generations."""
        return self.parts[0].call

    @property
    def credits(self) -> int | None:
        """The most that they may cost together; None when nobody knows."""
        return total([part.credits for part in self.parts])

    @property
    def seconds(self) -> float | None:
        """How long the first of them usually takes."""
        return self.parts[0].seconds

    @property
    def model(self) -> str:
        """The model, or each of several."""
        return ", ".join(dict.fromkeys(part.call.model for part in self.parts))

    @property
    def is_paid(self) -> bool:
        """Whether a generation would begin for it."""
        return self.verdict is None and not self.free

    def apart(self) -> "list[Line]":
        """A line for each of its generations."""
        return [replace(self, parts=(part,)) for part in self.parts]


class Pricing:
    """Prices by one ledger.

    Args:
        settings: for the cap of a job and the roots.
        ledger: what has been learned and done so far.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._is_new = not ledger.counts()
        self._prices: dict[str, Price] = {}
        self._usual: dict[str, float | None] = {}
        self._leaders: dict[str, str] = {}  # by wish: the first drop that asks for it
        self.returned: set[str] = set()
        """Jobs whose files lie in the inbox again: they are told as drops."""

    def drops(self, judged: Iterable[Judged]) -> list[Line]:
        """The lines of what lies in the inboxes, in the order of the daemon's look. Raises LedgerError."""
        with self._ledger.one_transaction():
            return [self._drop(job, calls) for job, calls in judged]

    def line(self, job: Job, calls: Sequence[Generation]) -> Line:
        """The line of some generations of a job in the ledger. Raises LedgerError.

        Args:
            job: as the only one of them wants it, or as the ledger has it.
        """
        found = self._priced(job, calls)
        leader = self._ledger.job(job.duplicate_of) if job.duplicate_of else None
        return found if leader is None else _less_shared(found, *leader)

    def _drop(self, job: Job, calls: Sequence[Generation]) -> Line:
        if job.verdict is not None:
            parts = [Part(call) for call in calls]
            return Line(self._called(job), job, parts, verdict=job.verdict)
        was = None if self._is_new else self._earlier(job)
        line = self._priced(job, calls)
        if was is None:
            return self._shared(line, own=job.id)
        self.returned.add(was.id)
        before = self._ledger.calls(was.id)
        if is_kept(was, self._ledger.begun([was.id])):
            held = [call for call in before if call.state is State.HELD]
            if held and may_go_on(was):
                return self._priced(was, held)
            return replace(line, free=f"is {was.state} as {was.id}, its files go back there")
        again = revive(job, calls, was=was, before=before).calls
        anew = {call.n for call in again if call.state is State.READY}
        if not anew:
            return replace(line, free=f"paid for as {was.id}, its result is only fetched")
        parts = [part for part in line.parts if part.call.n in anew]
        return self._shared(replace(line, parts=parts), own=was.id)

    def _priced(self, job: Job, calls: Sequence[Generation]) -> Line:
        """The line of these generations; whether that is too much, all of the job's say together."""
        views = [asked(job, call) for call in calls]
        prices = [self._price(view) for view in views]
        parts = [
            Part(call, price.credits, self._seconds(view))
            for call, price, view in zip(calls, prices, views, strict=True)
        ]
        note = ", ".join(dict.fromkeys(price.note for price in prices if price.note))
        is_guess = not all(price.is_known for price in prices)
        line = Line(self._called(job), job, parts, note, is_guess)
        return replace(line, verdict=self._verdict(line))

    def _verdict(self, line: Line) -> Verdict | None:
        price, per_job = line.credits, self._settings.budget.credits_per_job
        if per_job or line.job.options.get("max_credits") is not None:
            known = self._ledger.job(line.job.id)
            if known is not None:
                price = total([self._price(asked(known[0], call)).credits for call in known[1]])
        return unaffordable(line.job, price=price, per_job=per_job)

    def _price(self, job: Job) -> Price:
        """What one generation may cost; the job as that one wants it."""
        kind = catalogue.price_kind(job.operation, job.params, job.price)
        if kind not in self._prices:
            listed, learned = _listed(job), self._ledger.estimate(job)
            if learned is not None:  # of what depends on a length nobody has said it for this one
                by_length = catalogue.is_by_length(job.operation, job.params)
                listed = replace(listed, credits=learned) if by_length else Price(learned)
            self._prices[kind] = listed
        return self._prices[kind]

    def _seconds(self, job: Job) -> float | None:
        if job.kind not in self._usual:
            self._usual[job.kind] = polling.usual(self._ledger.durations(job.kind))
        return self._usual[job.kind]

    def _shared(self, line: Line, *, own: str) -> Line:
        """The line of a drop, free where another one asks for the same."""
        job = line.job
        beside = None if job.options.get("force") else self._leaders.get(job.wish)
        if beside is not None:
            return replace(line, free=f"same as {beside}", verdict=None)
        like = None if self._is_new or job.options.get("force") else self._like(line, own)
        if like is not None:
            line = _less_shared(line, *like)
        if line.is_paid:
            self._leaders.setdefault(job.wish, line.path)
        return line

    def _like(self, line: Line, own: str) -> tuple[Job, Sequence[Generation]] | None:
        return like_of(line.job, line.call, ledger=self._ledger, settings=self._settings, but=own)

    def _earlier(self, job: Job) -> Job | None:
        """The job whose files these were; where nobody can tell, it is none."""
        called = self._ledger.called(root=job.root, folder=job.folder, name=job.name)
        others = (was for was in called if was.id not in self.returned)
        begun = self._ledger.begun([was.id for was in called])
        try:
            return earlier(job, others, begun=begun, spool=Spool(Path(job.root)))
        except SpoolError:
            return None

    def _called(self, job: Job) -> str:
        return name(self._settings, job.root, job.path)


def _listed(job: Job) -> Price:
    """How sure the price of a job is, whose files are not looked at again."""
    found = catalogue.price(job.operation, job.params)
    if found.credits is None and job.price is not None:
        return Price(job.price)
    return replace(found, credits=job.price)


def like_of(
    job: Job, call: Generation, *, ledger: Ledger, settings: Settings, but: str
) -> tuple[Job, Sequence[Generation]] | None:
    """The job whose result a drop would share, with its generations, where there is something to share.

    Args:
        but: the id of the job that it would be.
    """
    roots = settings.roots
    like = ledger.like(job.wish, but=but, at=call.due_at, roots=roots)
    if like is None:
        return None
    try:
        calls = ledger.calls(like.id)
        return (like, calls) if is_there(like, calls, spool=Spool(Path(like.root))) else None
    except SpoolError:
        return None  # nobody can tell


def _less_shared(line: Line, leader: Job, calls: Sequence[Generation]) -> Line:
    """A line without the generations that cost nothing, for they go as those of another job."""
    left = [part for part in line.parts if not is_shared(part.call, leader, calls)]
    if not left:
        return replace(line, free=f"same as {leader.id}", verdict=None)
    if len(left) == len(line.parts):
        return line
    note = ", ".join(filter(None, (line.note, f"the others as {leader.id}")))
    return replace(line, parts=left, note=note)
