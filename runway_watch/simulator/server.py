"""Three origins on loopback: API, upload, output. They and their files are gone when it is left."""

import asyncio
import importlib.util
import signal
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from runway_watch.simulator import api, control, creates, form, outputs
from runway_watch.simulator.bill import bill
from runway_watch.simulator.faults import parse_rule
from runway_watch.simulator.gate import (
    OUTPUT_ORIGIN,
    STUDIO,
    UPLOAD_ORIGIN,
    WORLD,
    authorised,
    counted,
    plain_errors,
)
from runway_watch.simulator.schema import Json
from runway_watch.simulator.settings import DemoExtraError, Settings
from runway_watch.simulator.studio import Studio
from runway_watch.simulator.world import World, steady_clock

BODY_MAX = 32 * 1024 * 1024  # a JSON body with data URIs; more is a 413
GOODBYE = 0.2  # seconds that open connections get when the stand-in stops


class Simulator:
    """`async with Simulator(settings) as sim`. `clock` gives the present moment, for tests."""

    def __init__(self, settings: Settings | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self.settings = settings or Settings()
        self.base_url = self.upload_url = self.output_url = ""
        self.world: World
        self._clock = clock or steady_clock()
        self._studio: Studio
        self._stack = AsyncExitStack()

    @property
    def key(self) -> str:
        """The key that the API takes now."""
        return str(self.world.account["key"])

    def bill(self) -> Json:
        """What was asked and charged; waits for the films of finished tasks."""
        return bill(self.world, self._studio)

    def fault(self, on: str, do: Json, **more: Any) -> None:
        """Add one rule, as POST /_simulator/faults does."""
        self.world.faults.rules.append(parse_rule({"on": on, "do": do, **more}))

    def change(self, **changes: Any) -> None:
        """Change the account, as POST /_simulator/set does."""
        self.world.change(changes)

    async def __aenter__(self) -> Self:
        if importlib.util.find_spec("av") is None:
            raise DemoExtraError
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="runway-simulator-")))
        self.world = World(self.settings, folder, self._clock)
        self._studio = Studio(folder, self.settings.film_seconds)
        self._stack.callback(self._studio.close)
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        origins: tuple[list[str], list[str]] = ([], [])
        chosen = self.settings
        self.upload_url = await self._site(form.add_routes, chosen.upload_port, origins)
        self.output_url = await self._site(outputs.add_routes, chosen.output_port, origins)
        origins[0].append(self.upload_url)
        origins[1].append(self.output_url)
        self.base_url = await self._site(_api_routes, chosen.api_port, origins, authorised)

    async def _site(
        self,
        routes: Callable[[web.Application], None],
        port: int,
        origins: tuple[list[str], list[str]],
        *more: Any,
    ) -> str:
        app = web.Application(middlewares=[counted, plain_errors, *more], client_max_size=BODY_MAX)
        app[WORLD], app[STUDIO] = self.world, self._studio
        app[UPLOAD_ORIGIN], app[OUTPUT_ORIGIN] = origins
        routes(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.settings.host, port).start()
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"


def _api_routes(app: web.Application) -> None:
    for module in (api, creates, control):
        module.add_routes(app)


async def serve(settings: Settings, announce: Callable[[Simulator], None]) -> None:
    """Run until SIGINT, SIGTERM or cancellation; `announce` is called once the three origins answer."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Simulator(settings) as simulator:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            announce(simulator)
            await stop.wait()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
