"""A job whose files came back: what of its generations goes on, what begins anew, what is only fetched. Pure.

Generations are told apart by what they ask for, wherever in the sidecar they stand now. What was paid for and
finished is never paid for again, and what they have cost so far is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runway_watch.decide import is_open
from runway_watch.job import Generation, Job, State
from runway_watch.states import of_job
from runway_watch.wish import wish_of_call


@dataclass(frozen=True, slots=True)
class Revived:
    """A job as it goes on, under its old identity.

    Args:
        job, calls: as they go into the ledger.
        heirs: by the number of each earlier generation, that of the one which carries what it has cost.
    """

    job: Job
    calls: Sequence[Generation]
    heirs: Mapping[int, int]


def revive(
    job: Job, calls: Sequence[Generation], *, was: Job, before: Sequence[Generation], swept: bool = False
) -> Revived:
    """A job that was over or held and whose files have been looked at anew, under its old identity.

    Args:
        job, calls: what admission made of the files now.
        was, before: what the ledger says of them.
        swept: it comes back by itself: only what may work another time begins anew.
    """
    job = replace(job, id=was.id, dropped_as=was.dropped_as, accepted_at=was.accepted_at, sweeps=was.sweeps)
    calls = [replace(call, job=was.id) for call in calls]
    same = _same(job, calls, was=was, before=before)
    carried = _carried(calls, same, before)
    again = [_again(call, same.get(call.n), carried[call.n], swept=swept) for call in calls]
    is_fetched = any(call.state is State.COLLECTING for call in again)
    leader = None if is_fetched else job.duplicate_of
    job = replace(job, state=of_job(call.state for call in again), duplicate_of=leader)
    return Revived(job, again, {old.n: n for n, olds in carried.items() for old in olds})


def is_paid_for(generation: Generation) -> bool:
    """Whether what failed has a result at Runway that only has to be fetched."""
    verdict = generation.verdict
    return generation.task_id is not None and verdict is not None and verdict.stage == "collect"


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


def _again(
    call: Generation, same: Generation | None, carried: Sequence[Generation], *, swept: bool
) -> Generation:
    """How one goes on."""
    if same is not None and call.state is State.READY:
        back = replace(same, n=call.n, asks=call.asks, model=call.model, price=call.price)
        back = replace(back, due_at=call.due_at, attempt=0, outputs=())
        if is_paid_for(same):
            return _with_costs(replace(back, state=State.COLLECTING, verdict=None), carried)
        if swept and same.verdict is not None and not same.verdict.retryable:
            return _with_costs(replace(back, state=State.RETIRING), carried)
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
