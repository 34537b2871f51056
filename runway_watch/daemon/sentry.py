"""The sentry of one root: it says when a share goes, and lets work go on when it is back.

It looks every two seconds, in a thread of its own, so that a share which hangs stops nobody but itself. While
a root is away nothing is begun below it, whoever was at work there waits no longer, and nothing is concluded
from what is not to be seen. It is back when it can be read and written, when the last call that hung has come
back, and when it is the folder that it was: one that has none of its jobs' files is another.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.disks import look_at_disks
from runway_watch.daemon.recovery import settle_in
from runway_watch.errors import LedgerError, SpoolError
from runway_watch.hands import Hands
from runway_watch.job import LIVE_STATES, Hold, Job, Place
from runway_watch.ledger.restoring import is_known
from runway_watch.log import say
from runway_watch.spool import Ground, Spool, make_ready, marks, survey_ground, try_out

P = ParamSpec("P")
T = TypeVar("T")

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 2.5
_SLICES = 2
"""So many times `ANSWER_SECONDS` an answer may take. They are counted one by one: when the whole process was
stopped, the first is over at once, and the share has not had its time."""

SLOW_SECONDS = 1.5
"""A call that takes longer may be reading a large file, or hang: then the share is tried out."""

STUCK_SECONDS = 300.0
"""No call takes so long: the largest file is read, and the largest inbox listed, sooner."""

_SAMPLES = 50
"""So many jobs' files are looked for, to tell whether a folder is the one that it was."""

_MOVED = "was mounted anew, or another folder has its place: it is looked through"
_SILENT = "does not answer: nothing below it goes on until it does"
_BUSY = "answers again, but {} calls from before have not come back: they are waited for, unless you restart"
_STUCK = "answers, but for {:.0f} s one call has not come back: is there a file that cannot be read?"
_STRANGE = (
    "holds none of the files of the jobs that were accepted there: mount or move back what was there, or "
    "cancel those jobs to go on with what is there now"
)


class Sentry:
    """Watches over one root.

    Args:
        bench: the daemon's tools.
        spool: its folders.
        returned: called whenever it is there, for the first time or again.
    """

    def __init__(self, bench: Bench, spool: Spool, returned: Callable[[], None]) -> None:
        self._bench, self._spool, self._returned = bench, spool, returned
        self._root = str(spool.root)
        self._eyes = Hands(f"{self._root} (eyes)", most=1)
        self._suspected = bench.suspicion(self._root)
        self._patience = 5  # looks, at the first start of a shift
        self.has_decided = False
        """Whether it is known if the root is there."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
            except SpoolError as error:
                await self._lose(str(error))
            except LedgerError as error:  # it stays as it was, and is looked at again
                say("ledger.refused", level="warning", path=self._root, message=str(error))
            try:
                await asyncio.wait_for(self._suspected.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    def close(self) -> None:
        """Wait for nothing below the root any longer."""
        for hands in (self._eyes, self._spool.hands):
            hands.give_up("the daemon stops")

    async def _look(self) -> None:
        is_doubtful = self._suspected.is_set() or self._spool.hands.longest(clock.monotonic()) > SLOW_SECONDS
        self._suspected.clear()
        if self._root in self._bench.keeper.away:
            await self._take_up()
        elif await self._ask(survey_ground, Path(self._root)) != self._spool.ground:
            await self._lose(f"{self._root} {_MOVED}")
            await self._take_up()
        elif is_doubtful:
            await self._ask(try_out, Path(self._root))
            self._must_come_back()

    async def _ask(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What the eyes see; when that takes long, the root is lost until they have seen it."""
        return await self._answer(partial(work, *args, **options), slices=_SLICES)

    async def _answer(self, work: Callable[[], T], *, slices: int) -> T:
        asked = asyncio.ensure_future(self._eyes(work))
        try:
            for _ in range(slices):
                await asyncio.wait({asked}, timeout=ANSWER_SECONDS)
            if not asked.done():
                await self._lose(f"{self._root} {_SILENT}")
            return await asked
        except asyncio.CancelledError:
            asked.cancel()
            raise

    # -- how it goes, and comes back -------------------------------------------------------------------

    async def _lose(self, why: str) -> None:
        keeper, is_news = self._bench.keeper, self._root not in self._bench.keeper.away
        keeper.away[self._root] = why
        self._spool.hands.give_up(why)
        if is_news or not self.has_decided:
            say("share.lost", level="error", path=self._root, message=why)
        self.has_decided = True
        try:
            await keeper.begin(Hold("share", clock.now(), self._root, why))
        except LedgerError as error:  # it is away all the same
            say("ledger.refused", level="warning", path=self._root, message=str(error))
        self._bench.wake()

    async def _take_up(self) -> None:
        """Go on with a root. Raises SpoolError when it is not in order."""
        hands = self._spool.hands
        ground = await self._ask(make_ready, Path(self._root), is_new=not await self._is_known())
        # It is away, so that nobody waits for this; and a disk that is busy may take its time to write.
        await self._answer(partial(try_out, Path(self._root)), slices=4 * _SLICES)
        await self._recognise()
        if hands.busy:
            if not self.has_decided and self._patience > 0:  # left by the shift before: it is no news
                self._patience -= 1
                return
            raise SpoolError(f"{self._root} {_BUSY.format(hands.busy)}")
        self._spool.ground = ground
        hands.take_up()
        await self._settle(ground)
        await self._let_go_on()

    async def _is_known(self) -> bool:
        """Whether it was in order before, in this run or in an earlier one."""
        bench = self._bench
        remembered = await bench.clerk(bench.ledger.recall, _name(self._root))
        return remembered is not None or await bench.clerk(is_known, bench.ledger, self._root)

    async def _recognise(self) -> None:
        """Make sure that it is the folder that it was, before anybody works there. Raises SpoolError."""
        ledger, root = self._bench.ledger, self._root
        at_work = await self._bench.clerk(ledger.some_at_work, root, limit=_SAMPLES)
        if not at_work:
            return
        found = await self._ask(marks, Path(root))
        if found == await self._bench.clerk(ledger.recall, _name(root)):
            return
        over = await self._bench.clerk(ledger.some_over, root, limit=_SAMPLES)
        if not await self._ask(_has_any, Spool(Path(root)), [*at_work, *over]):
            raise SpoolError(f"{root} {_STRANGE}")

    async def _settle(self, ground: Ground) -> None:
        """Bring its folders and the ledger together, for as long as it stays what it is."""
        hands = self._spool.hands
        settling = asyncio.ensure_future(settle_in(self._bench, self._root))
        try:
            while not settling.done():
                await asyncio.wait({settling}, timeout=LOOK_SECONDS)
                await self._must_stay(ground)
            await settling
        except BaseException:
            hands.give_up(f"{self._root} is not in order")
            raise
        finally:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)

    async def _must_stay(self, ground: Ground) -> None:
        """Raises SpoolError when it is another folder now, or a call does not come back."""
        if await self._ask(survey_ground, Path(self._root)) != ground:
            raise SpoolError(f"{self._root} {_MOVED}")
        self._must_come_back()

    def _must_come_back(self) -> None:
        """Raises SpoolError when a call is under way for longer than any file or scan takes."""
        seconds = self._spool.hands.longest(clock.monotonic())
        if seconds > STUCK_SECONDS:
            raise SpoolError(f"{self._root} {_STUCK.format(seconds)}")

    async def _let_go_on(self) -> None:
        bench, began = self._bench, self.has_decided
        await bench.keeper.end((self._root, "share"))
        await bench.clerk(bench.ledger.hasten_below, self._root, at=clock.now())
        found = await self._ask(marks, Path(self._root))
        await bench.clerk(bench.ledger.remember, _name(self._root), found)
        await look_at_disks(bench, self._root)
        bench.keeper.away.pop(self._root)
        if began:
            say("share.returned", path=self._root)
        self.has_decided = True
        self._returned()
        bench.wake()


async def look_once(bench: Bench) -> None:
    """Find out which roots are there, for who does one thing and ends. Begins no hold."""
    for root, spool in bench.spools.items():
        asked = asyncio.ensure_future(spool.hands(survey_ground, spool.root))
        await asyncio.wait({asked}, timeout=_SLICES * ANSWER_SECONDS)
        if not asked.done():
            spool.hands.give_up(f"{root} {_SILENT}")
        try:
            spool.ground = await asked
            del bench.keeper.away[root]
        except SpoolError as error:
            bench.keeper.away[root] = str(error)


def _name(root: str) -> str:
    """Under which name the ledger remembers the marks of a root that was in order."""
    return f"root {root}"


def _has_any(spool: Spool, jobs: list[Job]) -> bool:
    """Whether a root has files of any of these jobs."""
    return any(_has(spool, job) for job in jobs)


def _has(spool: Spool, job: Job) -> bool:
    places = {job.place: job.name} | ({} if job.target is None else {job.target: job.target_name or ""})
    try:
        if any(spool.present(job, place, name) for place, name in places.items()):
            return True
        return job.state in LIVE_STATES and _was_taken_back(spool, job)
    except SpoolError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        return True  # its folder is closed to us: it is there itself


def _was_taken_back(spool: Spool, job: Job) -> bool:
    """Whether a person has taken its files to the inbox; others may have their names, so more is compared."""
    names = ((item, name) for item in job.inputs for name in (job.name + item.suffix, item.dropped_as))
    found = ((item, spool.look(Place.INBOX, job.folder, name)) for item, name in names)
    return any(seen and (seen.st_size, seen.st_mtime_ns) == (i.size, i.mtime_ns) for i, seen in found)
