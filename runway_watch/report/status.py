"""How it stands, told from the ledger, the lock and a look at the inboxes: with the daemon running or not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from runway_watch import clock
from runway_watch.config import Settings, WatchSettings
from runway_watch.daemon.account import KEPT
from runway_watch.daemon.purser import hours_of
from runway_watch.errors import NoLedger, SpoolError
from runway_watch.hands import within
from runway_watch.holds import bars
from runway_watch.job import Generation, Hold, Job, Place, Purse, State
from runway_watch.ledger import Ledger, holder
from runway_watch.ledger.aside import EMPTY, Damaged
from runway_watch.letters import printable
from runway_watch.report.inboxes import ANSWER_SECONDS, look_into, told
from runway_watch.report.places import Places
from runway_watch.report.standing import follows, in_part
from runway_watch.spool import Spool
from runway_watch.stages.desk import Waits
from runway_watch.stages.survey import as_it_lies

SCHEMA = 1
_READY = "complete: it is taken in with the next scan"
_STOPPED = "complete: it is taken in when the daemon runs"
_LOOK_SECONDS = 60.0
"""A look at an inbox takes no longer, unless a file in it cannot be read."""

_LOOKED_INTO = 50
"""So many complete drops of a watch are looked into; of more than that nobody reads each line."""


def snapshot(settings: Settings, places: Places) -> dict[str, Any]:
    """Everything that `status --json` shows, as plain values; moments as text in UTC.

    A ledger that is not there yet is an empty one. Raises LedgerError when it cannot be read.
    """
    known = _from_ledger(settings, places)
    note = holder(places.lock)
    is_running = note is not None
    away = {hold.scope: hold.message for hold in known.holds if hold.reason == "share" and is_running}
    waiting = [
        line
        for watch in settings.watch
        for line in _told(watch, settings, is_running=is_running, away=away.get(str(watch.root)))
    ]
    return {
        "schema": SCHEMA,
        "daemon": {
            "running": is_running,
            "pid": (note or {}).get("pid"),
            "since": _moment((note or {}).get("since")),
            "version": (note or {}).get("version"),
        },
        "holds": [_hold(hold) for hold in known.holds],
        "counts": dict(known.counts) | {"waiting": len(waiting)},
        "credits": {
            "today": known.purse.today,
            "reserved": known.purse.reserved,
            "cap": settings.budget.credits_per_day or None,
            "balance": known.balance,
        },
        "waiting": waiting,
        "jobs": [_line(job, calls, known) for job, calls in known.jobs],
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """What stands in the ledger."""

    jobs: Sequence[tuple[Job, list[Generation]]] = ()
    leaders: Mapping[str, Job | None] = field(default_factory=dict)  # by id: whose results are waited for
    counts: Mapping[str, int] = field(default_factory=dict)
    holds: Sequence[Hold] = ()
    purse: Purse = field(default_factory=Purse)
    balance: int | None = None


def _from_ledger(settings: Settings, places: Places) -> _Known:
    try:
        ledger = Ledger(places.ledger_url, readonly=True)
    except NoLedger:
        return _Known()
    except Damaged as broken:
        if broken.why == EMPTY and holder(places.lock) is not None:
            return _Known()  # a daemon has just begun it
        raise
    with ledger:
        account = ledger.recall(KEPT) or {}
        day = hours_of(settings).day_began(clock.now())
        jobs = [(job, ledger.calls(job.id)) for job in ledger.latest()]
        return _Known(
            jobs=jobs,
            leaders=_leaders(ledger, [job for job, _ in jobs]),
            counts=ledger.counts(),
            holds=ledger.holds(),
            purse=ledger.purse(day=day, looked_at=account.get("at", 0.0)),
            balance=account.get("balance"),
        )


def _leaders(ledger: Ledger, jobs: Sequence[Job]) -> Mapping[str, Job | None]:
    known = {job.id: job for job in jobs}
    wanted = {job.duplicate_of for job in jobs if job.state is State.READY and job.duplicate_of is not None}
    return {leader: known.get(leader) or _job(ledger, leader) for leader in wanted}


def _job(ledger: Ledger, job_id: str) -> Job | None:
    found = ledger.job(job_id)
    return found[0] if found is not None else None


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "scope": hold.scope,
        "reason": hold.reason,
        "since": _moment(hold.since),
        "until": _moment(hold.until),
        "message": hold.message,
    }


def _line(job: Job, calls: list[Generation], known: _Known) -> dict[str, Any]:
    call = next((c for c in calls if c.state is job.state), calls[0])
    reason, message = _why(job, call, known)
    verdict = job.verdict or call.verdict
    waits = call.due_at > clock.now() and job.state not in (State.DONE, State.FAILED, State.CANCELLED)
    return {
        "job": job.id,
        "path": printable(str(_where(job))),
        "state": job.state.value,
        "operation": job.operation or None,
        "model": job.model or None,
        "attempt": max(c.attempt for c in calls),
        "due_at": _moment(call.due_at) if waits else None,
        "task_id": next((c.task_id for c in calls if c.state is State.RUNNING), call.task_id),
        "progress": call.progress if len(calls) == 1 else _progress(calls),
        "credits": sum(c.credits for c in calls),
        "code": verdict.code if verdict else reason,
        "message": verdict.message if verdict else (reason and message) or in_part(job, calls),
        **({"generations": [_generation(c) for c in calls]} if len(calls) > 1 else {}),
    }


def _progress(calls: Sequence[Generation]) -> float | None:
    """How far several generations have come together; None while none of them is at Runway."""
    if not any(call.progress is not None for call in calls):
        return None
    over = (State.COLLECTING, State.RETIRING, State.DONE, State.FAILED, State.CANCELLED)
    return sum(1.0 if call.state in over else call.progress or 0.0 for call in calls) / len(calls)


def _generation(call: Generation) -> dict[str, Any]:
    verdict = None if call.outputs else call.verdict
    return {
        "n": call.n,
        "state": call.state.value,
        "model": call.model or None,
        "seed": call.asks.get("seed"),
        "task_id": call.task_id,
        "progress": call.progress,
        "credits": call.credits,
        "code": verdict.code if verdict else None,
    }


def _why(job: Job, call: Generation, known: _Known) -> tuple[str | None, str | None]:
    """Why a job does not go on: its own reason, or a hold of what it needs."""
    if job.target is Place.PROCESSING:
        return "share", "its files are still being moved to processing/"
    if job.state is State.READY and job.duplicate_of is not None:
        return "duplicate", follows(job.duplicate_of, known.leaders.get(job.duplicate_of))
    barring = next((hold for hold in known.holds if bars(hold, job, call)), None)
    if barring is not None:
        return barring.reason, barring.message
    if job.state is State.RUNNING and call.status == "THROTTLED":
        return "throttled", "it waits at Runway for one of the account's slots"
    if job.state is State.READY and call.reason is None and call.due_at > clock.now():
        return "not_before", "its sidecar says `not_before`"
    return (None, None) if call.reason == "running" else (call.reason, call.message)  # that one is no news


def _where(job: Job) -> str:
    main = job.media or (job.inputs[0] if job.inputs else None)
    if main is None:
        return job.path
    return str(Spool(Path(job.root)).path_of(job, main))


def _told(
    watch: WatchSettings, settings: Settings, *, is_running: bool, away: str | None
) -> list[dict[str, str]]:
    """What `_waiting` gives, unless the share takes too long for it."""
    look = partial(_waiting, watch, settings, is_running=is_running, away=away)
    try:
        return within(_LOOK_SECONDS, lambda: list(look()))
    except SpoolError as error:
        return [{"path": str(watch.root / Place.INBOX), "why": f"cannot be read: {error}"}]


def _waiting(
    watch: WatchSettings, settings: Settings, *, is_running: bool, away: str | None
) -> Iterator[dict[str, str]]:
    """Files in the inbox and why they are there; nothing is known of how long they have been still.

    Args:
        away: why the daemon does not work below this root, if it does not: then nobody looks.
    """
    spool = Spool(watch.root)
    if away is not None:
        yield {"path": str(spool.inbox), "why": printable(away)}
        return
    try:
        within(ANSWER_SECONDS, watch.root.stat)
        found = as_it_lies(spool, watch)
    except (OSError, SpoolError) as error:
        yield {"path": str(spool.inbox), "why": f"cannot be read: {told(error)}"}
        return
    ready = {path: _READY if is_running else _STOPPED for one in found.candidates for path in one.paths}
    for candidate in found.candidates[:_LOOKED_INTO]:
        judged = look_into(candidate, spool, settings)
        if isinstance(judged, Waits):
            ready |= dict.fromkeys(candidate.paths, judged.why)
    for path, why in sorted((found.waiting | ready).items()):
        yield {"path": printable(str(spool.where(Place.INBOX, path))), "why": printable(why)}


def _moment(seconds: float | None) -> str | None:
    return clock.as_utc(seconds).isoformat().replace("+00:00", "Z") if seconds is not None else None
