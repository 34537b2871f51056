"""All that is known of a job, or of a drop that is none yet, as labelled lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from pathlib import Path

from runway_watch.config import Settings
from runway_watch.job import Generation, Job
from runway_watch.ledger import Ledger
from runway_watch.report import facts, standing
from runway_watch.report.dropped import Drop
from runway_watch.report.effective import Effective
from runway_watch.report.looking import of_job
from runway_watch.report.pricing import like_of
from runway_watch.report.story import here, local, story
from runway_watch.report.surroundings import around
from runway_watch.spool import Spool
from runway_watch.stages.earlier import earlier, is_kept, may_go_on
from runway_watch.stages.share import is_shared

_OTHERS = 10
"""So many other jobs of the same name are told of."""


@dataclass(slots=True)
class Telling:
    """What has been told so far.

    Args:
        settings: the configuration.
        is_running: whether a daemon runs.
    """

    settings: Settings
    is_running: bool
    lines: list[str] = field(default_factory=list)
    zone: tzinfo = field(default_factory=here)

    def block(self, label: str, lines: Iterable[str]) -> None:
        """Add lines under one label; none of them, no label."""
        for line in lines:
            self.lines.append(f"  {label:<9} {line}")
            label = ""

    def job(self, job: Job, ledger: Ledger) -> None:
        """Tell of a job, and of others that were dropped under its name."""
        job, calls = ledger.job(job.id) or (job, ledger.calls(job.id))
        call = next((call for call in calls if call.state is job.state), calls[0])
        near = around(job, call, ledger, self.settings, is_running=self.is_running, zone=self.zone)
        self.lines.append(f"job {job.id}: {job.path}")
        effective, known = of_job(job, self.settings)
        self._effective(effective, calls)
        self.block("origins", [known] if known else [])
        self.block("sent", facts.sent(job, calls))
        self.block("files", facts.files(job, calls))
        self.block("price", [facts.price(job, calls, ledger)])
        self.block("charged", [facts.charged(calls)])
        self.block("task", facts.tasks(calls))
        self.block("each", facts.each(calls))
        self.block("state", [standing.state(job, call)])
        partly = standing.in_part(job, calls)
        self.block("why", [partly] if partly else standing.why(job, call, near))
        self.block("do", standing.advice(job, call, near))
        self.lines += ["", "what happened (+ since it was taken in)"]
        self.lines += [f"  {line}" for line in story(ledger.story(job.id), self.zone)]
        same = ledger.named(root=job.root, folder=job.folder, names=[job.dropped_as], dropped=True)
        self.others(other for other in same if other.path == job.path and other.id != job.id)

    def drop(self, path: Path, drop: Drop, ledger: Ledger | None) -> None:
        """Tell of a file in an inbox that is no job yet."""
        self.lines.append(f"{path}: lies in the inbox")
        self.block("files", drop.files)
        self.block("defaults", drop.defaults)
        if drop.effective is not None:
            self._effective(drop.effective, drop.judged[1] if drop.judged else ())
        self.block("why", [drop.why] if drop.why else [])
        self.block("do", [drop.do] if drop.do else [])
        if drop.judged is not None:
            self._judged(*drop.judged, ledger)

    def others(self, jobs: Iterable[Job]) -> None:
        """Name other jobs, the latest first."""
        found = sorted(jobs, key=lambda job: job.accepted_at, reverse=True)
        if found:
            self.lines += ["", "other jobs of this name, the latest first"]
        for job in islice(found, _OTHERS):
            self.lines.append(f"  {job.id}  {job.state}, accepted {local(job.accepted_at, self.zone)}")
        if len(found) > _OTHERS:
            self.lines.append(f"  ... and {len(found) - _OTHERS} more")

    def _effective(self, effective: Effective, calls: Sequence[Generation]) -> None:
        """Tell of a request, each value with its origin, and of what several generations have alone."""
        self.block("asks for", [*effective.asks(), *facts.asks(calls)])
        self.block("[job]", effective.options())
        self.block("left out", effective.left_out)

    def _judged(self, job: Job, calls: Sequence[Generation], ledger: Ledger | None) -> None:
        """What admission says of a drop that is complete."""
        self.block("sent", facts.sent(job, calls))
        self.block("price", [facts.price(job, calls, None)] if job.operation else [])
        if job.verdict is None:
            shared = self._shared(job, calls, ledger) if ledger else ()
            self.block("verdict", ["it would be accepted", *shared])
        else:
            self.block(
                "verdict", [f"it would be refused ({job.verdict.code})", *standing.reasons(job.verdict)]
            )
            self.block("do", [job.verdict.hint] if job.verdict.hint else [])
        taken = "with a scan soon" if self.is_running else "when the daemon runs: `runway-watch run`"
        self.block("when", [f"after its files have lain still for a while, {taken}"])

    def _shared(self, job: Job, calls: Sequence[Generation], ledger: Ledger) -> Iterator[str]:
        """Whose files a drop's were, and whose result it would share."""
        called = ledger.called(root=job.root, folder=job.folder, name=job.name)
        begun = ledger.begun([was.id for was in called])
        was = earlier(job, called, begun=begun, spool=Spool(Path(job.root)))
        if was is not None:
            named = f"its files were those of job {was.id} ({was.state})"
            goes_on = not is_kept(was, begun) or may_go_on(was)
            yield f"{named}, which would go on with them" if goes_on else f"{named}: they go back to it"
        own = was.id if was else job.id
        like = like_of(job, calls[0], ledger=ledger, settings=self.settings, but=own)
        if like is not None and not job.options.get("force"):
            named = f"job {like[0].id} ({like[0].state})"
            own_way = sum(not is_shared(call, *like) for call in calls)
            most = f", but for {own_way} of {len(calls)} generations" if own_way else ""
            yield f"it asks for the same as {named}: it would share that result, for nothing{most}"
