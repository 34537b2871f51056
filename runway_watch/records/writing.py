"""Writing the records: values in, text out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import tomli_w

from runway_watch.clock import as_utc
from runway_watch.job import Generation, Job, Preparation, Verdict, cropped, preparations
from runway_watch.letters import STEERING

SCHEMA = 1
_KEPT = ("suffix", "dropped_as", "sha256", "size", "mtime_ns")
"""What is kept of an input; its inode says nothing once it has been restored from a backup."""


def result(
    job: Job, generations: Iterable[Generation], outputs: Mapping[int, list[str]], *, at: float
) -> str:
    """`NAME.result.toml`: what was asked, what it cost, what came out.

    Args:
        job: the job, done.
        generations: its paid calls.
        outputs: the file names in done/, by generation number.
        at: the moment of the record, seconds since 1970.
    """
    generations = list(generations)
    submitted = [g.submitted_at for g in generations if g.submitted_at is not None]
    failed = [g for g in generations if not g.outputs]
    table = {
        "schema": SCHEMA,
        "job": job.id,
        "status": "done",
        "operation": job.operation,
        **_inputs(job),
        "accepted_at": as_utc(job.accepted_at),
        "submitted_at": as_utc(min(submitted)) if submitted else None,
        "finished_at": as_utc(at),
        "credits": sum(g.credits for g in generations),
        "charged": "unknown" if charged(generations) == "unknown" else None,
        "failed": len(failed) or None,
        **(_in_part(len(failed), len(generations)) if failed else {}),
        "duplicate_of": job.duplicate_of,
        "cropped": cropped(job, generations) or None,
        "request": dict(job.params),
        "generation": [_generation(g, outputs.get(g.n, []), among=len(generations)) for g in generations],
        "sent": [_sent(written, each) for written, each in preparations(job, generations)] or None,
        "ledger": _for_ledger(job),
    }
    return _text(table)


def error(job: Job, generations: Iterable[Generation], verdict: Verdict) -> str:
    """`NAME.error.toml`: why it did not work, and what the person who dropped it can do."""
    generations = list(generations)
    task = next((g.task_id for g in generations if g.task_id), None)
    table = {
        "schema": SCHEMA,
        "job": job.id,
        "status": "failed",
        "stage": verdict.stage,
        "code": verdict.code,
        "message": verdict.message,
        "hint": verdict.hint,
        "problems": list(verdict.problems),
        "retryable": verdict.retryable,
        "attempts": max((max(g.attempt, g.tries) for g in generations), default=0),
        "charged": charged(generations),
        "credits": sum(g.credits for g in generations),
        "task_id": task,
        "failure_code": verdict.failure_code,
        "http_status": verdict.http_status,
        "operation": job.operation or None,
        "accepted_at": as_utc(job.accepted_at),
        "request": dict(job.params) or None,
        "generation": [_generation(g, [], among=len(generations)) for g in generations],
        "ledger": _for_ledger(job),
    }
    return _text(table)


def held(job: Job, verdict: Verdict, *, since: float, evidence: Mapping[str, Any] | None = None) -> str:
    """`NAME.held.toml`: why the job waits for a person; `evidence` is the account before and after a call."""
    table = {
        "schema": SCHEMA,
        "job": job.id,
        "status": "held",
        "code": verdict.code,
        "message": verdict.message,
        "hint": verdict.hint,
        "since": as_utc(since),
        "http_status": verdict.http_status,
        **{name: _moment(name, value) for name, value in (evidence or {}).items()},
    }
    return _text(table)


def charged(generations: Iterable[Generation]) -> str:
    """Whether the job cost anything: "no", "yes" or "unknown" (more than is known, by a call in doubt)."""
    generations = list(generations)
    if any(g.doubted or (g.submitted_at is not None and g.ended_at is None) for g in generations):
        return "unknown"
    return "yes" if any(g.credits for g in generations) else "no"


def _inputs(job: Job) -> dict[str, Any]:
    main = job.media or (job.inputs[0] if job.inputs else None)
    if main is None:
        return {}
    return {"input": (job.target_name or job.name) + main.suffix, "input_sha256": main.sha256}


def _in_part(failed: int, among: int) -> dict[str, str]:
    """What to say of a job that is done though not all of its generations worked."""
    return {
        "message": f"{among - failed} of {among} generations worked.",
        "hint": "Nothing more is paid by itself. Mend what failed in a copy of the sidecar; or drop the same "
        "again: what worked is shared for nothing, and what may work another time is tried again.",
    }


def _sent(written: str, prepared: Preparation) -> dict[str, Any]:
    """What was sent in place of a file; nothing about what nobody has seen."""
    return {
        "file": written.removeprefix("file:"),
        "mime": prepared.mime,
        "width": prepared.width,
        "height": prepared.height,
        "bytes": prepared.size or None,
        "changes": list(prepared.steps),
        "cropped": prepared.cropped or None,
    }


def _generation(generation: Generation, outputs: list[str], *, among: int) -> dict[str, Any]:
    started, ended = generation.submitted_at, generation.ended_at
    seconds = round(ended - started, 1) if started is not None and ended is not None else None
    return {
        **{name: generation.asks.get(name) for name in ("model", "seed")},
        "task_id": generation.task_id,
        "status": generation.status,
        "credits": generation.credits,
        "seconds": seconds,
        "outputs": outputs,
        "output_sha256": [o.sha256 for o in generation.outputs],
        "failure_code": generation.verdict.failure_code if generation.verdict else None,
        "submitted_at": None if started is None else as_utc(started),
        "tries": generation.tries,
        "doubted": generation.doubted or None,
        "remarks": list(generation.remarks) or None,
        "nodes": _by_node(generation, outputs),
        **(_why(generation.verdict) if among > 1 and generation.verdict and not outputs else {}),
        "request": dict(generation.asks) or None,
        "prepared": _prepared(generation.prepared),
    }


def _by_node(generation: Generation, outputs: list[str]) -> dict[str, list[str]] | None:
    """Which node of a workflow made which files."""
    found: dict[str, list[str]] = {}
    for output, name in zip(generation.outputs, outputs, strict=False):
        if output.node:
            found.setdefault(output.node, []).append(name)
    return found or None


def _prepared(found: Mapping[str, Preparation]) -> list[dict[str, Any]] | None:
    return [{"written": name, **asdict(each)} for name, each in found.items()] or None


def _why(verdict: Verdict) -> dict[str, Any]:
    """Why one of several failed; of a single one the record itself says it."""
    told = {name: getattr(verdict, name) for name in ("stage", "code", "message")}
    return told | {"problems": list(verdict.problems) or None, "retryable": verdict.retryable}


def _for_ledger(job: Job) -> dict[str, Any]:
    return {
        "wish": job.wish,
        "dropped_as": job.dropped_as,
        "price": job.price,
        "sweeps": job.sweeps,
        "file": [{name: getattr(item, name) for name in _KEPT} for item in job.inputs],
        "reference": [{"written": name, **asdict(found)} for name, found in job.references.items()],
        "prepared": _prepared(job.prepared),
    }


def _moment(name: str, value: Any) -> Any:
    """A moment as a date, whatever else as it is."""
    return as_utc(value) if name.startswith("looked_") and isinstance(value, float) else value


def _text(table: Mapping[str, Any]) -> str:
    """As TOML that may be shown on any terminal: an escape reads back as the letter that it stands for."""
    return STEERING.sub(_escaped, tomli_w.dumps(_without_none(table)))


def _escaped(found: re.Match[str]) -> str:
    """Within strings there are no line ends any more: those that there are hold the table together."""
    return "\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


def _without_none(value: Any) -> Any:
    """TOML knows no null: keys without a value are left out, at every depth. Nor halves of letters."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value if v is not None]
    return value
