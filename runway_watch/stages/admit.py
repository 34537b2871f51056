"""Admit: look at a settled group of files and accept it, refuse it, or say what it waits for.

Everything that can be known without paying is checked here, and everything that is wrong is told at once.
Each file is opened once, without following links; what is checked is what is hashed.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from runway_watch import catalogue, drops, media, sidecar
from runway_watch.drops import Group
from runway_watch.errors import Refusal
from runway_watch.job import MIN_MEDIA_BYTES, Generation, Input, Job, Reference, State
from runway_watch.settle import Sight
from runway_watch.sidecar import JobTable, Sidecar
from runway_watch.spool import below, digest_of
from runway_watch.stages.desk import Desk, Findings, Reading, Waits
from runway_watch.wish import wish_of

NO_OPERATION = "waits for its picture"


def admit(
    group: Group, folder: str, sights: Mapping[str, Sight], *, desk: Desk, job_id: str
) -> tuple[Job, Generation] | Waits:
    """Judge a group whose files have settled.

    Args:
        group: which files belong together.
        folder: the folder below the inbox that they lie in.
        sights: size, time and inode of each file, by name.
        desk: everything else that is needed.
        job_id: what the job will be called.

    Returns:
        A job that is `ready`, or one that is `retiring` with its verdict; or what the group waits for.

    Raises:
        SpoolError, OSError: the folder is in trouble; nothing is known about the group.
    """
    findings = Findings()
    steady = partial(_steady, desk.reading, {_path(folder, name): sights[name] for name in group.files})
    try:
        waits = _look(group, folder, replace(desk, reading=steady), findings)
    except _Unsettled as change:
        return Waits(str(change), soon=True)
    return waits or _job(group, folder, sights, desk=desk, findings=findings, job_id=job_id)


class _Unsettled(Exception):
    """A file of the group is not what the scan saw: nothing is concluded from what was found in it."""


@contextmanager
def _steady(reading: Reading, sights: Mapping[str, Sight], path: str) -> Iterator[BinaryIO]:
    """Open a file of the group; what is looked at has to be what the scan saw, and to stay it meanwhile."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(reading(path))
        except Refusal as refusal:
            if refusal.code == "reference.missing":
                raise _Unsettled(f"{path} went away while it was looked at") from None
            raise
        try:
            yield file
        finally:
            found, seen = os.fstat(file.fileno()), sights[path]
            if (found.st_size, found.st_mtime_ns) != (seen.size, seen.mtime_ns):
                raise _Unsettled(f"{path} is still being written")


def _look(group: Group, folder: str, desk: Desk, findings: Findings) -> Waits | None:
    """Fill in the findings. Returns what the group waits for, if it is no drop yet."""
    waits: Waits | None = None
    with findings.noting():
        _check_names(group)
    with findings.noting():
        waits = _look_at_media(group, folder, desk, findings)
    if waits is not None:
        return waits
    with findings.noting():
        own = _read_sidecar(group, folder, desk, findings)
        return own if isinstance(own, Waits) else _look_at_wish(group, folder, own, desk, findings)
    return None


def _look_at_wish(group: Group, folder: str, own: Sidecar, desk: Desk, findings: Findings) -> Waits | None:
    merged = sidecar.layered([*desk.layers, own])
    with findings.noting():
        findings.table = sidecar.read_job(merged.job, name=group.sidecar or "the folder's defaults")
    operation = _operation(group, merged)
    tag = findings.table.tag
    if group.media is None and catalogue.awaits_media(operation, merged.params, tag=tag):
        return Waits(NO_OPERATION)
    with findings.noting():
        _look_at_references(folder, desk, findings, merged)
    with findings.noting():
        findings.request = catalogue.resolve(
            operation,
            merged.params,
            dropped=group.media,
            media=findings.facts,
            tag=tag,
            strict=desk.api.strict_params,
            allowed_hosts=desk.api.allowed_media_hosts,
        )
        _check_price(findings.request, findings.table, desk)
    return None


def _check_names(group: Group) -> None:
    if any(drops.safe(name) != name for name in group.files):
        raise Refusal(
            "name.unsafe",
            f"The name {group.name!a} holds control characters or is too long.",
            hint="Rename the files with plain letters and digits.",
        )


def _look_at_media(group: Group, folder: str, desk: Desk, findings: Findings) -> Waits | None:
    if group.media is None:
        return None
    with desk.reading(_path(folder, group.media)) as file:
        size = file.seek(0, 2)
        try:
            facts = media.look(file, name=group.media, size=size)
        except Refusal as refusal:
            if refusal.code == "asset.truncated" or size == 0 or _is_begun(file, size):
                return _incomplete(group.media, desk)
            raise
        if not _is_sound(file, facts.extension, size, decodes=desk.decodes):
            return _incomplete(group.media, desk)
        findings.digests[group.media] = digest_of(file)
        findings.facts[f"file:{group.media}"] = facts
    return None


def _is_sound(file: BinaryIO, extension: str, size: int, *, decodes: bool) -> bool:
    """Whether a file is there to its last byte, and is a picture that can be decoded if it is a picture."""
    if not media.is_whole(file, extension, size):
        return False
    return not decodes or media.decodes(file, extension) is not False


def _is_begun(file: BinaryIO, size: int) -> bool:
    """Whether a file that is too small is the beginning of a picture rather than a small one."""
    if size >= MIN_MEDIA_BYTES:
        return False
    file.seek(0)
    sniffed = media.sniff(file.read(MIN_MEDIA_BYTES))
    return sniffed is not None and sniffed[0] == "image" and not media.is_whole(file, sniffed[1], size)


def _read_sidecar(group: Group, folder: str, desk: Desk, findings: Findings) -> Sidecar | Waits:
    if group.sidecar is None:
        return sidecar.EMPTY
    with desk.reading(_path(folder, group.sidecar)) as file:
        raw = file.read(sidecar.MAX_BYTES + 1)
        size = file.seek(0, 2)
    findings.digests[group.sidecar] = hashlib.sha256(raw).hexdigest()
    if desk.patient and sidecar.is_unfilled(raw):
        return Waits(f"{group.sidecar} is still being written", soon=True)
    return sidecar.parse(raw if size <= sidecar.MAX_BYTES else bytes(size), name=group.sidecar)


def _operation(group: Group, merged: Sidecar) -> str:
    named = merged.job.get("operation")
    if isinstance(named, str):
        return named
    kind = drops.media_kind(group.media) if group.media else "image"
    return catalogue.DEFAULT_OPERATION.get(kind or "image", f"(none for a dropped {kind})")


def _look_at_references(folder: str, desk: Desk, findings: Findings, merged: Sidecar) -> None:
    problems: list[Refusal] = []
    for written in catalogue.references(merged.params):
        if written in findings.facts:
            continue
        try:
            findings.references[written] = _refer(written, folder, desk, findings)
        except Refusal as refusal:
            problems.append(refusal)
    if problems:
        raise Refusal(
            problems[0].code,
            problems[0].message,
            hint=problems[0].hint,
            problems=[p.message for p in problems],
        )


def _refer(written: str, folder: str, desk: Desk, findings: Findings) -> Reference:
    path = below(folder, written.removeprefix("file:"))
    with desk.referred(path) as file:
        size = file.seek(0, 2)
        facts = media.look(file, name=PurePosixPath(path).name, size=size)
        if not media.is_whole(file, facts.extension, size):
            raise Refusal("asset.truncated", f"{path} ends before its end.", hint="Put a whole copy there.")
        findings.facts[written] = facts
        return Reference(path, digest_of(file), size, facts.mime)


def _check_price(request: catalogue.Request, table: JobTable, desk: Desk) -> None:
    caps = [cap for cap in (table.max_credits, desk.credits_per_job or None) if cap is not None]
    if not caps or (request.credits is not None and request.credits <= min(caps)):
        return
    price = "an unknown number of" if request.credits is None else request.credits
    raise Refusal(
        "budget.job",
        f"It could cost {price} credits; at most {min(caps)} are allowed for one job.",
        hint=request.price_note or "Ask for less, or raise `max_credits`.",
    )


def _incomplete(name: str, desk: Desk) -> Waits:
    if desk.patient:
        return Waits(f"{name} is still arriving", soon=True)
    raise Refusal(
        "asset.truncated",
        f"{name} ends before its end: it is damaged, or its copying was broken off.",
        hint="Copy the file again.",
    )


def _job(
    group: Group, folder: str, sights: Mapping[str, Sight], *, desk: Desk, findings: Findings, job_id: str
) -> tuple[Job, Generation]:
    request, table, verdict = findings.request, findings.table, findings.verdict()
    facts = findings.facts.get(f"file:{group.media}")
    state = State.RETIRING if verdict else State.READY
    job = Job(
        id=job_id,
        root=desk.root,
        folder=folder,
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
    )
    due = desk.now if verdict else max(desk.now, table.starts_at())
    return job, Generation(job=job_id, n=1, state=state, due_at=due, verdict=verdict)


def _wish(findings: Findings, group: Group) -> str:
    assert findings.request is not None
    contents = {written: reference.sha256 for written, reference in findings.references.items()}
    if group.media is not None:
        contents[f"file:{group.media}"] = findings.digests[group.media]
    return wish_of(findings.request.operation, findings.request.params, contents)


def _input(group: Group, name: str, sight: Sight, digests: Mapping[str, str]) -> Input:
    suffix = drops.suffix_of(name, group)
    return Input(suffix, name, digests.get(name, ""), sight.size, sight.mtime_ns, sight.ino)


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
