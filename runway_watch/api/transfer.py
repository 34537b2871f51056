"""Carries bytes to and from Runway's storage, with a client that knows no credentials.

Files are streamed in blocks, so memory does not grow with them; what is sent is what was admitted, or
the form is never completed; what is received is hashed, capped and counted. No redirect is followed, no
request is sent twice, and every failure is one of `errors.TransferError` without the signed address.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import BinaryIO, Self

import httpx

from runway_watch import USER_AGENT
from runway_watch.api.addresses import is_allowed
from runway_watch.api.multipart import Form, form
from runway_watch.api.pace import Pace, Pacing, paced
from runway_watch.api.records import Slot
from runway_watch.api.trouble import transfer_errors
from runway_watch.errors import Away, Changed, Expired, Interrupted, Oversized
from runway_watch.hands import Lent
from runway_watch.media import Cut, after, size_after

BLOCK = 256 * 1024
"""Bytes of a file that are held at once."""

TIMEOUTS = httpx.Timeout(60.0, connect=10.0)
"""Seconds for each read and write; `Pacing` bounds the whole."""

_GONE = frozenset({401, 403, 404, 410})
"""What a signed address answers when its time is over."""


@dataclass(frozen=True, slots=True)
class Received:
    """A download that is complete."""

    size: int
    sha256: str
    content_type: str | None


class Courier:
    """Uploads and downloads.

    Args:
        allow_http: plain http to this machine is fine; only for a stand-in of the API on loopback.
        pacing: the least speed of a transfer.
    """

    def __init__(self, *, allow_http: bool = False, pacing: Pacing | None = None) -> None:
        self._allow_http = allow_http
        self._pacing = pacing or Pacing()
        self._client = httpx.AsyncClient(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=TIMEOUTS,
            verify=httpx.create_ssl_context(),  # $SSL_CERT_FILE counts here too; proxies and .netrc do not
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def upload(  # noqa: PLR0913 - a file, and all that it has to be
        self,
        slot: Slot,
        file: Lent[BinaryIO],
        *,
        name: str,
        mime: str,
        size: int,
        sha256: str,
        cuts: Sequence[Cut] = (),
    ) -> None:
        """Sends a file to its slot, once.

        Args:
            slot: a new one for every try.
            file: open for reading, a real file; its position is neither used nor moved.
            name: as it was told to Runway when the slot was asked for.
            mime: the type of the file part.
            size: bytes, as admitted.
            sha256: hex digest, as admitted.
            cuts: what is left out of it; it is read all the same.

        Raises:
            Changed: the file is not the admitted one; the form was not completed.
            Interrupted: anything else; try again with a new slot.
            SpoolError: the file cannot be read.
        """
        self._check(slot.upload_url, "upload")
        await file(_check_size, size)
        parts = form(slot.fields, name=name, mime=mime)
        length = parts.length(size_after(cuts, size))
        headers = {"Content-Type": parts.content_type, "Content-Length": str(length)}
        with transfer_errors("upload"):
            async with paced(self._pacing) as pace:
                content = _body(parts, file, _Sent(size, sha256, cuts), pace)
                async with self._client.stream(
                    "POST", slot.upload_url, content=content, headers=headers
                ) as answer:
                    status, done = answer.status_code, answer.is_success
        if not done:
            raise _refused("upload", status)

    async def download(self, url: str, into: Lent[BinaryIO], *, max_bytes: int) -> Received:
        """Fetches an output into an open file, from the file's position on; it is flushed, not synced.

        Args:
            url: as Runway gave it.
            into: open for writing; after an error it holds a part of unknown length.
            max_bytes: the most that is written.

        Raises:
            Expired: the address is not good any more; ask the task again.
            Oversized: there are more than `max_bytes`.
            Interrupted: it was cut, too slow, empty, or refused for another reason.
            SpoolError: the file cannot be written.
        """
        self._check(url, "download")
        with transfer_errors("download"):
            async with paced(self._pacing) as pace, self._client.stream("GET", url) as answer:
                _check_answer(answer, max_bytes)
                size, sha256 = await _receive(answer, into, max_bytes=max_bytes, pace=pace)
        _check_received(answer, size)
        return Received(size, sha256, answer.headers.get("content-type"))

    def _check(self, url: str, what: str) -> None:
        if not is_allowed(url, allow_http=self._allow_http):
            raise Interrupted(f"The {what} was not begun: its address is not https.")


def _check_size(file: BinaryIO, size: int) -> None:
    if os.fstat(file.fileno()).st_size != size:
        raise Changed("The file has not the size it was admitted with.")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file as it was admitted, and what is left out of it."""

    size: int
    sha256: str
    cuts: Sequence[Cut]


async def _body(parts: Form, file: Lent[BinaryIO], sent: _Sent, pace: Pace) -> AsyncIterator[bytes]:
    """The form, block by block. It stops before its closing boundary if the file is not the admitted one."""
    yield parts.head
    digest = hashlib.sha256()
    position = 0
    while position < sent.size:
        block = await file(_next_block, position, min(BLOCK, sent.size - position), digest)
        left = after(sent.cuts, block, position)
        position += len(block)
        if left:
            yield left
        pace.moved(len(block))
    if digest.hexdigest() != sent.sha256:
        raise Changed("The file has not the contents it was admitted with.")
    await file(_check_size, sent.size)
    yield parts.foot


def _next_block(file: BinaryIO, position: int, count: int, digest: "hashlib._Hash") -> bytes:
    block = os.pread(file.fileno(), count, position)
    if not block:
        raise Changed("The file became shorter while it was sent.")
    digest.update(block)
    return block


def _refused(what: str, status: int) -> Interrupted:
    """A server's own trouble is no file's: it is waited for, however long it takes."""
    return (Away if status >= 500 else Interrupted)(f"The {what} was refused by the storage ({status}).")


def _check_answer(answer: httpx.Response, max_bytes: int) -> None:
    if answer.status_code in _GONE:
        raise Expired(f"The output's address is not valid any more ({answer.status_code}).")
    if answer.status_code != 200:
        raise _refused("download", answer.status_code)
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Interrupted("The download came packed, which we did not ask for.")
    if (_stated(answer) or 0) > max_bytes:
        raise Oversized(f"The output has {_stated(answer)} bytes, over the {max_bytes} that are allowed.")


async def _receive(
    answer: httpx.Response, into: Lent[BinaryIO], *, max_bytes: int, pace: Pace
) -> tuple[int, str]:
    digest, size, waiting = hashlib.sha256(), 0, bytearray()
    async for block in answer.aiter_raw():
        size += len(block)
        if size > max_bytes:
            raise Oversized(f"The output has more than the {max_bytes} bytes that are allowed.")
        waiting += block
        pace.moved(len(block))
        if len(waiting) >= BLOCK:
            full, waiting = waiting, bytearray()
            await into(_write, full, digest)
    await into(_write, waiting, digest)
    return size, digest.hexdigest()


def _write(into: BinaryIO, block: bytearray, digest: "hashlib._Hash") -> None:
    digest.update(block)
    rest = memoryview(block)
    while rest:  # an unbuffered file may take less than all
        rest = rest[into.write(rest) :]
    into.flush()


def _check_received(answer: httpx.Response, size: int) -> None:
    if size == 0:
        raise Interrupted("The download was empty.")
    if _stated(answer) not in (None, size):
        raise Interrupted(f"The download was cut: {size} of {_stated(answer)} bytes came.")


def _stated(answer: httpx.Response) -> int | None:
    """Bytes that the answer says it has, if it does."""
    text = answer.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
