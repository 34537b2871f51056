"""Uploads and downloads over real sockets: what is sent, what is refused, what a broken line becomes."""

import asyncio
import gzip
import hashlib
import io
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.api import Courier, Pacing, Received, Slot
from runway_watch.api.multipart import form
from runway_watch.errors import (
    Away,
    Changed,
    Expired,
    Interrupted,
    Oversized,
    RunwayWatchError,
    SpoolError,
)
from runway_watch.hands import Hands, Lent
from tests.test_api_loopback import (
    Loopback,
    Script,
    Seen,
    always,
    drip,
    listening,
    loopback,
    raw,
    reset,
    run,
    stall,
)

PATIENT = Pacing()
QUICK = Pacing(grace=0.3, rate=1e9)  # for what never ends; a busy machine is late too
DATA = os.urandom(700_000)
SHA = hashlib.sha256(DATA).hexdigest()
FIELDS = {"key": "uploads/ä/1", "policy": "eyJ==", "x-amz-signature": "0f", "empty": ""}


HANDS = Hands("tests")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(DATA)
    return path


async def send(url: str, file: BinaryIO, pacing: Pacing | None = None, **changed: Any) -> None:
    facts: dict[str, Any] = {"name": "cat.png", "mime": "image/png", "size": len(DATA), "sha256": SHA}
    async with Courier(allow_http=True, pacing=pacing) as courier:
        await courier.upload(Slot(url, FIELDS, "runway://x"), Lent(file, HANDS), **{**facts, **changed})


async def pauses(seconds: float) -> AsyncIterator[float]:
    """For ever: lets the others run, and says how long that took."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(seconds)
        yield loop.time() - before


def upload(script: Script, path: Path, **options: Any) -> tuple[RunwayWatchError | None, Loopback]:
    async def work() -> tuple[RunwayWatchError | None, Loopback]:
        async with loopback(script) as server:
            with path.open("rb") as file:
                try:
                    await send(server.url + "/up?X-Amz-Signature=hush", file, **options)
                except RunwayWatchError as error:
                    return error, server
            return None, server

    return run(work())


def test_an_upload_is_byte_for_byte_the_form_that_httpx_would_send(picture: Path) -> None:
    error, server = upload(always(raw(204)), picture)
    assert error is None
    (seen,) = server.seen
    boundary = seen.headers["content-type"].partition("boundary=")[2]
    reference = httpx.Request(
        "POST",
        "http://127.0.0.1/",
        data=FIELDS,
        files={"file": ("cat.png", io.BytesIO(DATA), "image/png")},
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )
    assert seen.body == reference.read()
    assert seen.headers["content-length"] == reference.headers["content-length"]
    assert "transfer-encoding" not in seen.headers


def test_an_upload_carries_no_credentials_and_no_cookies(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def work() -> None:
        async with (
            loopback(always(raw(204, b"", "Set-Cookie: a=b"))) as server,
            Courier(allow_http=True) as courier,
        ):
            for _ in range(2):
                with picture.open("rb") as file:
                    slot = Slot(server.url, FIELDS, "runway://x")
                    lent = Lent(file, HANDS)
                    await courier.upload(
                        slot, lent, name="a.png", mime="image/png", size=len(DATA), sha256=SHA
                    )
            for seen in server.seen:
                assert not {"authorization", "cookie", "x-runway-version"} & set(seen.headers)
            assert len(server.seen) == 2

    run(work())


NAMES = st.text(st.characters(codec="utf-8"), max_size=30)


@given(fields=st.dictionaries(NAMES, NAMES, max_size=5), name=NAMES.filter(bool), data=st.binary(max_size=50))
def test_any_form_is_laid_out_as_httpx_does(fields: dict[str, str], name: str, data: bytes) -> None:
    ours = form(fields, name=name, mime="image/png", boundary="b0undary")
    theirs = httpx.Request(
        "POST",
        "http://127.0.0.1/",
        data=fields,
        files={"file": (name, data, "image/png")},
        headers={"content-type": "multipart/form-data; boundary=b0undary"},
    )
    assert ours.head + data + ours.foot == theirs.read()
    assert ours.length(len(data)) == int(theirs.headers["content-length"])


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_a_good_upload(picture: Path, status: int) -> None:
    assert upload(always(raw(status)), picture)[0] is None


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 413, 429, 500, 503])
def test_any_other_answer_to_an_upload_wants_a_new_slot(picture: Path, status: int) -> None:
    error, server = upload(always(raw(status, b"<Error/>", "Location: http://127.0.0.1:9/")), picture)
    assert type(error) is (Away if status >= 500 else Interrupted)
    assert str(status) in str(error)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "changed",
    [{"size": len(DATA) - 1}, {"size": len(DATA) + 1}, {"sha256": "0" * 64}],
    ids=["shorter", "longer", "other bytes"],
)
def test_a_file_that_is_not_the_admitted_one_never_completes_its_form(
    picture: Path, changed: dict[str, object]
) -> None:
    error, server = upload(always(raw(204)), picture, **changed)
    assert type(error) is Changed
    assert server.seen == []


@pytest.mark.parametrize("change", ["truncate", "append"])
def test_a_file_that_changes_while_it_is_sent_never_completes_its_form(picture: Path, change: str) -> None:
    async def work() -> None:
        received = bytearray()

        async def meddle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.extend(await reader.read(1000))
            if change == "truncate":
                os.truncate(picture, 1000)
            else:
                with picture.open("ab") as file:
                    file.write(b"more")
            while data := await reader.read(65_536):
                received.extend(data)

        os.truncate(picture, 30_000_000)
        big = DATA + bytes(30_000_000 - len(DATA))
        async with listening(meddle) as address:
            with picture.open("rb") as file, pytest.raises(Changed):
                await send(
                    f"http://{address}/",
                    file,
                    size=len(big),
                    sha256=hashlib.sha256(big).hexdigest(),
                )
        assert not received.endswith(b"--\r\n")

    run(work())


@pytest.mark.parametrize(
    "script", [reset, stall, drip(b"HTTP/1.1 204 No Content\r\nX: "), always(b""), always(b"?")]
)
def test_an_upload_whose_answer_does_not_come_is_interrupted(picture: Path, script: Script) -> None:
    assert type(upload(script, picture, pacing=QUICK)[0]) is Interrupted


def test_an_upload_that_the_storage_takes_too_slowly_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.touch()
    os.truncate(path, 50_000_000)

    async def work() -> None:
        async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async for _ in pauses(0.02):
                await reader.read(1000)

        async with listening(sip, limit=2000) as address:
            with path.open("rb") as file, pytest.raises(Interrupted):
                await send(f"http://{address}/", file, pacing=QUICK, size=50_000_000)

    run(work())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://s3.example/x", "ftp://127.0.0.1/x", "nonsense", ""]
)
def test_bytes_go_over_https_only(url: str, picture: Path) -> None:
    async def work() -> None:
        async with Courier(allow_http=False) as courier:
            with picture.open("rb") as file, pytest.raises(Interrupted, match="not https"):
                slot = Slot(url, {}, "runway://x")
                lent = Lent(file, HANDS)
                await courier.upload(slot, lent, name="a.png", mime="image/png", size=len(DATA), sha256=SHA)
            with pytest.raises(Interrupted, match="not https"):
                await courier.download(url, Lent(io.BytesIO(), HANDS), max_bytes=10)

    run(work())


def test_plain_http_is_for_this_machine_only() -> None:
    async def work() -> None:
        async with Courier(allow_http=True) as courier:
            with pytest.raises(Interrupted, match="not https"):
                await courier.download("http://192.0.2.1/x", Lent(io.BytesIO(), HANDS), max_bytes=10)

    run(work())


def download(
    script: Script, *, max_bytes: int = 2_000_000, pacing: Pacing = PATIENT
) -> tuple[Any, bytes, list[Seen]]:
    async def work() -> tuple[Any, bytes, list[Seen]]:
        into = io.BytesIO()
        async with loopback(script) as server, Courier(allow_http=True, pacing=pacing) as courier:
            try:
                got: Any = await courier.download(
                    f"{server.url}/o.mp4?_jwt=hush", Lent(into, HANDS), max_bytes=max_bytes
                )
            except RunwayWatchError as error:
                assert "hush" not in str(error)
                got = error
            return got, into.getvalue(), server.seen

    return run(work())


def test_a_download_is_written_hashed_and_counted() -> None:
    got, data, (seen,) = download(always(raw(200, DATA, "Content-Type: video/mp4")))
    assert got == Received(len(DATA), SHA, "video/mp4")
    assert data == DATA
    assert seen.headers["accept-encoding"] == "identity"
    assert "authorization" not in seen.headers


def test_a_download_without_a_stated_length_is_taken_to_its_end() -> None:
    got, data, _ = download(always(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA))
    assert got == Received(len(DATA), SHA, None)
    assert data == DATA


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_whose_time_is_over_has_expired(status: int) -> None:
    assert type(download(always(raw(status, b"<Error/>")))[0]) is Expired


@pytest.mark.parametrize("status", [201, 206, 302, 400, 429, 500, 503])
def test_any_other_answer_interrupts_a_download(status: int) -> None:
    got, _, seen = download(always(raw(status, b"x", "Location: http://127.0.0.1:9/")))
    assert type(got) is (Away if status >= 500 else Interrupted)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "script",
    [
        always(raw(200, DATA, length=len(DATA) + 1)),
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
        always(raw(200, b"")),
        always(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
        always(raw(200, gzip.compress(bytes(9_000_000)), "Content-Encoding: gzip")),
        always(b""),
        reset,
        stall,
        drip(raw(200, b"abc", length=1_000_000)),
        drip(b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=[
        "cut",
        "cut chunk",
        "empty",
        "empty to the end",
        "packed",
        "nothing",
        "reset",
        "stall",
        "drip",
        "endless",
    ],
)
def test_a_download_that_is_not_whole_is_interrupted(script: Script) -> None:
    assert type(download(script, pacing=QUICK)[0]) is Interrupted


@pytest.mark.parametrize("data", [raw(200, DATA), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA])
def test_a_download_over_its_cap_is_stopped(data: bytes) -> None:
    got, written, _ = download(always(data), max_bytes=len(DATA) - 1)
    assert type(got) is Oversized
    assert len(written) < len(DATA)


def test_a_slow_line_that_keeps_the_rate_may_last_longer_than_the_grace() -> None:
    async def script(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1500\r\n\r\n")
        for _ in range(150):
            writer.write(b"0123456789")
            await asyncio.sleep(0.01)

    got, _, _ = download(script, pacing=Pacing(grace=0.8, rate=300))
    assert got.size == 1500


class Full(io.BytesIO):
    """A file on a full disk."""

    def write(self, data: Any, /) -> int:
        raise OSError(28, "No space left on device")


class Stingy(io.BytesIO):
    """An unbuffered file that takes less than it is given."""

    def write(self, data: Any, /) -> int:
        return super().write(bytes(data)[:70_001])


def test_a_full_disk_is_told_from_a_broken_line() -> None:
    async def work() -> None:
        async with loopback(always(raw(200, DATA))) as server, Courier(allow_http=True) as courier:
            with pytest.raises(SpoolError) as raised:
                await courier.download(server.url, Lent(Full(), HANDS), max_bytes=10**9)
            assert isinstance(raised.value.__cause__, OSError)
            assert raised.value.__cause__.errno == 28
            stingy = Stingy()
            await courier.download(server.url, Lent(stingy, HANDS), max_bytes=10**9)
            assert stingy.getvalue() == DATA

    run(work())


def test_a_cancelled_call_ends_only_when_its_thread_has() -> None:
    async def work() -> None:
        began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

        def slow() -> None:
            began.set()
            may_end.wait(5)
            ended.set()

        task = asyncio.create_task(HANDS(slow))
        async for _ in pauses(0):
            if began.is_set():
                break
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    run(work())


def test_the_event_loop_goes_on_while_a_file_is_hashed_and_sent(tmp_path: Path) -> None:
    path = tmp_path / "large.mov"
    path.touch()
    os.truncate(path, 30_000_000)
    sha256 = hashlib.sha256(bytes(30_000_000)).hexdigest()

    async def work() -> None:
        gaps: list[float] = []

        async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = b""
            while not taken.endswith(b"--\r\n"):
                taken = taken[-4:] + await reader.read(65_536)
            writer.write(raw(204))
            await writer.drain()

        async with listening(drain) as address:
            with path.open("rb") as file:
                sending = asyncio.create_task(
                    send(f"http://{address}/", file, size=30_000_000, sha256=sha256)
                )
                async for gap in pauses(0):
                    gaps.append(gap)
                    if sending.done():
                        break
                await sending
        assert sorted(gaps)[int(len(gaps) * 0.99)] < 0.05

    run(work())
