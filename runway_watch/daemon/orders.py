"""What people order: `retry`, `cancel`, `pause`, `resume`.

An order is a row in the ledger. Whoever holds the lock carries it out: the daemon within a second, or the
command itself when no daemon runs.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.cancelling import cancel
from runway_watch.daemon.retrying import retry
from runway_watch.errors import RunwayWatchError
from runway_watch.log import say

Stopped = Callable[[str], AbstractAsyncContextManager[None]]
"""Breaks off what is being done for a job, and lets nothing begin within its block."""


def at_rest(_: str) -> AbstractAsyncContextManager[None]:
    """Where no daemon runs, nothing is being done."""
    return nullcontext()


async def carry_out_orders(bench: Bench, stopped: Stopped = at_rest) -> None:
    """Do what people have ordered since the last look."""
    for number, verb, job_id in await bench.clerk(bench.ledger.orders):
        # Struck off first: an order that a crash leaves behind would be carried out again, and pay again.
        # To pause or to cancel twice costs nothing, and not to do it may: those are struck off afterwards.
        if verb == "retry":
            await bench.clerk(bench.ledger.carried_out, number)
        try:
            is_done = await _carry_out(bench, verb, job_id, stopped)
        except RunwayWatchError as error:
            say("order.refused", level="warning", job=job_id or None, order=verb, message=str(error))
            is_done = True
        if verb != "retry" and is_done:
            await bench.clerk(bench.ledger.carried_out, number)


async def _carry_out(bench: Bench, verb: str, job_id: str, stopped: Stopped) -> bool:
    """Whether the order has come to its end; if not, it is looked at again soon."""
    match verb:
        case "retry":
            await retry(bench, job_id)
        case "cancel":
            async with stopped(job_id):
                return await cancel(bench, job_id)
        case "pause":
            await bench.keeper.pause()
        case "resume":
            await bench.keeper.resume()
            bench.wake()
    return True
