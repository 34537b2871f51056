"""Admit: look at a settled group of files and accept it, refuse it, or say what it waits for.

Everything that can be known without paying is checked here, and everything that is wrong is told at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from runway_watch import catalogue, drops, sidecar
from runway_watch.drops import Group
from runway_watch.errors import Refusal, SpoolError
from runway_watch.holds import over_cap
from runway_watch.job import Generation, Input, Job, Place, State
from runway_watch.letters import STEERING
from runway_watch.settle import Sight
from runway_watch.sidecar import JobTable, Sidecar
from runway_watch.stages.desk import NO_OPERATION, Candidate, Desk, Findings, Waits
from runway_watch.stages.inspecting import (
    Unsettled,
    fit,
    look_at_media,
    look_at_references,
    read_sidecar,
    steady,
)
from runway_watch.stages.leaving import why_it_stays
from runway_watch.wish import wish_of

Judged = tuple[Job, Generation]
"""A job that is `ready`, or one that is `retiring` with its verdict; and its generation."""


def admit(candidate: Candidate, *, desk: Desk, job_id: str) -> Judged | Waits:
    """Judge a group whose files have settled.

    Args:
        candidate: the group.
        desk: everything else that is needed.
        job_id: what the job will be called.

    Returns:
        The job, accepted or refused; or what the group waits for.

    Raises:
        SpoolError, OSError: the folder is in trouble; nothing is known about the group.
    """
    if desk.place is Place.INBOX and (why := why_it_stays(candidate, desk)):
        return Waits(why)
    findings = Findings()
    try:
        waits = _look(candidate, replace(desk, reading=steady(desk.reading, candidate)), findings)
    except Unsettled as change:
        return Waits(str(change), soon=True)
    return waits or _job(candidate, desk=desk, findings=findings, job_id=job_id)


def judge(candidate: Candidate, *, desk: Desk, job_id: str) -> Judged | Waits:
    """The same, where trouble with the folder is one more thing to wait for."""
    try:
        return admit(candidate, desk=desk, job_id=job_id)
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
    merged, group = sidecar.layered([*candidate.layers, own]), candidate.group
    with findings.noting():
        findings.table = sidecar.read_job(merged.job, name=group.sidecar or "the folder's defaults")
    operation = _operation(group, merged)
    tag = findings.table.tag
    if group.media is None and catalogue.awaits_media(operation, merged.params, tag=tag):
        return Waits(NO_OPERATION, still=True)
    with findings.noting():
        look_at_references(candidate.folder, merged, desk, findings)
    with findings.noting(), _blaming(candidate.layers, own):
        findings.request = catalogue.resolve(
            operation,
            merged.params,
            dropped=group.media,
            media=findings.facts,
            tag=tag,
            strict=desk.api.strict_params,
            allowed_hosts=desk.api.allowed_media_hosts,
            fit=findings.table.fit,
        )
        fit(candidate, desk, findings)
        _check_price(findings.request, findings.table, desk)
    return None


@contextmanager
def _blaming(layers: Sequence[Sidecar], own: Sidecar) -> Iterator[None]:
    """Say of what is wrong in a folder's defaults where it stands: it is not in the sidecar."""
    try:
        yield
    except Refusal as refusal:
        told = [problem.partition(":")[0].strip("`") for problem in refusal.problems]
        wrong = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in told} - own.params.keys()
        names = dict.fromkeys(layer.name for layer in layers if wrong & layer.params.keys())
        if not names:
            raise
        hint = f"Mend {' and '.join(names)}, where it stands, and save the sidecar again."
        raise Refusal(refusal.code, refusal.message, hint=hint, problems=refusal.problems) from None


def _check_names(candidate: Candidate) -> None:
    unsafe = [name for name in candidate.group.files if drops.safe(name) != name]
    unsafe += [name for name in candidate.folder.split("/") if STEERING.search(name)]
    if unsafe:
        raise Refusal(
            "name.unsafe",
            f"The name {unsafe[0]!a} holds control characters or is too long.",
            hint="Rename the files, or their folder, with plain letters and digits.",
        )


def _operation(group: Group, merged: Sidecar) -> str:
    named = merged.job.get("operation")
    if isinstance(named, str):
        return named
    kind = drops.media_kind(group.media) if group.media else "image"
    return catalogue.DEFAULT_OPERATION.get(kind or "image", f"(none for a dropped {kind})")


def _check_price(request: catalogue.Request, table: JobTable, desk: Desk) -> None:
    over = over_cap(request.credits, max_credits=table.max_credits, per_job=desk.credits_per_job)
    if over is not None:
        told = [text for text in (over[0], request.price_note) if text]
        raise Refusal("budget.job", over[0], hint=over[1], problems=told)


def _job(candidate: Candidate, *, desk: Desk, findings: Findings, job_id: str) -> Judged:
    group, sights = candidate.group, candidate.sights
    request, table, verdict = findings.request, findings.table, findings.verdict()
    facts = findings.facts.get(f"file:{group.media}")
    state = State.RETIRING if verdict else State.READY
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
        operation=request.operation if request else "",
        model=request.model if request else "",
        params=request.params if request else {},
        options=table.model_dump(mode="json", exclude_defaults=True),
        inputs=tuple(_input(group, name, sights[name], findings.digests) for name in group.files),
        references=findings.references,
        media_suffix=drops.suffix_of(group.media, group) if group.media else "",
        mime=facts.mime if facts else None,
        priority=table.priority,
        price=request.credits if request else None,
        accepted_at=desk.now,
        verdict=verdict,
        wish=_wish(findings, group) if request and not verdict else "",
        prepared=findings.prepared,
    )
    due = desk.now if verdict else max(desk.now, table.starts_at())
    return job, Generation(job=job_id, n=1, state=state, due_at=due, verdict=verdict)


def _wish(findings: Findings, group: Group) -> str:
    assert findings.request is not None
    contents = {written: reference.sha256 for written, reference in findings.references.items()}
    if group.media is not None:
        contents[f"file:{group.media}"] = findings.digests[group.media]
    for written, shape in findings.request.pads.items():
        contents[written] += f" padded to {shape}"
    return wish_of(findings.request.operation, findings.request.params, contents)


def _input(group: Group, name: str, sight: Sight, digests: Mapping[str, str]) -> Input:
    suffix = drops.suffix_of(name, group)
    return Input(suffix, name, digests.get(name, ""), sight.size, sight.mtime_ns, sight.ino)
