"""Runs blocking file work beside the event loop, and never leaves it behind.

A cancelled call ends only when its thread has: the caller may then close the file, and no late write
can reach whatever has got the descriptor's number since.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from runway_watch.errors import SpoolError

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """What `work` returns for these arguments.

    Raises:
        SpoolError: it raised an OSError, which is the cause: the disk or the share, not the network.
    """
    future = asyncio.get_running_loop().run_in_executor(None, partial(work, *args, **options))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await _finished(future)
        raise
    except OSError as error:
        raise SpoolError(f"The file could not be read or written: {error.strerror or error}") from error


async def _finished(future: "asyncio.Future[T]") -> None:
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue  # asked again; the thread still has the file
    if not future.cancelled():
        future.exception()
