"""The presigned form: fields first and exact, the file last, streamed to disk with its digest.

Guarantees that memory does not grow with the file, and that a slot works once.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape

from aiohttp import BodyPartReader, web
from PIL import Image

from runway_watch.simulator.faulty import faulty, reset
from runway_watch.simulator.gate import WORLD, leaks_key
from runway_watch.simulator.library import Slot
from runway_watch.simulator.media import HEAD, IMAGE, MAX_BYTES, MIN_BYTES, kind_of, matches
from runway_watch.simulator.schema import Json

XML = '<?xml version="1.0" encoding="UTF-8"?>'
CHUNK = 256 * 1024
FIELD_MAX = 16 * 1024
OPTIONAL = frozenset({"metadata", "Content-Type"})  # the SDK may send the first, S3 clients the second


class FormError(Exception):
    """The form is not what the slot asked for: status, S3's code, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def answer(self) -> web.Response:
        """As object stores answer: XML, not the API's JSON."""
        body = f"<Error><Code>{self.code}</Code><Message>{escape(str(self))}</Message></Error>"
        return web.Response(status=self.status, text=XML + body, content_type="application/xml")


@dataclass(frozen=True)
class Received:
    """A file part on disk."""

    path: Path
    size: int
    sha256: str
    head: bytes


async def _facts(request: web.Request) -> Mapping[str, Any]:
    slot = request.app[WORLD].library.slots.get(request.match_info["slot"])
    return {"filename": slot.filename if slot else None}


def add_routes(app: web.Application) -> None:
    """The upload origin has one route, named by the slot."""
    app.router.add_post("/upload/{slot}", _once)


async def _once(request: web.Request) -> web.StreamResponse:
    """A slot is spent by the first try, whatever becomes of it: also by one that is made to fail."""
    slot = request.app[WORLD].library.take_slot(request.match_info["slot"])
    if slot is None:
        return FormError(
            403, "AccessDenied", "This upload URL is unknown, expired or was used before."
        ).answer()
    return await _form(request)


@faulty("upload_form", _facts)
async def _form(request: web.Request, deed: Json) -> web.StreamResponse:
    slot = request.app[WORLD].library.slots[request.match_info["slot"]]
    try:
        _check_head(request)
        received = await _read(request, slot, deed.get("reset_at"))
        await _keep(request, slot, received)
    except FormError as error:
        return error.answer()
    except (ConnectionError, web.RequestPayloadError):
        return reset(request)  # the sender has gone, or is to see a cut
    except (ValueError, RuntimeError):
        return FormError(
            400, "MalformedPOSTRequest", "The body is not well-formed multipart/form-data."
        ).answer()
    return web.Response(status=204)


def _check_head(request: web.Request) -> None:
    if leaks_key(request):
        raise FormError(400, "InvalidArgument", "The API key must never be sent to this origin.")
    if request.content_type != "multipart/form-data":
        raise FormError(
            412, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data."
        )
    if request.content_length is None:
        raise FormError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")


async def _read(request: web.Request, slot: Slot, cut_at: int | None) -> Received:
    reader = await request.multipart()
    fields: dict[str, str] = {}
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise FormError(400, "MalformedPOSTRequest", "Every part needs a name.")
        if part.name == "file":
            _check_fields(fields, slot)
            received = await _receive(request, part, cut_at)
            if await reader.next() is not None:
                received.path.unlink()
                raise FormError(400, "InvalidArgument", "The file must be the last part of the form.")
            return received
        fields[part.name] = await _field(part)
    raise FormError(400, "InvalidArgument", "POST requires exactly one file upload per request.")


async def _field(part: BodyPartReader) -> str:
    text = await part.read_chunk(FIELD_MAX)
    if not part.at_eof() and await part.read_chunk(FIELD_MAX):
        raise FormError(400, "MaxPostPreDataLengthExceeded", "A form field is too long.")
    return text.decode("utf-8", "replace")


def _check_fields(fields: dict[str, str], slot: Slot) -> None:
    for name, value in slot.fields.items():
        if name not in fields:
            raise FormError(403, "AccessDenied", f"The field {name} is missing, or comes after the file.")
        if fields[name] != value:
            raise FormError(403, "SignatureDoesNotMatch", f"The field {name} is not as it was signed.")
    extra = fields.keys() - slot.fields.keys() - OPTIONAL
    if extra:
        raise FormError(403, "AccessDenied", f"Extra input fields: {', '.join(sorted(extra))}")


async def _receive(request: web.Request, part: BodyPartReader, cut_at: int | None) -> Received:
    """Stream the part to a file; no more than one chunk is ever in memory."""
    with tempfile.NamedTemporaryFile(dir=request.app[WORLD].folder, delete=False) as target:
        path = Path(target.name)
        try:
            return await _copy(part, target, path, cut_at)
        except BaseException:
            _drop(path)
            raise


def _drop(path: Path) -> None:
    path.unlink()


async def _copy(part: BodyPartReader, target: IO[bytes], path: Path, cut_at: int | None) -> Received:
    size, digest, head = 0, hashlib.sha256(), b""
    while not part.at_eof():
        chunk = await part.read_chunk(CHUNK)
        size += len(chunk)
        head += chunk[: HEAD - len(head)]
        if cut_at is not None and size >= cut_at:
            raise ConnectionResetError
        if size <= MAX_BYTES:
            digest.update(chunk)
            target.write(chunk)
    target.flush()
    return Received(path, size, digest.hexdigest(), head)


async def _keep(request: web.Request, slot: Slot, received: Received) -> None:
    world = request.app[WORLD]
    try:
        _check_file(slot, received)
    except FormError:
        received.path.unlink()
        raise
    path, sides = None, None
    if kind_of(slot.filename) == IMAGE:
        path = received.path.rename(world.folder / received.sha256)
        sides = await asyncio.to_thread(_sides, path)
    else:
        received.path.unlink()
    world.library.add(slot, sha256=received.sha256, size=received.size, path=path, sides=sides)


def _check_file(slot: Slot, received: Received) -> None:
    if received.size < MIN_BYTES:
        raise FormError(400, "EntityTooSmall", f"Your proposed upload is smaller than {MIN_BYTES} bytes.")
    if received.size > MAX_BYTES:
        raise FormError(400, "EntityTooLarge", f"Your proposed upload exceeds {MAX_BYTES} bytes.")
    if not matches(slot.filename, received.head):
        raise FormError(400, "InvalidArgument", f"The contents are not what {slot.filename} says.")


def _sides(path: Path) -> tuple[int, int] | None:
    """Width and height from the header; None when it cannot be read."""
    try:
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
