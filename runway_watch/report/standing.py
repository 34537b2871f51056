"""How a job stands, in plain sentences: where it is, why it stays there, what a person can do."""

from collections.abc import Iterator, Mapping, Sequence

from runway_watch.decide import UNCERTAIN, may_sweep
from runway_watch.holds import ALL, bars
from runway_watch.job import LIVE_STATES, Generation, Hold, Job, Place, State, Verdict
from runway_watch.report.story import local, span
from runway_watch.report.surroundings import Around

_STATES: Mapping[State, str] = {
    State.READY: "accepted; it has not begun yet",
    State.UPLOADING: "its files are on their way to Runway; nothing is paid yet",
    State.SUBMITTING: "the paid request is on its way to Runway",
    State.RUNNING: "Runway works on it",
    State.COLLECTING: "Runway has finished it; the result is being fetched",
    State.RETIRING: "it is over; its files are being moved",
    State.DONE: "done",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled by a person",
    State.HELD: "held: it waits for a person's word",
}

_ENDS: Mapping[str, str] = {
    "credentials": "ends by itself when the key works again",
    "credits": "ends by itself when the balance allows",
    "budget": "ends when the cap allows it",
    "daily_limit": "ends by itself when the account's figures say so",
    "outage": "ends by itself when Runway answers again",
    "window": "ends by itself when the window opens",
    "share": "ends by itself when the folder is back",
    "disk": "ends by itself when there is room",
}
"""How each hold ends, where its message does not say so."""

TRIED_AGAIN = frozenset({"credits", "outage"})
"""Holds whose moment is that of the next try, and not their end."""

_REMEDIES: Mapping[str, str] = {
    "credentials": "give the daemon a key that works (`api.key_file`); `runway-watch check` tries it",
    "other_account": "put the key back with which it was begun",
    "credits": "buy credits at Runway",
    "budget": "wait, or raise `[budget] credits_per_day` and start the daemon anew",
    "moderation": "look at the error files of what was refused, then `runway-watch resume`",
    "share": "bring the folder back",
    "disk": "make room on the disk",
    "paused": "`runway-watch resume`",
}
"""What a person can do about a reason to wait; about the others nothing has to be done."""


def state(job: Job, call: Generation) -> str:
    """How it is."""
    told = _STATES[job.state]
    if job.state is State.UPLOADING and call.uploaded_at is not None:
        told = "all it needs lies at Runway; the paid request is not sent yet"
    elif job.state is State.RUNNING:
        waits = call.status == "THROTTLED"
        told = "it waits at Runway for one of the account's slots" if waits else told
        told += f", {call.progress:.0%}" if call.progress is not None else ""
    elif job.state is State.DONE and job.duplicate_of is not None:
        told = f"done, with the result of job {job.duplicate_of}, which had asked for the same"
    elif job.state in (State.FAILED, State.HELD) and (verdict := verdict_of(job, call)):
        told = f"{told} ({verdict.code})"
    return f"{job.state}: {told}" if told.partition(" ")[0].rstrip(":,") != job.state else told


def why(job: Job, call: Generation, around: Around) -> Iterator[str]:
    """Why it does not go on, or why it ended as it did; nothing when it simply goes on."""
    verdict = verdict_of(job, call)
    if verdict is not None and job.state is not State.CANCELLED:  # which says it all
        yield from reasons(verdict)
        if verdict.code == UNCERTAIN:
            yield from _evidence(call)
    if job.state not in LIVE_STATES:
        return
    if job.target is not None and job.state is not State.RETIRING:
        yield f"its files are still being moved to {job.target}/"
    if job.state is State.READY and job.duplicate_of is not None:
        yield follows(job.duplicate_of, around.leader)
    else:
        yield from _waits(job, call, around)
    if not around.is_watched:
        yield f"{job.root} is not in the configuration any more: nothing looks after it"
    if not around.is_running and job.state is not State.HELD:
        yield "no daemon is running"


def advice(job: Job, call: Generation, around: Around) -> Iterator[str]:
    """What a person can do about it."""
    verdict = verdict_of(job, call)
    if verdict and verdict.hint:
        yield verdict.hint
    yield from (f"`{verb}` was ordered, and is not carried out yet" for verb in around.ordered)
    match job.state:
        case State.DONE:
            yield "nothing; to have it made again, drop it with `force = true` in its [job] table"
        case State.HELD:
            yield f"`runway-watch cancel {job.id}` gives it up"
        case State.CANCELLED:
            yield f"that is `runway-watch retry {job.id}`"
        case State.FAILED:
            yield from _second_chances(job, around)
        case _:
            yield from _of_live(job, call, around)


def verdict_of(job: Job, call: Generation) -> Verdict | None:
    """Why it did not work, as far as it did not."""
    return job.verdict or call.verdict


def in_part(job: Job, calls: Sequence[Generation]) -> str | None:
    """How many generations of a job worked that is done, though not all of them did; None for all others."""
    worked = sum(1 for call in calls if call.outputs)
    if job.state is not State.DONE or worked == len(calls):
        return None
    return f"{worked} of {len(calls)} generations worked; its result file says why the others did not"


def reasons(verdict: Verdict) -> Iterator[str]:
    """A verdict in a sentence, and every single problem where there are several."""
    yield verdict.message
    if len(verdict.problems) > 1 or not all(problem in verdict.message for problem in verdict.problems):
        yield from (f"- {problem}" for problem in verdict.problems)


def _evidence(call: Generation) -> Iterator[str]:
    """How the account stood around a call in doubt."""
    for what in ("balance", "generations"):
        before, after = (call.evidence.get(f"{what}_{when}") for when in ("before", "after"))
        if before is not None:
            known = "not known" if after is None else after
            yield f"the account's {what}: {before} before the call, {known} after"
    if others := call.evidence.get("other_calls"):
        most = call.evidence.get("other_credits")
        yield f"{others} other paid calls were under way in between, for up to {most} credits"


def _waits(job: Job, call: Generation, around: Around) -> Iterator[str]:
    barring = [hold for hold in around.holds if bars(hold, job, call)]
    yield from (_hold(hold, around) for hold in barring)
    due = f"; it goes on at {_when(call.due_at, around)}" if call.due_at > around.now else ""
    if call.reason and call.reason != "running":
        yield f"{call.reason}: {call.message or 'it did not work yet'}{due}"
    elif job.state is State.READY and due:
        yield f"its sidecar says `not_before`: it begins at {_when(call.due_at, around)}"
    elif job.state is State.SUBMITTING and not around.is_running:
        yield "the daemon ended before Runway answered: it will be held, as nobody knows whether it was paid"
    if job.state in (State.READY, State.UPLOADING) and not barring and not due:
        yield f"it waits for its turn: {around.at_runway} of {call.model} at Runway, {around.ahead} before it"


def _hold(hold: Hold, around: Around) -> str:
    what = "" if hold.scope == ALL else f" of {hold.scope}"
    known = _ENDS.get(hold.reason, "")
    if hold.until is not None:
        verb = "is tried again" if hold.reason in TRIED_AGAIN else "ends"
        known = f"{verb} at {_when(hold.until, around)}"
    ends = f"; it {known}" if known else ""
    return f"hold `{hold.reason}`{what} since {local(hold.since, around.zone)}: {hold.message}{ends}"


def follows(leader: str, job: Job | None) -> str:
    """Why a job waits that is to share the result of another one.

    Args:
        leader: that other one's id.
        job: the same as the ledger knows it.
    """
    named = f"{leader} ({job.path}), which is {job.state}" if job else leader
    if job is not None and job.state is State.HELD:
        return (
            f"it asks for the same as job {named} and may be paid for already: it waits for a person's word "
            "about that one; moved back to the inbox with `force = true` in its [job] table it runs anyway"
        )
    return f"it asks for the same as job {named}: it waits for that result, and pays nothing"


def _second_chances(job: Job, around: Around) -> Iterator[str]:
    every = span(around.retry.sweep_seconds)
    if may_sweep(job, sweeps=around.retry.sweeps):
        times = f"{job.sweeps} of {around.retry.sweeps} times so far"
        yield f"it is tried again by itself, every {every} ({times})"
    if job.place is Place.FAILED:
        yield f"mend the sidecar or the picture where it lies in failed/, and save it: seen within {every}"
    yield f"or move its files back to the inbox, or say `runway-watch retry {job.id}`"


def _of_live(job: Job, call: Generation, around: Around) -> Iterator[str]:
    if job.state is State.READY and job.duplicate_of is not None:
        yield f"`runway-watch explain {job.duplicate_of}` says how that one stands"
    else:
        reasons = [hold.reason for hold in around.holds if bars(hold, job, call)] + [call.reason or ""]
        yield from (_REMEDIES[reason] for reason in dict.fromkeys(reasons) if reason in _REMEDIES)
    if not around.is_running:
        yield "start the daemon: `runway-watch run`"
    if job.state is not State.RETIRING:
        yield f"`runway-watch cancel {job.id}` stops it"


def _when(moment: float, around: Around) -> str:
    away = f" (in {span(moment - around.now)})" if moment > around.now else ""
    return f"{local(moment, around.zone)}{away}"
