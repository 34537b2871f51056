"""For every operation and every model of the installed SDK, what we send is what the SDK's own client sends.

The parameters are made from the SDK's types. Both clients speak HTTP to the same kind of server, and what
arrives there is compared: path, headers, body. How many branches that were is told at the end of the run.
"""

import asyncio
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
import runwayml

from runway_watch.api import Api
from runway_watch.catalogue import OPERATIONS, check, published, served, wire
from tests.test_api_loopback import KEY, Seen, loopback, run
from tests.test_api_wire import TASK, essence
from tests.test_wire import like_runway
from tests.wishes import WORKFLOW, branches, named, wishes

Wish = dict[str, Any]


class Uploads(dict[str, str]):
    """Every file has been uploaded."""

    def __missing__(self, written: str) -> str:
        return written.replace("file:", "runway://uploads/")


def uploaded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: uploaded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [uploaded(each) for each in value]
    return Uploads()[value] if isinstance(value, str) and value.startswith("file:") else value


def method(client: Any, operation: str) -> Callable[..., Any]:
    """The SDK's own call for an operation."""
    family, _, rest = operation.partition("/")
    match family:
        case "workflows":
            return lambda **params: client.workflows.run(WORKFLOW, **params)
        case "recipes":
            found: Callable[..., Any] = getattr(client.recipes, rest)
            return found
        case "generate":
            return getattr(client.generate, rest).create  # type: ignore[no-any-return]
    return getattr(client, family).create  # type: ignore[no-any-return]


def by_the_sdk(operation: str, asked: list[Wish]) -> list[Seen]:
    def call(url: str) -> None:
        with runwayml.RunwayML(api_key=KEY, base_url=url, max_retries=0) as client:
            for params in asked:
                assert method(client, operation)(**uploaded(params)).id == TASK

    async def work() -> list[Seen]:
        async with loopback(like_runway) as server:
            await asyncio.to_thread(call, server.url)
            return server.seen

    return run(work())


def by_us(operation: str, asked: list[Wish]) -> list[Seen]:
    async def work() -> list[Seen]:
        async with loopback(like_runway) as server, Api(base_url=server.url, key=KEY) as api:
            for params in asked:
                body = wire(named(operation), params, Uploads())
                await api.create(served(named(operation)).path, body)
            return server.seen

    return run(work())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_branch_is_sent_as_the_sdks_client_sends_it(
    operation: str, record_property: Callable[[str, object], None]
) -> None:
    shapes = branches(operation)
    asked = [wish for model, shape in shapes.items() for wish in wishes(shape, model)]
    assert len(asked) >= 2 * len(shapes)
    for model, shape in shapes.items():
        for wish in wishes(shape, model):
            assert check.check(shape, wish, strict=True) == [], (model, wish)
    for mine, theirs in zip(by_us(operation, asked), by_the_sdk(operation, asked), strict=True):
        assert essence(mine) == essence(theirs)
        assert sorted(mine.body) == sorted(theirs.body)  # byte for byte, but for the order of keys
    record_property("oracle", (len(shapes), len(asked)))


NO_FILES = {
    "/v1/avatar_conversations": "conversations happen live",
    "/v1/avatars": "makes an avatar, which is an id",
    "/v1/documents": "keeps text for avatars",
    "/v1/organization/usage": "tells the account's figures",
    "/v1/realtime_sessions": "sessions happen live",
    "/v1/routers": "settings of the account",
    "/v1/uploads": "takes files in",
    "/v1/voices": "makes a voice, which is an id",
    "/v1/voices/preview": "plays a voice at once",
}
"""What the SDK can post that makes no file in a folder, and why."""


def posts(resource: Any) -> set[str]:
    """The paths that a resource of the SDK's client, or a part of it, posts to: read from its source."""
    found: set[str] = set()
    for name, each in inspect.getmembers(type(resource)):
        if name.startswith("_") or "with_" in name:
            continue
        if isinstance(each, property | cached_property):
            found |= posts(getattr(resource, name))
        elif inspect.isfunction(each) and "self._post(" in (text := inspect.getsource(each)):
            paths = text.split("self._post(")[1:]
            found |= {part.split('"')[1] for part in paths}
    return found


def test_whatever_the_sdk_can_post_that_makes_files_is_served() -> None:
    with runwayml.RunwayML(api_key=KEY) as client:
        names = [name for name in dir(client) if not name.startswith("_") and name != "with_options"]
        resources = [getattr(client, name) for name in names if hasattr(getattr(client, name), "_post")]
        every = set().union(*(posts(each) for each in resources))
    served_paths = {row.path for row in OPERATIONS.values()}
    assert every - served_paths - NO_FILES.keys() == set()
    assert served_paths - every == set()


def test_every_endpoint_with_published_limits_is_served() -> None:
    listed = set(published.paths())
    assert len(listed) == 26
    assert {row.listed for row in OPERATIONS.values()} == listed
