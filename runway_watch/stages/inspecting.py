"""Looks into the files of a candidate: what they are, whether they are whole, what is written in them.

Each file is opened once, without following links; what is checked is what is hashed. What a file holds counts
only if it is the file that the scan saw, and stays it while it is looked at.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from runway_watch import catalogue, media, sidecar
from runway_watch.errors import Exhausted, Refusal
from runway_watch.job import MIN_MEDIA_BYTES, How, MediaFacts, Preparation, Reference
from runway_watch.sidecar import Sidecar
from runway_watch.spool import below, digest_of
from runway_watch.stages.desk import Candidate, Desk, Findings, Reading, Waits


class Unsettled(Exception):
    """A file is not what the scan saw: nothing is concluded from what was found in it."""


def steady(reading: Reading, candidate: Candidate) -> Reading:
    """Open files of a candidate; what is looked at has to be what the scan saw, and to stay it meanwhile.

    Raises:
        Unsettled: it does not.
    """
    sights = {candidate.path(name): candidate.sights[name] for name in candidate.group.files}

    @contextmanager
    def opened(path: str) -> Iterator[BinaryIO]:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(reading(path))
            except Refusal as refusal:
                if refusal.code == "reference.missing":
                    raise Unsettled(f"{path} went away while it was looked at") from None
                raise
            try:
                yield file
            finally:
                found, seen = os.fstat(file.fileno()), sights[path]
                if (found.st_size, found.st_mtime_ns) != (seen.size, seen.mtime_ns):
                    raise Unsettled(f"{path} is still being written")

    return opened


def look_at_media(candidate: Candidate, desk: Desk, findings: Findings) -> Waits | None:
    """Find out what the dropped file is. Raises Refusal when it can be none."""
    name = candidate.group.media
    if name is None:
        return None
    with desk.reading(candidate.path(name)) as file:
        size = file.seek(0, 2)
        try:
            facts = media.look(file, name=name, size=size, convert=desk.convert)
            if not _is_sound(file, facts.extension, size, decodes=desk.decodes):
                return _incomplete(name, patient=candidate.patient)
            _prepare(file, f"file:{name}", facts, (name, desk), findings)
        except Refusal as refusal:
            if refusal.code == "asset.truncated" or size == 0 or _is_begun(file, size):
                return _incomplete(name, patient=candidate.patient)
            raise
        findings.digests[name] = digest_of(file)
    return None


def _prepare(
    file: BinaryIO, written: str, facts: MediaFacts, told: tuple[str, Desk], findings: Findings
) -> None:
    """Find out the rest about a file that is whole, and how it is to be sent. Raises Refusal."""
    name, desk = told
    with _taking_blame():
        facts = media.probed(file, facts, name=name)
        if why := catalogue.why_not(facts):
            hint = "Save it anew, as MP4 with H.264 or as WAV."
            raise Refusal("asset.unsupported", f"{name} {why}.", hint=hint)
        prepared = media.prepare(file, facts, name=name, policy=desk.policy)
    if prepared.how is How.CONVERTED:  # limits are those of what is sent
        facts = replace(facts, width=prepared.width, height=prepared.height)
    findings.facts[written] = facts
    findings.prepared[written] = prepared


def fit(
    request: catalogue.Request, candidate: Candidate, desk: Desk, findings: Findings
) -> dict[str, Preparation]:
    """How files are sent for this request beside what is known of them: what Runway cuts off, what is padded.

    Raises:
        Refusal: something cannot be padded.
    """
    known, told = findings.prepared, (desk, findings)
    cropped = {file: replace(known[file], cropped=lost) for file, lost in request.cropped.items()}
    return cropped | {file: _padded(file, shape, candidate, told) for file, shape in request.pads.items()}


def _padded(written: str, shape: str, candidate: Candidate, told: tuple[Desk, Findings]) -> Preparation:
    desk, findings = told
    if (written, shape) not in findings.padded:
        findings.padded[written, shape] = _pad(written, shape, candidate, (desk, findings))
    return findings.padded[written, shape]


def _pad(written: str, shape: str, candidate: Candidate, told: tuple[Desk, Findings]) -> Preparation:
    desk, findings = told
    name = written.removeprefix("file:")
    if not desk.convert:
        message = f"{name} cannot be padded, for pictures are not converted here."
        hint = 'Say `fit = "crop"` in [job], or have `convert = true` set for the watch.'
        raise Refusal("params.invalid", message, hint=hint)
    reference = findings.references.get(written)
    opened = desk.reading(candidate.path(name)) if reference is None else desk.referred(reference.path)
    with opened as file, _taking_blame():
        return media.prepare(file, findings.facts[written], name=name, policy=desk.policy, pad=shape)


@contextmanager
def _taking_blame() -> Iterator[None]:
    """What is broken off for want of time or memory is the file's fault, unless a person tries it again."""
    try:
        yield
    except Exhausted as error:
        hint = "Make it smaller, or give the machine more memory; then move it back to the inbox."
        raise Refusal("asset.unsupported", str(error), hint=hint) from None


def read_sidecar(candidate: Candidate, desk: Desk, findings: Findings) -> Sidecar | Waits:
    """Read the candidate's own sidecar; an empty one where it has none. Raises Refusal."""
    name = candidate.group.sidecar
    if name is None:
        return sidecar.EMPTY
    with desk.reading(candidate.path(name)) as file:
        raw = file.read(sidecar.MAX_BYTES + 1)
        size = file.seek(0, 2)
    findings.digests[name] = hashlib.sha256(raw).hexdigest()
    if candidate.patient and sidecar.is_unfilled(raw):
        return Waits(f"{name} is empty, or still being written", soon=True)
    return sidecar.parse(raw if size <= sidecar.MAX_BYTES else bytes(size), name=name)


def look_at_references(
    folder: str, wanted: Iterable[Mapping[str, Any]], desk: Desk, findings: Findings
) -> None:
    """Find out what else the drop refers to with `file:`. Raises Refusal, with all that is wrong there.

    Args:
        wanted: the parameters of each generation.
    """
    problems: list[Refusal] = []
    for written in dict.fromkeys(w for params in wanted for w in catalogue.references(params)):
        if written in findings.facts:
            continue
        try:
            findings.references[written] = _refer(written, folder, desk, findings)
        except Refusal as refusal:
            problems.append(refusal)
    if problems:
        first = problems[0]
        told = [problem.message for problem in problems]
        raise Refusal(first.code, first.message, hint=first.hint, problems=told)


def _refer(written: str, folder: str, desk: Desk, findings: Findings) -> Reference:
    path = below(folder, written.removeprefix("file:"))
    with desk.referred(path) as file:
        size = file.seek(0, 2)
        facts = media.look(file, name=PurePosixPath(path).name, size=size, convert=desk.convert)
        if not media.is_whole(file, facts.extension, size):
            raise Refusal("asset.truncated", f"{path} ends before its end.", hint="Put a whole copy there.")
        _prepare(file, written, facts, (path, desk), findings)
        return Reference(path, digest_of(file), size, facts.mime)


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


def _incomplete(name: str, *, patient: bool) -> Waits:
    if patient:
        return Waits(f"{name} is still arriving", soon=True)
    raise Refusal(
        "asset.truncated",
        f"{name} ends before its end: it is damaged, or its copying was broken off.",
        hint="Copy the file again.",
    )
