"""A stand-in for Runway's developer API on loopback, for rehearsals and tests.

    async with Simulator(Settings(seconds=10)) as sim:
        ...  # sim.base_url, sim.upload_url, sim.output_url, sim.key, sim.bill()

It refuses what the API refuses, takes its time, charges, and makes real media. It shares no code with the
daemon but the clock and the data file. Needs the `demo` extra: importing it without raises DemoExtraError,
an ImportError.
"""

from runway_watch.simulator.settings import DEFAULT_KEY, DemoExtraError, Settings

try:
    from runway_watch.simulator.server import Simulator, serve
except ModuleNotFoundError as missing:
    if missing.name != "aiohttp":
        raise
    raise DemoExtraError from missing

__all__ = ["DEFAULT_KEY", "DemoExtraError", "Settings", "Simulator", "serve"]
