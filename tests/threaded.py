"""The stand-in in a thread of its own, for callers without an event loop.

Ask it over HTTP and read its addresses; `bill()`, `fault()` and `change()` are for its own thread: use
/_simulator/ instead.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from runway_watch.simulator.server import Simulator
from runway_watch.simulator.settings import Settings


@contextmanager
def in_thread(
    settings: Settings | None = None, *, clock: Callable[[], float] | None = None
) -> Iterator[Simulator]:
    """A running stand-in; its thread, ports and files are gone afterwards."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    simulator = Simulator(settings, clock=clock)

    async def run() -> None:
        async with simulator:
            stop = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="simulator", daemon=True)
    thread.start()
    loop, stop = started.result()
    try:
        yield simulator
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
