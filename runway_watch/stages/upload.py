"""Upload: bring one file to Runway's storage, from a fresh slot, checked against what was admitted."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from runway_watch.api import Api, Courier, safe_filename
from runway_watch.errors import ApiError, Changed, Interrupted, Refusal, SpoolError
from runway_watch.hands import Hands
from runway_watch.job import Done, Job, Never, Outcome, Verdict
from runway_watch.spool import Spool
from runway_watch.stages.trouble import folder_trouble, outcome_of, transfer_trouble


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file to upload: `written` is how the parameters call it, "file:cat.png"."""

    written: str
    name: str
    sha256: str
    size: int
    mime: str
    reading: AbstractContextManager[BinaryIO]


def parcels(job: Job, spool: Spool) -> list[Parcel]:
    """Everything that has to lie at Runway before the job can be submitted."""
    found = [
        Parcel(written, ref.path, ref.sha256, ref.size, ref.mime, spool.referred(ref.path))
        for written, ref in job.references.items()
    ]
    media = job.media
    if media is not None and job.mime is not None:
        name = media.dropped_as
        reading = spool.reading(job, media)
        parcel = Parcel(f"file:{name}", name, media.sha256, media.size, job.mime, reading)
        found.insert(0, parcel)
    return found


async def upload(parcel: Parcel, *, api: Api, courier: Courier, hands: Hands) -> Outcome:
    """Upload one file. Done brings `uri`; each try takes a new slot, for a slot works once.

    Args:
        hands: those of the share that has the file.
    """
    name = safe_filename(parcel.name.rpartition("/")[2])
    try:
        async with hands.lend(parcel.reading) as file:
            slot = await api.create_slot(name)
            await courier.upload(
                slot, file, name=name, mime=parcel.mime, size=parcel.size, sha256=parcel.sha256
            )
    except ApiError as error:
        return outcome_of(error, stage="upload")
    except Interrupted as error:
        return transfer_trouble(error)
    except SpoolError as error:
        return folder_trouble(error)
    except Changed:
        return Never(_changed(parcel, "it is not the file that was accepted any more"))
    except Refusal as refusal:
        return Never(_changed(parcel, refusal.message))
    return Done({"uri": slot.uri})


def _changed(parcel: Parcel, what: str) -> Verdict:
    return Verdict(
        stage="upload",
        code="asset.changed",
        message=f"{parcel.name} changed after it was accepted: {what}",
        hint="Drop the files again when they are as they should be.",
    )
