"""A drop looked at once more where it lies: what became of its files, and of its wish.

It is called by the names under which it was dropped, which its sidecar may mention, unless they are none that
a file may have here.
"""

from dataclasses import replace

from runway_watch import drops
from runway_watch.drops import Group, join
from runway_watch.job import Job
from runway_watch.settle import Sight
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged, admit
from runway_watch.stages.desk import Candidate, Desk, Findings, Waits


def judge_again(
    was: Job,
    *,
    spool: Spool,
    desk: Desk,
    layers: tuple[Sidecar, ...],
    findings: Findings | None = None,
) -> Judged | Waits:
    """What admission says of a job's files, where they lie, as they are now.

    Args:
        was: the job.
        spool, desk, layers: as for `admit`.
        findings: where to note what was found on the way.

    Raises:
        SpoolError, OSError, Refusal: nobody can tell.
    """
    is_safe = all(drops.safe(item.dropped_as) == item.dropped_as for item in was.inputs)
    called = was.dropped_as if is_safe else was.name
    names = {item.suffix: item.dropped_as if is_safe else was.name + item.suffix for item in was.inputs}
    sights = sights_of(was, spool=spool)
    if sights is None:
        return Waits(f"its files are not in {was.place}/ any more")
    sidecars = [name for suffix, name in names.items() if suffix != was.media_suffix]
    group = Group(called, names.get(was.media_suffix), sidecars[0] if sidecars else None)
    candidate = Candidate(was.folder, group, dict(zip(names.values(), sights, strict=True)), layers)
    lie = {candidate.path(name): join(was.folder, was.name + suffix) for suffix, name in names.items()}
    desk = replace(desk, reading=lambda path: spool.in_place(was.place, lie[path]))
    judged = admit(candidate, desk=desk, job_id=was.id, findings=findings)
    return judged if isinstance(judged, Waits) else (replace(judged[0], name=was.name), judged[1])


def sights_of(job: Job, *, spool: Spool) -> list[Sight] | None:
    """A look at each of a job's files in its place; None when one is not there. Raises SpoolError."""
    found = [spool.look(job.place, job.folder, job.name + item.suffix) for item in job.inputs]
    seen = [Sight(each.st_size, each.st_mtime_ns, each.st_ino) for each in found if each is not None]
    return seen if len(seen) == len(found) else None
