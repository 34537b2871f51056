"""What people order: `retry`, `cancel`, `pause`, `resume`.

An order is a row in the ledger. Whoever holds the lock carries it out: the daemon within a second, or the
command itself when no daemon runs.
"""

from collections.abc import Awaitable, Callable

from runway_watch.daemon.bench import Bench
from runway_watch.daemon.cancelling import cancel
from runway_watch.daemon.people import retry
from runway_watch.errors import RunwayWatchError
from runway_watch.log import say

Stop = Callable[[str], Awaitable[None]]
"""Breaks off what is being done for a job at this moment."""


async def nothing_to_stop(_: str) -> None:
    """Where no daemon runs, nothing is being done."""


async def carry_out_orders(bench: Bench, stop: Stop = nothing_to_stop) -> None:
    """Do what people have ordered since the last look."""
    for number, verb, job_id in await bench.clerk(bench.ledger.orders):
        # Struck off first: an order that a crash leaves behind would be carried out again, and pay again.
        # To pause or to cancel twice costs nothing, and not to do it may: those are struck off afterwards.
        if verb == "retry":
            await bench.clerk(bench.ledger.carried_out, number)
        try:
            is_done = await _carry_out(bench, verb, job_id, stop)
        except RunwayWatchError as error:
            say("order.refused", level="warning", job=job_id or None, order=verb, message=str(error))
            is_done = True
        if verb != "retry" and is_done:
            await bench.clerk(bench.ledger.carried_out, number)


async def _carry_out(bench: Bench, verb: str, job_id: str, stop: Stop) -> bool:
    """Whether the order has come to its end; if not, it is looked at again soon."""
    match verb:
        case "retry":
            await retry(bench, job_id)
        case "cancel":
            return await cancel(bench, job_id, stop)
        case "pause":
            await bench.keeper.pause()
        case "resume":
            await bench.keeper.resume()
            bench.wake()
    return True
