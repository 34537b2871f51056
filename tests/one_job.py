"""One job from its drop to its end as the daemon takes it, in one thread: to be broken at a system call.

Ledger, spool, inbox, recovery and filing are the real ones. What goes over the network is left out: a paid
call makes a folder below `paid/`, an output comes from memory. What fails is tried again at once, a few
times, as the daemon does after a pause.
"""

import asyncio
import ctypes
import gc
import hashlib
import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, ParamSpec, TypeVar

from runway_watch import clock, config, log
from runway_watch.api import Api, Courier
from runway_watch.api.transfer import Received
from runway_watch.config import LogSettings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.filing import file_away
from runway_watch.daemon.inbox import Inbox
from runway_watch.daemon.recovery import recover, settle_in
from runway_watch.decide import Move
from runway_watch.errors import LedgerError, LostUpdate, SpoolError
from runway_watch.hands import Hands, Lent, _outcome
from runway_watch.job import Done, Generation, Job, Place, State
from runway_watch.ledger import Ledger
from runway_watch.spool import Spool
from runway_watch.stages.collect import Origin, collect
from tests import samples

P = ParamSpec("P")
R = TypeVar("R")

OVER, AGAIN, STUCK = 0, 3, 4
"""Exit codes: the job is done or held; ledger or spool could not be opened; it was tried often enough."""

ROUNDS = 20
"""Seven do, where nothing fails."""

PRICE = 60
OUTPUT = samples.PNG
OUTPUT_SHA256 = hashlib.sha256(OUTPUT).hexdigest()

_NOWHERE = "http://127.0.0.1:9"
_API = Api(base_url=_NOWHERE, key="key_" + "0" * 128)
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1


class Straight(Clerk):
    """Calls the ledger where it is asked to, and insists for so long only."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __call__(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return method(*args, **kwargs)

    async def insist(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(3):
            try:
                return method(*args, **kwargs)
            except LostUpdate:
                raise
            except LedgerError as error:
                log.say("ledger.refused", level="error", message=str(error))
        return method(*args, **kwargs)


class Shelf(Courier):
    """Has the output already."""

    async def download(self, url: str, into: Lent[BinaryIO], *, max_bytes: int) -> Received:
        await into(lambda file: file.write(OUTPUT))
        await into(lambda file: file.flush())
        return Received(len(OUTPUT), OUTPUT_SHA256, None)


class Alone(Hands):
    """Does everything in the only thread there is: a tracer counts the calls of each thread alone."""

    def _hire(self) -> None:
        call = self._queue.get_nowait()
        call.begun = True
        self._deliver(call, *_outcome(call.work))


class Inline(ThreadPoolExecutor):
    """Work for another thread is done in this one: a tracer counts the calls of each thread alone."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)
        return done


_SHELF = Shelf()
_SETTINGS = config.parse(
    {
        "watch": [{"root": "/nowhere", "settle_seconds": 0}],
        "api": {"base_url": _NOWHERE},
        "schedule": {"timezone": "UTC"},
    },
    {},
)


def main(base: str, log_file: str, gate: Connection) -> None:
    """Take the job below `base` as far as it goes; begin when `gate` has something to say."""
    fd = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    gc.disable()  # what was imported before the fork is nothing to look through each time
    told = io.StringIO()
    log.set_up(LogSettings(), told)
    loop = _loop()
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(_ANYBODY), 0, 0, 0)
    gate.send("ready")
    gate.poll(None)  # a `read` may be what is to be broken
    try:
        sys.exit(loop.run_until_complete(_open(Path(base))))
    finally:
        os.writev(fd, [told.getvalue().encode()])  # a `write` is to be broken where it matters


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(Inline())
    return loop


async def _open(base: Path) -> int:
    spool = Spool(base / "root")
    watch = _SETTINGS.watch[0].model_copy(update={"root": base / "root"})
    settings = _SETTINGS.model_copy(update={"watch": (watch,)})
    try:
        with Ledger(f"sqlite:///{base}/state/ledger.sqlite3") as ledger:
            spool.make()
            spool.hands = Alone("one job")
            bench = Bench.furnished(
                settings,
                ledger=ledger,
                clerk=Straight(ledger),
                api=_API,
                courier=_SHELF,
                spools={str(spool.root): spool},
                wake=lambda: None,
            )
            await recover(bench)
            await settle_in(bench, str(spool.root))
            bench.keeper.away.clear()
            return await _persist(bench, Inbox(bench, settings.watch[0], spool))
    except (LedgerError, SpoolError) as error:
        log.say("daemon.refused", level="error", message=str(error))
        return AGAIN


async def _persist(bench: Bench, inbox: Inbox) -> int:
    for _ in range(ROUNDS):
        try:
            if await _go_on(bench, inbox):
                return OVER
        except LostUpdate:
            raise
        except (LedgerError, SpoolError) as error:
            log.say("trouble.met", level="error", message=str(error))
    return STUCK


async def _go_on(bench: Bench, inbox: Inbox) -> bool:
    """Take the next step. Returns whether there is none."""
    jobs = bench.ledger.latest()
    if not jobs or jobs[0].target is Place.PROCESSING:
        await inbox.look()
        return False
    [call] = bench.ledger.calls(jobs[0].id)
    return await _step(bench, jobs[0], call)


async def _step(bench: Bench, job: Job, call: Generation) -> bool:
    now = clock.now()
    match call.state:
        case State.READY:
            await _move(bench, call, "upload", due_at=now)
        case State.UPLOADING if call.uploaded_at is None:
            assert job.media is not None
            sha256 = bench.spool(job).digest(job, job.media)
            await bench.clerk.insist(bench.ledger.uploaded, "account", sha256, uri="runway://it", at=now)
            await _move(bench, call, "uploaded", uploaded_at=now)
        case State.UPLOADING:
            call = await _move(bench, call, "submit")
            task = _pay(bench.spool(job))
            await _insist(bench, call, "submitted", task_id=task, submitted_at=now, tries=1)
        case State.RUNNING:
            await _insist(bench, call, "succeeded", credits=PRICE, ended_at=now)
        case State.COLLECTING:
            await _collect(bench, job, call)
        case State.RETIRING:
            await file_away(bench, job)
        case _:
            return True
    return False


async def _collect(bench: Bench, job: Job, call: Generation) -> None:
    spool = bench.spool(job)
    outcome = await collect(job, call, [Origin("it")], courier=_SHELF, spool=spool, max_bytes=1_000_000)
    if isinstance(outcome, Done):
        await _insist(bench, call, "collected", **outcome.facts)


async def _move(bench: Bench, call: Generation, event: str, **changes: Any) -> Generation:
    """Commit what is about to be done."""
    moves = [(call, Move(event, changes))]
    [after] = await bench.clerk(bench.ledger.move, moves, at=clock.now())
    return after


async def _insist(bench: Bench, call: Generation, event: str, **changes: Any) -> None:
    """Commit what has happened."""
    await bench.clerk.insist(bench.ledger.move, [(call, Move(event, changes))], at=clock.now())


def _pay(spool: Spool) -> str:
    """The paid call. Making a symbolic link is none of the calls that are broken."""
    task = os.urandom(8).hex()
    (spool.root.parent / "paid" / task).symlink_to("nothing")
    return task


def _warm_up() -> None:
    """What is imported, read or made at its first use is none of the calls that are to be broken."""
    with TemporaryDirectory() as folder, closing(_loop()) as loop:
        log.set_up(LogSettings(), io.StringIO())
        for name in ("root", "paid"):
            Path(folder, name).mkdir()
        spool = samples.spool(Path(folder, "root"))
        samples.drop(spool, {"cat.png": samples.PNG, "cat.prompt.toml": samples.SIDECAR})
        assert loop.run_until_complete(_open(Path(folder))) == OVER


_warm_up()
