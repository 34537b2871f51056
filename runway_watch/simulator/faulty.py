"""Makes requests go wrong as the rules say: before the work, after it, or in the way the answer leaves.

What `do` can hold. Instead of the work: `status` (with `headers`, `body` or `body_base64`), `reset_before`.
Before the work: `stall` (seconds). After it, the answer being lost or changed: `reset_after`,
`status_after` (with the same three), `stall_after` (seconds), `garbage` (200 with HTML), `no_id`, `merge`
(keys to replace in a JSON answer), `truncate` (bytes kept, true for half; with `chunked` the answer has no
Content-Length and ends properly, so that HTTP cannot tell), `drip` (seconds between bytes, true for one).
Read by the handlers: `fail_task`, `failure`, `run_seconds`, `task_status`, `empty_output`, `node_error`,
`reset_at` (bytes of the uploaded file).
"""

import asyncio
import base64
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from aiohttp import web

from runway_watch.simulator.gate import WORLD, Handler
from runway_watch.simulator.schema import Json

HTML = "<!doctype html><title>Bad gateway</title><h1>Something went wrong</h1>"

Work = Callable[[web.Request, Json], Awaitable[web.StreamResponse]]
Facts = Callable[[web.Request], Awaitable[Mapping[str, Any]]]


def faulty(place: str, facts: Facts) -> Callable[[Work], Handler]:
    """Let the rules for `place` decide about a handler's requests; the handler is told what goes wrong."""

    def wrap(work: Work) -> Handler:
        @wraps(work)
        async def guarded(request: web.Request) -> web.StreamResponse:
            deed = request.app[WORLD].faults.pick(place, await facts(request))
            return await _around(request, deed, work) if deed else await work(request, deed)

        return guarded

    return wrap


async def _around(request: web.Request, deed: Json, work: Work) -> web.StreamResponse:
    await asyncio.sleep(float(deed.get("stall", 0)))
    if deed.get("reset_before"):
        return reset(request)
    if "status" in deed:
        return _answer(int(deed["status"]), deed)
    response = await work(request, deed)
    await asyncio.sleep(float(deed.get("stall_after", 0)))
    if deed.get("reset_after"):
        return reset(request)
    if "status_after" in deed:
        return _answer(int(deed["status_after"]), deed)
    if deed.get("garbage"):
        return web.Response(text=HTML, content_type="text/html")
    return await _sent(request, deed, response) if isinstance(response, web.Response) else response


def reset(request: web.Request) -> web.Response:
    """Cut the connection with a TCP reset; what is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _answer(status: int, deed: Json) -> web.Response:
    if "body_base64" in deed:
        body = base64.b64decode(deed["body_base64"])
    else:
        given = deed.get("body", {"error": f"simulated {status}"})
        body = given.encode() if isinstance(given, str) else json.dumps(given).encode()
    headers = {"Content-Type": "text/html" if isinstance(deed.get("body"), str) else "application/json"}
    return web.Response(
        status=status, body=b"" if status == 204 else body, headers={**headers, **deed.get("headers", {})}
    )


async def _sent(request: web.Request, deed: Json, response: web.Response) -> web.StreamResponse:
    body = _body(response)
    if deed.get("no_id") or "merge" in deed:
        changed = {**json.loads(body), **deed.get("merge", {})}
        if deed.get("no_id"):
            changed.pop("id", None)
        return web.json_response(changed, status=response.status)
    try:
        if "drip" in deed:
            return await _drip(request, response, body, float(deed["drip"]))
        if "truncate" in deed:
            keep = len(body) // 2 if deed["truncate"] is True else int(deed["truncate"])
            return await _cut(request, response, body, keep, chunked=bool(deed.get("chunked")))
    except ConnectionError:
        return reset(request)  # the client has had enough
    return response


def _body(response: web.Response) -> bytes:
    return bytes(response.body) if isinstance(response.body, bytes | bytearray) else b""


def _stream(response: web.Response) -> web.StreamResponse:
    kept = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    return web.StreamResponse(status=response.status, headers=kept)


async def _drip(
    request: web.Request, response: web.Response, body: bytes, pause: float
) -> web.StreamResponse:
    stream = _stream(response)
    stream.content_length = len(body)
    await stream.prepare(request)
    for index in range(len(body)):
        await stream.write(body[index : index + 1])
        await asyncio.sleep(pause)
    return stream


async def _cut(
    request: web.Request, response: web.Response, body: bytes, keep: int, *, chunked: bool
) -> web.StreamResponse:
    stream = _stream(response)
    if chunked:
        stream.enable_chunked_encoding()
    else:
        stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[:keep])
    if not chunked and request.transport is not None:
        request.transport.close()  # after what was written: the client sees a short body, not a reset
    return stream
