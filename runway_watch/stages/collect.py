"""Collect: fetch every output of a finished task, whole and on disk, or none.

Outputs are written under hidden names on the share's own filesystem and become visible only when the job
retires. Their extension comes from their bytes, never from an address or a header.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from runway_watch.api import Courier, Received
from runway_watch.errors import Expired, Interrupted, Oversized, SpoolError
from runway_watch.job import Done, Generation, Job, Later, Never, Outcome, Output, Verdict
from runway_watch.media import is_whole, sniff, svg_is_drawing
from runway_watch.spool import Spool
from runway_watch.stages.trouble import folder_trouble, transfer_trouble

EXPIRED = "expired"
"""The reason to come back with fresh addresses."""

_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an output is fetched. The address is secret; `node` is the node of a workflow that made it."""

    url: str = field(repr=False)
    node: str = ""


async def collect(
    job: Job,
    generation: Generation,
    origins: Sequence[Origin],
    *,
    courier: Courier,
    spool: Spool,
    max_bytes: int,
) -> Outcome:
    """Fetch all outputs. Done brings `outputs`; an expired address is Later(EXPIRED)."""
    try:
        outputs = [
            await _fetch(origin, job, staged_name(job, generation, k), courier, spool, max_bytes)
            for k, origin in enumerate(origins, 1)
        ]
    except Expired as error:
        return Later(EXPIRED, str(error), counts=False, after=0.0)
    except Interrupted as error:
        return transfer_trouble(error)
    except SpoolError as error:
        return folder_trouble(error)
    except Oversized as error:
        return Never(_verdict("output.incomplete", f"The output is larger than allowed: {error}."))
    except _Unsafe as error:
        return Never(_verdict("output.unsafe", str(error)))
    return Done({"outputs": tuple(outputs)})


def staged_name(job: Job, generation: Generation, k: int) -> str:
    """The hidden name of a generation's k-th output."""
    return f".{job.id}-{generation.n}-{k}.part"


class _Unsafe(Exception):
    """The output is not of a kind that may be filed."""


async def _fetch(
    origin: Origin, job: Job, name: str, courier: Courier, spool: Spool, max_bytes: int
) -> Output:
    async with spool.hands.lend(spool.stage(job, name)) as file:
        received = await courier.download(origin.url, file, max_bytes=max_bytes)
        extension = await file(_examine, received)
    return Output(name, extension, received.sha256, received.size, origin.node)


def _examine(file: BinaryIO, received: Received) -> str:
    """Bring the file to disk and tell its extension. Raises Interrupted, _Unsafe or OSError."""
    os.fsync(file.fileno())
    file.seek(0)
    head = file.read(_HEAD)
    sniffed = sniff(head)
    whole = sniffed is not None and is_whole(file, sniffed[1], received.size)
    if sniffed is None and _is_page(head, received.content_type):
        raise Interrupted("what came is a page, not an output")
    if sniffed is None:
        raise _Unsafe("What Runway delivered is no video, picture, sound or archive that we know.")
    if not whole:
        raise Interrupted("the output ends before its end")
    if sniffed[1] == ".svg" and not svg_is_drawing(file, received.size):
        raise _Unsafe("What Runway delivered is an SVG that holds a script, or fetches something.")
    return sniffed[1]


def _is_page(head: bytes, content_type: str | None) -> bool:
    """Whether some server's excuse came with a 200: HTML, or XML as storages write it. SVG is no excuse."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    is_markup = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return kind == "text/html" or (is_markup and kind != "image/svg+xml")


def _verdict(code: str, message: str) -> Verdict:
    return Verdict(
        "collect",
        code,
        message,
        hint="The task is paid for; its output can be fetched at Runway while it is kept there.",
    )
