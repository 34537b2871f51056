"""Admit: look at a settled group of files and accept it, refuse it, or say what it waits for.

Everything that can be known without paying is checked here, and everything that is wrong is told at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from runway_watch import catalogue, drops, sidecar
from runway_watch.drops import Group
from runway_watch.errors import Refusal, SpoolError
from runway_watch.holds import over_cap, total
from runway_watch.job import Generation, Input, Job, Place, State
from runway_watch.letters import STEERING
from runway_watch.settle import Sight
from runway_watch.sidecar import JobTable, Sidecar
from runway_watch.stages.asking import ask, blaming, varied
from runway_watch.stages.desk import NO_PICTURE, Candidate, Desk, Findings, Waits
from runway_watch.stages.inspecting import (
    Unsettled,
    fit,
    look_at_media,
    look_at_references,
    read_sidecar,
    steady,
)
from runway_watch.stages.leaving import why_it_stays
from runway_watch.stages.varying import KEY, Wanted, apart, requests, unfold
from runway_watch.wish import together, wish_of_call

Judged = tuple[Job, Sequence[Generation]]
"""A job that is `ready`, with its generations; or one that is `retiring` with its verdict, and has one."""


def admit(
    candidate: Candidate, *, desk: Desk, job_id: str, findings: Findings | None = None
) -> Judged | Waits:
    """Judge a group whose files have settled.

    Args:
        candidate: the group.
        desk: everything else that is needed.
        job_id: what the job will be called.
        findings: where to note what was found on the way, for who wants to tell of it.

    Returns:
        The job, accepted or refused; or what the group waits for.

    Raises:
        SpoolError, OSError: the folder is in trouble; nothing is known about the group.
    """
    if desk.place is Place.INBOX and (why := why_it_stays(candidate, desk)):
        return Waits(why)
    findings = findings or Findings()
    try:
        waits = _look(candidate, replace(desk, reading=steady(desk.reading, candidate)), findings)
    except Unsettled as change:
        return Waits(str(change), soon=True)
    return waits or _job(candidate, desk=desk, findings=findings, job_id=job_id)


def judge(
    candidate: Candidate, *, desk: Desk, job_id: str, findings: Findings | None = None
) -> Judged | Waits:
    """The same, where trouble with the folder is one more thing to wait for."""
    try:
        return admit(candidate, desk=desk, job_id=job_id, findings=findings)
    except (SpoolError, OSError) as error:
        return Waits(f"cannot be read: {error}")


def _look(candidate: Candidate, desk: Desk, findings: Findings) -> Waits | None:
    """Fill in the findings. Returns what the group waits for, if it is no drop yet."""
    waits: Waits | None = None
    with findings.noting():
        _check_names(candidate)
    with findings.noting():
        waits = look_at_media(candidate, desk, findings)
    if waits is not None:
        return waits
    with findings.noting():
        own = read_sidecar(candidate, desk, findings)
        return own if isinstance(own, Waits) else _look_at_wish(candidate, own, desk, findings)
    return None


def _look_at_wish(candidate: Candidate, own: Sidecar, desk: Desk, findings: Findings) -> Waits | None:
    group = candidate.group
    asked = findings.asked = ask(group, candidate.layers, own)
    with findings.noting():
        findings.table = sidecar.read_job(asked.job, name=group.sidecar or "the folder's defaults")
    wanted = Wanted([{key: value for key, value in asked.params.items() if key != KEY}])
    with findings.noting(), blaming(asked):
        lay = partial(varied, asked, candidate.layers)
        wanted = unfold(asked.params, findings.table, name=group.sidecar or "the folder's defaults", lay=lay)
    tag = findings.table.tag
    if group.media is None and any(
        catalogue.awaits_media(asked.operation, each, tag=tag) for each in wanted.each
    ):
        return Waits(NO_PICTURE, still=True)
    with findings.noting():
        look_at_references(candidate.folder, wanted.each, desk, findings)
    resolve = partial(
        catalogue.resolve,
        asked.operation,
        dropped=group.media,
        media=findings.facts,
        tag=tag,
        strict=desk.api.strict_params,
        allowed_hosts=desk.api.allowed_media_hosts,
        fit=findings.table.fit,
    )
    with findings.noting(), blaming(asked):
        contents, count = _contents(findings, group), findings.table.variations or 1
        findings.requests = requests(wanted, resolve, count=count, contents=contents)
        findings.fits = [fit(request, candidate, desk, findings) for request in findings.requests]
        _check_price(findings.requests, findings.table, desk)
    return None


def _check_names(candidate: Candidate) -> None:
    unsafe = [name for name in candidate.group.files if drops.safe(name) != name]
    unsafe += [name for name in candidate.folder.split("/") if STEERING.search(name)]
    if unsafe:
        raise Refusal(
            "name.unsafe",
            f"The name {unsafe[0]!a} holds control characters or is too long.",
            hint="Rename the files, or their folder, with plain letters and digits.",
        )


def _check_price(found: Sequence[catalogue.Request], table: JobTable, desk: Desk) -> None:
    price = total([request.credits for request in found])
    over = over_cap(price, max_credits=table.max_credits, per_job=desk.credits_per_job)
    if over is not None:
        notes = dict.fromkeys(request.price_note for request in found if request.price_note)
        raise Refusal("budget.job", over[0], hint=over[1], problems=[over[0], *notes])


def _job(candidate: Candidate, *, desk: Desk, findings: Findings, job_id: str) -> Judged:
    group, sights = candidate.group, candidate.sights
    found, table, verdict = findings.requests, findings.table, findings.verdict()
    facts = findings.facts.get(f"file:{group.media}")
    state = State.RETIRING if verdict else State.READY
    common, own = apart([request.params for request in found]) if found else ({}, [])
    job = Job(
        id=job_id,
        root=desk.root,
        folder=candidate.folder,
        name=group.name,
        dropped_as=group.name,
        place=desk.place,
        target=None,
        target_name=None,
        state=state,
        operation=found[0].operation if found else "",
        model=", ".join(dict.fromkeys(request.model for request in found)),
        params=common,
        options=table.model_dump(mode="json", exclude_defaults=True),
        inputs=tuple(_input(group, name, sights[name], findings.digests) for name in group.files),
        references=findings.references,
        media_suffix=drops.suffix_of(group.media, group) if group.media else "",
        mime=facts.mime if facts else None,
        priority=table.priority,
        price=total([request.credits for request in found]) if found else None,
        accepted_at=desk.now,
        verdict=verdict,
        wish="",
        prepared=findings.prepared | (findings.fits[0] if findings.is_uniform else {}),
    )
    calls = _generations(job, findings, own, due=max(desk.now, table.starts_at()))
    if verdict is not None:
        return job, calls
    return replace(job, wish=together([wish_of_call(job, call) for call in calls])), calls


def _generations(
    job: Job, findings: Findings, own: Sequence[Mapping[str, Any]], *, due: float
) -> Sequence[Generation]:
    """One for each request; a single one that fails for what is refused."""
    if job.verdict is not None:
        refused = Generation(job.id, 1, job.state, model=job.model, price=job.price, verdict=job.verdict)
        return [replace(refused, due_at=job.accepted_at)]
    plain = [
        Generation(job.id, n, job.state, asks=asks, model=request.model, price=request.credits, due_at=due)
        for n, (request, asks) in enumerate(zip(findings.requests, own, strict=True), 1)
    ]
    if findings.is_uniform:
        return plain
    return [replace(call, prepared=fit) for call, fit in zip(plain, findings.fits, strict=True)]


def _contents(findings: Findings, group: Group) -> Mapping[str, str]:
    """The SHA-256 of each file that the parameters may name; of a damaged one nobody has any."""
    contents = {written: reference.sha256 for written, reference in findings.references.items()}
    if group.media in findings.digests:
        contents[f"file:{group.media}"] = findings.digests[group.media]
    return contents


def _input(group: Group, name: str, sight: Sight, digests: Mapping[str, str]) -> Input:
    suffix = drops.suffix_of(name, group)
    return Input(suffix, name, digests.get(name, ""), sight.size, sight.mtime_ns, sight.ino)
