"""Upload: bring one file to Runway's storage, from a fresh slot, checked against what was admitted."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from runway_watch import media
from runway_watch.api import Api, Courier, safe_filename
from runway_watch.errors import ApiError, Changed, Exhausted, Interrupted, Refusal, SpoolError
from runway_watch.hands import Hands
from runway_watch.job import Done, How, Job, Later, Never, Outcome, Preparation, Verdict
from runway_watch.spool import Spool, digest_of
from runway_watch.stages.trouble import folder_trouble, outcome_of, transfer_trouble

_RECIPE = 1
"""Raised when a file is converted, or stripped, in another way than before: it is uploaded anew then."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file to upload, as it was admitted: `written` is how the parameters call it, "file:cat.png"."""

    written: str
    name: str
    sha256: str
    size: int
    prepared: Preparation
    reading: AbstractContextManager[BinaryIO]

    @property
    def key(self) -> str:
        """What names that which is sent: the file's digest, and what was made of it if anything was."""
        prepared = self.prepared
        if prepared.how is How.AS_IT_IS:
            return self.sha256
        made = (prepared.how, prepared.extension, prepared.pad, prepared.keeps_metadata)
        return hashlib.sha256(repr((self.sha256, _RECIPE, *map(str, made))).encode()).hexdigest()

    @property
    def called(self) -> str:
        """Its name at Runway, with the extension of what is sent."""
        name = self.name.rpartition("/")[2]
        if self.prepared.how is How.CONVERTED:
            name = name.rpartition(".")[0] + self.prepared.extension
        return safe_filename(name)


def parcels(job: Job, spool: Spool) -> list[Parcel]:
    """Everything that has to lie at Runway before the job can be submitted."""
    found = [
        _parcel(job, written, ref.path, (ref.sha256, ref.size, ref.mime), spool.referred(ref.path))
        for written, ref in job.references.items()
    ]
    media = job.media
    if media is not None and job.mime is not None:
        name = media.dropped_as
        facts = media.sha256, media.size, job.mime
        found.insert(0, _parcel(job, f"file:{name}", name, facts, spool.reading(job, media)))
    return found


def _parcel(
    job: Job, written: str, name: str, facts: tuple[str, int, str], reading: AbstractContextManager[BinaryIO]
) -> Parcel:
    """A file's parcel; what was admitted before files were prepared goes as it is."""
    sha256, size, mime = facts
    plain = Preparation(How.AS_IT_IS, PurePosixPath(name).suffix.lower(), mime, size)
    return Parcel(written, name, sha256, size, job.prepared.get(written, plain), reading)


async def upload(parcel: Parcel, *, api: Api, courier: Courier, hands: Hands) -> Outcome:
    """Upload one file. Done brings `uri`; each try takes a new slot, for a slot works once.

    Args:
        hands: those of the share that has the file.
    """
    try:
        async with hands.lend(_content(parcel)) as content:
            facts = await content(_facts, parcel)
            slot = await api.create_slot(parcel.called)
            await courier.upload(slot, content, name=parcel.called, mime=parcel.prepared.mime, **facts)
    except ApiError as error:
        return outcome_of(error, stage="upload")
    except Interrupted as error:
        return transfer_trouble(error)
    except Exhausted as error:
        return Later("exhausted", str(error))
    except SpoolError as error:
        return folder_trouble(error)
    except (Changed, Refusal, _Unconverted) as error:
        return Never(_verdict(parcel, error))
    return Done({"uri": slot.uri})


class _Unconverted(Exception):
    """It is the file that was accepted, and cannot be converted any more."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@contextmanager
def _content(parcel: Parcel) -> Iterator[BinaryIO]:
    """What is sent, open: the file itself, or what it was converted to.

    It is converted from a copy, which is of the very bytes whose digest was looked at, and gone when it is.
    """
    if parcel.prepared.how is not How.CONVERTED:
        with parcel.reading as file:
            yield file
        return
    with ExitStack() as stack:
        with ExitStack() as brief:
            with parcel.reading as file:
                copy = brief.enter_context(media.copied(file, parcel.size + 1))
            if digest_of(copy) != parcel.sha256:
                raise Changed("The file has not the contents it was admitted with.")
            try:
                result = stack.enter_context(media.developed(copy, parcel.prepared, name=parcel.name))
            except Refusal as refusal:
                raise _Unconverted(refusal) from refusal
        yield result


def _facts(file: BinaryIO, parcel: Parcel) -> dict[str, Any]:
    """What is sent has to be this: its size, its digest, and what is left out of it."""
    if parcel.prepared.how is How.CONVERTED:
        return {"size": file.seek(0, 2), "sha256": digest_of(file)}
    cuts = media.left_out(file, parcel.prepared, parcel.size)
    return {"size": parcel.size, "sha256": parcel.sha256, "cuts": cuts}


def _verdict(parcel: Parcel, error: Changed | Refusal | _Unconverted) -> Verdict:
    if isinstance(error, _Unconverted):
        return Verdict("upload", error.refusal.code, error.refusal.message, hint=error.refusal.hint)
    what = error.message if isinstance(error, Refusal) else "it is not the file that was accepted any more"
    return Verdict(
        stage="upload",
        code="asset.changed",
        message=f"{parcel.name} changed after it was accepted: {what}",
        hint="Drop the files again when they are as they should be.",
    )
