"""Share: give a drop the outputs of an earlier one that asked for the same. Nothing is paid for."""

import stat
from collections.abc import Sequence

from runway_watch.errors import SpoolError
from runway_watch.job import (
    LIVE_STATES,
    Done,
    Generation,
    Job,
    Never,
    Outcome,
    Output,
    State,
    Verdict,
)
from runway_watch.reviving import is_paid_for
from runway_watch.spool import Spool
from runway_watch.stages.collect import staged_name
from runway_watch.stages.retire import endings, endings_of
from runway_watch.stages.trouble import folder_trouble

SHARED_FAILURES = frozenset({"task.safety", "task.bad_output", "task.asset_invalid", "api.rejected"})
"""What says something about the wish, and not about one drop's files, luck or money."""


def share(
    job: Job, call: Generation, leader: Job, calls: Sequence[Generation], *, spool: Spool, theirs: Spool
) -> Outcome:
    """Link, or copy, the outputs of a job that is done to where those of this one are staged.

    Args:
        job, call: who asks; its n-th generation takes what the other's n-th has brought.
        leader, calls: whose outputs they are.
        spool, theirs: the folders of both.

    Returns:
        Done with `outputs`; Later when a folder is in trouble; Never when they are not there any more.
    """
    found: list[Output] = []
    try:
        for k, (suffix, output) in enumerate(endings_of(calls).get(call.n, {}).items(), 1):
            name = staged_name(job, call, k)
            if not spool.duplicate(job, name, output, of=leader, suffix=suffix, theirs=theirs):
                return gone(f"{leader.name}{suffix} is not there any more, or was changed")
            found.append(Output(name, output.extension, output.sha256, output.size, output.node))
    except SpoolError as error:
        return folder_trouble(error)
    return Done({"outputs": tuple(found)}) if found else gone("it has no outputs")


def is_there(leader: Job, calls: Sequence[Generation], *, spool: Spool) -> bool:
    """Whether a job has something to share, or will have; by the names of its outputs alone.

    Raises:
        SpoolError: nobody can tell; a share that is gone is no empty one.
    """
    if leader.state is not State.DONE:
        return True
    names = [leader.name + ending for ending in endings(calls)]
    found = (spool.look(leader.place, leader.folder, name) for name in names)
    return bool(names) and all(each is not None and stat.S_ISREG(each.st_mode) for each in found)


def gone(why: str) -> Never:
    """The outcome when there is nothing to share: it runs for itself."""
    return Never(
        Verdict("collect", "output.incomplete", f"The earlier result cannot be shared: {why}."), again=True
    )


def is_shared(call: Generation, leader: Job, calls: Sequence[Generation]) -> bool:
    """Whether a generation costs nothing, for it goes as that of another job goes, or went.

    Args:
        call: who asks.
        leader, calls: the other job.
    """
    if leader.state in LIVE_STATES:
        return True
    same = next((other for other in calls if other.n == call.n), None)
    if same is None:
        return False
    return same.state is State.DONE or is_fetched(same) or shared_failure(same) is not None


def is_fetched(ended: Generation) -> bool:
    """Whether what failed lies at Runway, paid for: whoever asks for the same only fetches it."""
    return ended.state is State.FAILED and is_paid_for(ended)


def shared_failure(ended: Job | Generation) -> Verdict | None:
    """The verdict on what failed that holds for all that ask for the same; None if another may do better."""
    verdict = ended.verdict
    if ended.state is not State.FAILED or verdict is None:
        return None
    return verdict if verdict.code in SHARED_FAILURES else None
