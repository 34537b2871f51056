"""A job whose files came back: what of its generations goes on, what begins anew, what is only fetched. Pure.

What was paid for and finished is never paid for again. As long as its own files are what they were, such a
job goes on as it was accepted, whatever has changed around them: a default, a reference, a cap. Of files that
were changed, generations are told apart by what they ask for, wherever in the sidecar they stand now. What
they have cost so far is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runway_watch.decide import is_open
from runway_watch.job import Generation, Job, Place, State
from runway_watch.states import of_job
from runway_watch.wish import wish_of_call


@dataclass(frozen=True, slots=True)
class Revived:
    """A job as it goes on, under its old identity.

    Args:
        job, calls: as they go into the ledger.
        heirs: by the number of each earlier generation, that of the one which carries what it has cost; 0
            where that one has earlier calls of its own.
    """

    job: Job
    calls: Sequence[Generation]
    heirs: Mapping[int, int]


def revive(job: Job, calls: Sequence[Generation], *, was: Job, before: Sequence[Generation]) -> Revived:
    """A job that was over or held and whose files have been looked at anew, under its old identity.

    Args:
        job, calls: what admission made of the files now.
        was, before: what the ledger says of them.
    """
    if files_of(job) == files_of(was) and any(is_paid_for(old) or _has_failed(old) for old in before):
        return resume(_where(job, was), before, at=calls[0].due_at)
    job = replace(job, id=was.id, dropped_as=was.dropped_as, accepted_at=was.accepted_at, sweeps=was.sweeps)
    calls = [replace(call, job=was.id) for call in calls]
    same = _same(job, calls, was=was, before=before)
    carried = _carried(calls, same, before)
    again = [_again(call, same.get(call.n), carried[call.n]) for call in calls]
    is_fetched = any(call.state is State.COLLECTING for call in again)
    leader = None if is_fetched else job.duplicate_of
    job = replace(job, state=of_job(call.state for call in again), duplicate_of=leader)
    heirs = {old.n: n if old is olds[0] else 0 for n, olds in carried.items() for old in olds}
    return Revived(job, again, heirs)


def resume(was: Job, before: Sequence[Generation], *, at: float, swept: bool = False) -> Revived:
    """A job whose own files are what they were, as it was accepted: what is paid for is fetched.

    Args:
        was: the job, with its files as they lie now.
        before: its generations.
        at: when it goes on.
        swept: it comes back by itself: what cannot work another time ends as it did.
    """
    calls = [_resumed(old, at=at, swept=swept) for old in before]
    fresh = replace(
        was, state=of_job(call.state for call in calls), verdict=None, finished_at=None, told_at=None
    )
    return Revived(replace(fresh, duplicate_of=None), calls, {})


def files_of(job: Job) -> set[tuple[str, str]]:
    """What a job's files hold, by their endings."""
    return {(item.suffix, item.sha256) for item in job.inputs}


def is_paid_for(generation: Generation) -> bool:
    """Whether what failed has a result at Runway that only has to be fetched."""
    verdict = generation.verdict
    return generation.task_id is not None and verdict is not None and verdict.stage == "collect"


def _has_failed(generation: Generation) -> bool:
    """Whether it was paid for and has failed, and nobody could know that yet: its siblings are at work."""
    return generation.state is State.RETIRING and generation.tries > 0


def _same(
    job: Job, calls: Sequence[Generation], *, was: Job, before: Sequence[Generation]
) -> dict[int, Generation]:
    """By number, the earlier generation that asked for the same; of several, one that is paid for."""
    found: dict[int, Generation] = {}
    left = sorted(before, key=lambda old: not is_paid_for(old))
    for call in calls:
        wish = wish_of_call(job, call)
        match = next((old for old in left if wish_of_call(was, old) == wish), None)
        if match is not None:
            left.remove(match)
            found[call.n] = match
    return found


def _carried(
    calls: Sequence[Generation], same: Mapping[int, Generation], before: Sequence[Generation]
) -> dict[int, list[Generation]]:
    """By number, the earlier generations whose cost goes along: no credit is forgotten."""
    carried = {call.n: [same[call.n]] if call.n in same else [] for call in calls}
    left = [old for old in before if old not in same.values()]
    for olds in carried.values():
        if left and not olds:
            olds.append(left.pop(0))
    carried[calls[0].n] += left
    return carried


def _where(job: Job, was: Job) -> Job:
    """A job with its files, which are what they were, where another one has them and is taking them."""
    now = {item.suffix: item for item in job.inputs}
    inputs = tuple(replace(now[item.suffix], dropped_as=item.dropped_as) for item in was.inputs)
    target = None if job.target is None else Place.PROCESSING
    moved = replace(was, folder=job.folder, name=job.name, place=job.place, inputs=inputs)
    return replace(moved, target=target, target_name=job.target_name)


def _resumed(old: Generation, *, at: float, swept: bool) -> Generation:
    """How one goes on that asks for what it asked for."""
    if is_paid_for(old):
        return _fetched(old, at=at)
    if _has_failed(old) or (swept and old.verdict is not None and not old.verdict.retryable):
        return replace(old, state=State.RETIRING, due_at=at)
    afresh = Generation(old.job, old.n, State.READY, old.asks, old.prepared, old.model, old.price, due_at=at)
    return _with_costs(afresh, [old])


def _fetched(old: Generation, *, at: float) -> Generation:
    return replace(old, state=State.COLLECTING, verdict=None, due_at=at, attempt=0, outputs=())


def _again(call: Generation, same: Generation | None, carried: Sequence[Generation]) -> Generation:
    """How one goes on."""
    if same is not None and call.state is State.READY and is_paid_for(same):
        back = replace(
            same, n=call.n, asks=call.asks, prepared=call.prepared, model=call.model, price=call.price
        )
        return _with_costs(_fetched(back, at=call.due_at), carried)
    return _with_costs(call, carried)


def _with_costs(call: Generation, carried: Sequence[Generation]) -> Generation:
    if not carried:
        return call
    first, *others = carried
    ended = others if call.task_id is not None else carried  # one that goes on has its own end
    unknown = sum(old.estimated or old.price or 0 for old in ended if is_open(old))
    return replace(
        call,
        credits=sum(old.credits for old in carried),
        tries=max(old.tries for old in carried),
        doubted=sum(old.doubted for old in carried) + unknown,
        submitted_at=first.submitted_at,
        ended_at=first.ended_at,
    )
