"""Everything goes wrong, and again from the same seed: faults at Runway, and kills of the daemon.

Drops come in a few at a time while a simulator misbehaves and the daemon is killed, stopped, frozen and
started again. At the end all faults are taken away, a last daemon works until every job is over or held, and
all invariants have to hold. The seed stands in what is raised.
"""

import io
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from PIL import Image

from runway_watch.cli import app
from tests import forked
from tests.chaos_faults import Rule
from tests.harness import Daemon, Site, sidecar

FOLDERS = ("", "monday/", "monday/morning/", "tuesday/")
FILM = ""
PICTURE = 'model = "gen4_image"\nratio = "720:720"\n[job]\noperation = "text_to_image"\n'
WRONG = 'ratoi = "16:9"'
KINDS = (*(FILM,) * 6, PICTURE + 'tag = "image"', PICTURE)
SETTINGS = {"level": "info", "sweep": 5, "settle_timeout": 60}

OVER = ("done", "failed", "cancelled", "held")
PUT_OFF = 3600.0
"""Seconds: whom Runway sends away for longer is not waited for."""


@dataclass(frozen=True)
class Plan:
    """What is done to a daemon.

    Args:
        jobs: how many drops there are.
        kills: how often it gets SIGKILL.
        seed: of every choice here; what the processes make of it is up to the machine.
        rules: of the simulator.
        longest: seconds at most from a start to the next signal.
        patience: seconds for the last daemon to bring everything to its end.
    """

    jobs: int
    kills: int
    seed: int
    rules: Sequence[Rule] = ()
    longest: float = 0.6
    patience: float = 60.0


@dataclass
class Tally:
    """What came of it. `put_off` are jobs that Runway sent away for longer than anybody waits."""

    jobs: int
    kills: int = 0
    seconds: float = 0.0
    paid: int = 0
    twice: int = 0
    lost: int = 0
    put_off: int = 0
    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)


Tell = Callable[[str], None]


def wreak(site: Site, plan: Plan, *, tell: Tell = lambda _: None) -> Tally:
    """Do all of it. Raises AssertionError, with the plan beside it, when an invariant does not hold."""
    try:
        return _Havoc(site, plan, tell).run()
    except BaseException as error:
        error.add_note(f"seed {plan.seed}, {plan.jobs} jobs, {plan.kills} kills, {len(plan.rules)} rules")
        raise


class _Havoc:
    def __init__(self, site: Site, plan: Plan, tell: Tell) -> None:
        self._site, self._plan, self._tell = site, plan, tell
        self._chance = random.Random(plan.seed)
        self._waiting = list(range(plan.jobs))
        self._tally = Tally(plan.jobs)

    def run(self) -> Tally:
        began = time.monotonic()
        self._site.runway.faults(self._plan.rules)
        while self._tally.kills < self._plan.kills:
            self._drop_some()
            self._round()
        self._drop_some()
        self._heal()
        self._tally.seconds = time.monotonic() - began
        self._site.verify()
        return _counted(self._site, self._tally)

    # -- what comes in ---------------------------------------------------------------------------------

    def _drop_some(self) -> None:
        """As many as are due: what is left comes in with the last kill."""
        rest = self._plan.jobs * (1 - (self._tally.kills + 1) / max(1, self._plan.kills))
        while len(self._waiting) > max(0, rest):
            self._drop(self._waiting.pop())

    def _drop(self, number: int) -> None:
        kind = WRONG if self._chance.random() < 0.02 else self._chance.choice(KINDS)
        stem = f"{self._chance.choice(FOLDERS)}drop {number}"
        if kind != PICTURE:
            self._site.put(f"{stem}.png", _noise(self._chance))
        prompt = f"{self._site.base.name} {self._plan.seed} {number}"  # on one bill with other runs
        self._site.put(f"{stem}.prompt.toml", sidecar(prompt, kind))

    # -- what is done to the daemon --------------------------------------------------------------------

    def _round(self) -> None:
        with self._site.daemon() as daemon:
            if self._chance.random() < 0.9:
                _until_started(daemon)
            time.sleep(self._chance.uniform(0, self._plan.longest))
            deed = self._chance.choices((self._kill, self._stop, self._freeze, self._hang_up), (7, 1, 1, 1))[
                0
            ]
            deed(daemon)
        self._tell(f"{self._tally.kills} kills, {self._over()} of {self._plan.jobs} jobs over")

    def _kill(self, daemon: Daemon) -> None:
        self._count("SIGKILL")
        self._tally.kills += 1
        daemon.kill()

    def _stop(self, daemon: Daemon) -> None:
        """SIGTERM; twice, and a kill on top, if it takes its time."""
        self._count("SIGTERM")
        daemon.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            daemon.process.wait(self._chance.uniform(0, 1))
            return
        daemon.process.send_signal(signal.SIGTERM)
        self._kill(daemon)

    def _freeze(self, daemon: Daemon) -> None:
        self._count("SIGSTOP")
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(0, 0.3))
        daemon.process.send_signal(signal.SIGCONT)
        time.sleep(self._chance.uniform(0, 0.2))
        self._kill(daemon)

    def _hang_up(self, daemon: Daemon) -> None:
        """SIGHUP, often; before it is ready for one, it ends of it."""
        for _ in range(3):
            self._count("SIGHUP")
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(self._chance.uniform(0, 0.05))
        self._kill(daemon)

    def _count(self, what: str) -> None:
        self._tally.signals[what] += 1

    # -- the end ---------------------------------------------------------------------------------------

    def _heal(self) -> None:
        """Let everything come to its end, with faults that are limited or with none."""
        if self._plan.kills:
            self._site.runway.well()
        if _knows("resume"):
            forked.run(self._site, "resume")
        with self._site.daemon() as daemon:
            _until_started(daemon)
            deadline = time.monotonic() + self._plan.patience
            while not self._is_settled():
                assert daemon.process.poll() is None, "the last daemon ended"
                assert time.monotonic() < deadline, f"not over: {_left(self._site)}"
                self._tell(f"{self._tally.kills} kills, {self._over()} of {self._plan.jobs} jobs over")
                time.sleep(0.05)
            assert daemon.stop() == 0

    def _over(self) -> int:
        counts = self._site.counts()
        return sum(counts.get(state, 0) for state in OVER)

    def _is_settled(self) -> bool:
        return self._over() + _put_off(self._site) == self._plan.jobs


def _noise(chance: random.Random) -> bytes:
    """A small PNG of chance: it never compresses to less than what Runway takes."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (24, 24), chance.randbytes(24 * 24 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def _until_started(daemon: Daemon) -> None:
    while b"daemon.started" not in daemon.log.read_bytes():
        assert daemon.process.poll() is None, daemon.log.read_text()
        time.sleep(0.005)


def _knows(command: str) -> bool:
    return any(known.callback.__name__ == command for known in app.registered_commands if known.callback)


def _put_off(site: Site) -> int:
    query = "SELECT count(*) FROM generations WHERE state = 'uploading' AND due_at > ?"
    rows = site.rows(query, time.time() + PUT_OFF)
    return int(rows[0][0]) if rows else 0


def _left(site: Site) -> object:
    """What still goes on, for the message of a failure."""
    query = "SELECT job, state, attempt, due_at - ?, reason, message FROM generations WHERE ended_at IS NULL"
    return site.counts(), site.rows(query, time.time())[:20], site.files("inbox")[:20]


def _counted(site: Site, tally: Tally) -> Tally:
    tally.states, tally.put_off = Counter(site.counts()), _put_off(site)
    tally.lost = tally.jobs - tally.states.total()
    codes = site.rows("SELECT json_extract(verdict, '$.code'), count(*) FROM jobs GROUP BY 1")
    tally.codes = Counter({code: count for code, count in codes if code})
    tasks = Counter(task["body"]["promptText"] for task in site.paid())
    tally.paid = tasks.total()
    tally.twice = _paid_twice(site, tasks)
    return tally


def _paid_twice(site: Site, tasks: Counter[str]) -> int:
    """Paid calls beyond a job's first that nobody wanted: no failed task came before, and no person."""
    reasons = site.rows(
        "SELECT json_extract(params, '$.prompt_text'), (SELECT count(*) FROM history "
        "WHERE history.job = jobs.id AND history.event IN ('again', 'release')) FROM jobs"
    )
    return sum(max(0, tasks[prompt] - 1 - count) for prompt, count in reasons)
