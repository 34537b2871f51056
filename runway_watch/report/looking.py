"""Looks once more at files as admission does, to tell of what they ask for. Nothing is moved or written."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from runway_watch import clock
from runway_watch.config import Settings
from runway_watch.errors import Refusal, SpoolError
from runway_watch.job import Job
from runway_watch.report.effective import NOT_KEPT, Effective, of
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.again import judge_again
from runway_watch.stages.asking import ask
from runway_watch.stages.desk import Candidate, Desk, Findings
from runway_watch.stages.inspecting import look_at_media, read_sidecar
from runway_watch.stages.presets import defaults


def so_far(candidate: Candidate, desk: Desk) -> Findings:
    """What can be told of a group that is no drop yet: something of it is missing, or still arriving."""
    findings = Findings()
    with suppress(OSError, SpoolError):
        with findings.noting():
            look_at_media(candidate, desk, findings)
        with findings.noting():
            own = read_sidecar(candidate, desk, findings)
            if isinstance(own, Sidecar):
                findings.asked = ask(candidate.group, candidate.layers, own)
    return findings


def of_job(job: Job, settings: Settings) -> tuple[Effective, str]:
    """What a job asks for, with who said what as far as that can still be told, and how that is known.

    The ledger keeps the request and not the defaults that it was made from. They are looked at as they are
    now, with the sidecar beside the job's files: what gives the same value today is told as the origin.
    """
    now = _as_it_is_now(job, settings)
    has_sidecar = any(item.suffix != job.media_suffix for item in job.inputs)
    sources = f"{'its sidecar and ' if has_sidecar else ''}its folder's defaults as they are now"
    if now is None:
        return _recorded(job, None), f"not known: {sources} cannot be read"
    if not job.operation:  # it was refused before there was a request
        return now, f"by {sources}"
    return _recorded(job, now), f"by {sources}; what they were then is not kept"


def _as_it_is_now(job: Job, settings: Settings) -> Effective | None:
    """What would be made of the job's files today; None where nobody can tell."""
    watch = settings.watch_of(job.root)
    if watch is None:
        return None
    spool, findings = Spool(Path(job.root)), Findings()
    desk = replace(Desk.at(job.place, spool, settings, now=clock.now()), decodes=False)
    try:
        layers = defaults(spool, watch, job.folder)
        judge_again(job, spool=spool, desk=desk, layers=layers, findings=findings)
    except (OSError, Refusal, SpoolError):
        return None
    return of(findings)


def _recorded(job: Job, now: Effective | None) -> Effective:
    """What the ledger says, with the origins of what would be the same today."""
    options = {key: value for key, value in job.options.items() if key != "operation"}
    asked = {"operation": job.operation, **options}
    now_asked = {"operation": now.operation, **now.job} if now else {}
    return Effective(
        operation=job.operation or "nothing that can be understood",
        params=job.params,
        origins=dict(_same(job, job.params, now.params, now.origins)) if now else {},
        job=options,
        job_origins=dict(_same(job, asked, now_asked, now.job_origins)) if now else {},
        left_out=now.left_out if now else (),
    )


def _same(
    job: Job, was: Mapping[str, Any], now: Mapping[str, Any], origins: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for key, value in was.items():
        is_same = key in now and _spelled(value) == _as_dropped(job, _spelled(now[key]))
        yield key, origins.get(key, "") if is_same else NOT_KEPT


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _as_dropped(job: Job, text: str) -> str:
    """The dropped file under the name that it was dropped with: a taken one has got ` (2)`."""
    for item in job.inputs:
        text = text.replace(
            json.dumps(f"file:{job.name}{item.suffix}"), json.dumps(f"file:{item.dropped_as}")
        )
    return text
