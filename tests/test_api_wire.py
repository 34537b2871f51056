"""What we send equals what the official SDK's client sends to the same server."""

import asyncio
import email.message
import email.policy
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import runwayml

from runway_watch.api import Api, Courier
from runway_watch.hands import Hands, Lent
from tests.test_api_loopback import KEY, Loopback, Script, Seen, loopback, raw, run

DATA = os.urandom(100_000)
FIELDS = {"key": "ephemeral/1", "policy": "eyJ9", "x-amz-signature": "00ff"}
HEADERS = ("authorization", "x-runway-version", "content-type", "accept")
TASK = "17f20503-6c24-4c16-946b-35dbbce2af2f"
IMAGE_TO_VIDEO = {
    "model": "gen4.5",
    "promptImage": "runway://x",
    "promptText": 'Löwe says "hi" \U0001f981\n',
    "ratio": "1280:720",
    "duration": 5,
    "seed": 4294967295,
    "contentModeration": {"publicFigureThreshold": "low"},
}
TEXT_TO_IMAGE = {
    "model": "gen4_image",
    "promptText": "@image",
    "ratio": "1920:1080",
    "referenceImages": [{"uri": "runway://x", "tag": "image"}],
}


def server_like_runway() -> Script:
    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        slot = {
            "uploadUrl": f"http://{seen.headers['host']}/storage",
            "fields": FIELDS,
            "runwayUri": "runway://u",
        }
        answer = (
            slot
            if seen.path == "/v1/uploads"
            else {"id": TASK, "status": "PENDING", "createdAt": "2026-11-20T10:00:00Z"}
        )
        writer.write(raw(200, json.dumps(answer).encode(), "Content-Type: application/json"))
        await writer.drain()

    return script


def seen_from(work: Callable[[Loopback], Awaitable[None]]) -> list[Seen]:
    async def serve() -> list[Seen]:
        async with loopback(server_like_runway()) as server:
            await work(server)
            return server.seen

    return run(serve())


def by_the_sdk(work: Callable[[runwayml.AsyncRunwayML], Awaitable[object]]) -> list[Seen]:
    async def call(server: Loopback) -> None:
        async with runwayml.AsyncRunwayML(api_key=KEY, base_url=server.url, max_retries=0) as sdk:
            await work(sdk)

    return seen_from(call)


def by_us(work: Callable[[Api, Courier], Awaitable[None]]) -> list[Seen]:
    async def call(server: Loopback) -> None:
        async with Api(base_url=server.url, key=KEY) as api, Courier(allow_http=True) as courier:
            await work(api, courier)

    return seen_from(call)


def essence(seen: Seen) -> tuple[object, ...]:
    headers = {name: seen.headers.get(name) for name in HEADERS}
    return seen.method, seen.path, headers, json.loads(seen.body) if seen.body else None


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/image_to_video", IMAGE_TO_VIDEO), ("/v1/text_to_image", TEXT_TO_IMAGE)]
)
def test_a_create_is_the_sdks_create(path: str, body: dict[str, Any]) -> None:
    async def sdk(client: runwayml.AsyncRunwayML) -> None:
        resource = client.image_to_video if path.endswith("video") else client.text_to_image
        snake = {
            "promptImage": "prompt_image",
            "promptText": "prompt_text",
            "referenceImages": "reference_images",
        }
        options: dict[str, Any] = {snake.get(key, key): value for key, value in body.items()}
        if "contentModeration" in options:
            options["content_moderation"] = {"public_figure_threshold": "low"}
            del options["contentModeration"]
        await resource.create(**options)

    async def ours(api: Api, _courier: Courier) -> None:
        assert (await api.create(path, body)).task_id == TASK

    (theirs,), (mine,) = by_the_sdk(sdk), by_us(ours)
    assert essence(mine) == essence(theirs)
    assert sorted(mine.body) == sorted(
        theirs.body
    )  # as many bytes of each: only the order of keys may differ


def test_a_poll_and_an_account_are_asked_for_as_the_sdk_does() -> None:
    async def sdk(client: runwayml.AsyncRunwayML) -> None:
        await client.tasks.with_raw_response.retrieve(TASK)
        await client.organization.with_raw_response.retrieve()

    async def ours(api: Api, _courier: Courier) -> None:
        await api.task(TASK)
        with pytest.raises(Exception, match="balance"):
            await api.organization()

    for mine, theirs in zip(by_us(ours), by_the_sdk(sdk), strict=True):
        wanted, got = essence(theirs), essence(mine)
        assert (got[0], got[1]) == (wanted[0], wanted[1])
        for name in ("authorization", "x-runway-version", "accept"):
            assert mine.headers[name] == theirs.headers[name]


def test_a_delete_is_the_sdks_delete() -> None:
    async def ours(api: Api, _courier: Courier) -> None:
        await api.delete(TASK)

    (theirs,), (mine,) = by_the_sdk(lambda client: client.tasks.delete(TASK)), by_us(ours)
    assert (mine.method, mine.path, mine.body) == (theirs.method, theirs.path, theirs.body)
    for name in ("authorization", "x-runway-version"):
        assert mine.headers[name] == theirs.headers[name]


def parts(seen: Seen) -> list[tuple[str | None, str | None, str, bytes]]:
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    form = BytesParser(policy=email.policy.HTTP).parsebytes(head + seen.body)
    assert isinstance(form, email.message.EmailMessage)
    return [
        (
            part.get_param("name", header="content-disposition"),  # type: ignore[misc]
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in form.iter_parts()
    ]


def test_an_upload_is_the_sdks_upload(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(DATA)

    async def sdk(client: runwayml.AsyncRunwayML) -> None:
        with path.open("rb") as file:
            await client.uploads.create_ephemeral(file=file)

    async def ours(api: Api, courier: Courier) -> None:
        slot = await api.create_slot("cat.png")
        assert slot.uri == "runway://u"
        sha256 = hashlib.sha256(DATA).hexdigest()
        with path.open("rb") as file:
            lent = Lent(file, Hands("tests"))
            await courier.upload(slot, lent, name="cat.png", mime="image/png", size=len(DATA), sha256=sha256)

    (their_slot, their_form), (my_slot, my_form) = by_the_sdk(sdk), by_us(ours)
    assert essence(my_slot) == essence(their_slot)
    assert parts(my_form) == parts(their_form)
    assert [name for name, *_ in parts(my_form)] == [*FIELDS, "file"]
    for form in (my_form, their_form):
        assert (form.method, form.path) == ("POST", "/storage")
        assert "authorization" not in form.headers
        assert form.headers["content-length"] == str(len(form.body))
