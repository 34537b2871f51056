"""A server on loopback that does what a script says, byte by byte; shared by the tests of the network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
KEY = "key_" + "0123456789abcdef" * 8


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Loopback:
    """Where the server is, and what it has seen."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0


Script = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def raw(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(data: bytes) -> Script:
    """Answers every request with these bytes and hangs up."""

    async def script(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return script


async def reset(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def stall(_seen: Seen, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def drip(first: bytes, every: float = 0.01) -> Script:
    async def script(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            await asyncio.sleep(every)
            writer.write(b" ")
            await writer.drain()

    return script


async def read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
    return Seen(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handler, *, limit: int = 2**20) -> AsyncIterator[str]:
    """A server's host and port. Nothing of it is left when the block ends, whatever a handler waits for."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handle(reader, writer)
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, limit=limit)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def loopback(script: Script) -> AsyncIterator[Loopback]:
    """A server that answers one request per connection by the script, and keeps what it has seen."""
    told = Loopback()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        seen = await read_request(reader)
        told.seen.append(seen)
        await script(seen, writer)

    async with listening(handle) as address:
        told.url = f"http://{address}"
        yield told
