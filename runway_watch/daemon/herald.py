"""Tells systemd how it stands, and that everything still turns.

The watchdog is fed by nobody who has not seen the dispatcher turn, every inbox that is there looked at not
long ago, and the ledger answer: a daemon that only breathes is to be started again.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.lookout import Lookout
from runway_watch.errors import LedgerError
from runway_watch.holds import ALL
from runway_watch.job import LIVE_STATES, Hold
from runway_watch.log import say
from runway_watch.notify import notify

STATUS_SECONDS = 5.0

STALL_SECONDS = 300.0
"""So long beyond its time a look at an inbox may take without a step: the largest file over a slow link takes
less. A share that does not answer is given up long before."""

PULSE = "pulse"
"""The name under which the ledger keeps the moment of the last feeding."""


class Herald:
    """Speaks to systemd, if it listens.

    Args:
        bench: the daemon's tools.
        lookouts: those of all inboxes.
        environment: with `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID`, where systemd listens.
    """

    def __init__(
        self, bench: Bench, lookouts: Sequence[Lookout], environment: Mapping[str, str] = os.environ
    ) -> None:
        self._bench, self._lookouts = bench, lookouts
        self._turned = asyncio.Event()
        self._is_heard = bool(environment.get("NOTIFY_SOCKET"))
        self._period = watchdog_seconds(environment, pid=os.getpid())
        self._said = ""
        self._is_ending = False

    def turned(self) -> None:
        """The dispatcher has had a turn."""
        self._turned.set()

    def hand_over(self) -> None:
        """From now on nothing new begins, and what is under way comes to its end: that is being alive."""
        self._is_ending = True

    async def run(self) -> None:
        """Tell until cancelled; where nobody listens, nothing is looked up."""
        if not self._is_heard:
            return
        pause = min(STATUS_SECONDS, (self._period or STATUS_SECONDS) / 4)
        while True:
            await asyncio.sleep(pause)
            await self._tell_status()
            if self._period is not None and (self._is_ending or await self._is_alive(within=pause)):
                notify("WATCHDOG=1")

    async def _tell_status(self) -> None:
        try:
            counts = await self._bench.clerk(self._bench.ledger.counts)
        except LedgerError:
            return
        text = standing(counts, self._bench.keeper.open)
        if text != self._said:
            self._said = text
            notify(f"STATUS={text}")

    async def _is_alive(self, *, within: float) -> bool:
        """Whether the loop turns, the inboxes are looked at and the ledger answers."""
        self._turned.clear()
        self._bench.wake()
        late = [lookout.root for lookout in self._lookouts if lookout.is_late(STALL_SECONDS)]
        try:
            async with asyncio.timeout(within):
                await self._turned.wait()
                await self._write()
        except TimeoutError:
            late.append("the ledger" if self._turned.is_set() else "the dispatcher")
        if late:
            say("watchdog.starved", level="error", message=f"nothing is heard of {', '.join(late)}")
        return not late

    async def _write(self) -> None:
        try:
            await self._bench.clerk(self._bench.ledger.remember, PULSE, clock.now())
        except LedgerError:
            return  # it answers; that its disk is full, say, no restart would mend


def watchdog_seconds(environment: Mapping[str, str], *, pid: int) -> float | None:
    """How often systemd wants to hear of this process; None when it does not (sd_watchdog_enabled(3))."""
    given, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    if not given.isascii() or not given.isdigit() or whose != str(pid):
        return None
    return int(given) / 1e6 or None


def standing(counts: Mapping[str, int], holds: Iterable[Hold]) -> str:
    """One line on how it stands: jobs that are not over, by state, and what is held."""
    live = [f"{counts[state]} {state}" for state in sorted(LIVE_STATES) if counts.get(state)]
    named = {hold.reason if hold.scope == ALL else f"{hold.reason} ({hold.scope})" for hold in holds}
    held = f"; on hold: {', '.join(sorted(named))}" if named else ""
    return f"{', '.join(live) or 'nothing to do'}{held}"
