"""The account: its money, its limits, its tasks, its uploads and the record of all that was asked.

Guarantees that money adds up: the balance falls by the estimate when a task is made and rises by what was not
charged when it ends. Nothing here touches the network; everything happens on the event loop's thread.
"""

import random
import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runway_watch import clock
from runway_watch.simulator.faults import Faults
from runway_watch.simulator.lanes import Lanes
from runway_watch.simulator.library import Library, Upload
from runway_watch.simulator.price import output_count, price
from runway_watch.simulator.schema import Branch, Endpoint, Json
from runway_watch.simulator.settings import Settings
from runway_watch.simulator.task import Failure, Task

DAY = 86_400.0
CHANGEABLE = frozenset({"credits", "key", "daily", "concurrency", "seconds", "image_seconds"})


class NoCreditsError(Exception):
    """The balance is below the estimate."""


class DailyLimitError(Exception):
    """The model has had all its generations of the last 24 hours."""


def steady_clock() -> Callable[[], float]:
    """Wall-clock seconds that a change of the machine's clock does not disturb."""
    offset = clock.now() - clock.monotonic()
    return lambda: clock.monotonic() + offset


@dataclass
class Record:
    """What was asked, for the bill."""

    requests: Counter[str] = field(default_factory=Counter)
    refused: list[Json] = field(default_factory=list)


class World:
    """One account of the stand-in."""

    def __init__(self, settings: Settings, folder: Path, now: Callable[[], float]) -> None:
        self.settings, self.folder, self.now = settings, folder, now
        self.account: Json = {name: getattr(settings, name) for name in CHANGEABLE}
        self.library = Library(now, settings.uri_lifetime)
        self.lanes = Lanes(lambda queue: self.limit("concurrency", queue))
        self.faults = Faults(settings.seed)
        self.record = Record()
        self.tasks: dict[str, Task] = {}
        self.gone: set[str] = set()
        self.secret = secrets.token_bytes(32)  # signs the output URLs
        self._jitter = random.Random(settings.seed)  # noqa: S311 - durations that can be repeated

    @property
    def balance(self) -> int:
        """Credits that are left when every unfinished task has taken its estimate."""
        return int(self.account["credits"])

    def change(self, changes: Json) -> None:
        """Change the account while it is in use. Raises ValueError for a name that cannot be changed."""
        unknown = changes.keys() - CHANGEABLE
        if unknown:
            raise ValueError(
                f"cannot be changed: {', '.join(sorted(unknown))}; can be: {', '.join(sorted(CHANGEABLE))}"
            )
        self.advance()
        self.account.update(changes)
        self.advance()

    def limit(self, name: str, queue: str) -> int | None:
        """`concurrency` or `daily` for one model; a table by model may have been set at run time."""
        value = self.account[name]
        found = value.get(queue) if isinstance(value, dict) else value
        return None if found is None else int(found)

    def today(self) -> Counter[str]:
        """Generations of the last 24 hours, by model."""
        since = self.now() - DAY
        return Counter(task.queue for task in self.tasks.values() if task.created_at > since)

    def advance(self) -> float:
        """Let everything happen that is due; the present moment."""
        now = self.now()
        for task in self.lanes.advance(now):
            self.account["credits"] += task.settle()
        return now

    def create(self, endpoint: Endpoint, branch: Branch, body: Json, uploads: list[Upload], do: Json) -> Task:
        """Make a task and take its estimate. Raises NoCreditsError or DailyLimitError: nothing is made."""
        now = self.advance()
        cost, queue = price(branch, body), endpoint.queue(body)
        if cost.estimate > self.balance:
            raise NoCreditsError
        daily = self.limit("daily", queue)
        if daily is not None and self.today()[queue] >= daily:
            raise DailyLimitError(queue)
        task = Task(
            id=str(uuid.uuid4()),
            route=endpoint.route,
            queue=queue,
            kind=endpoint.kind,
            body=body,
            price=cost,
            seconds=float(do.get("run_seconds", self._duration(endpoint.kind))),
            outputs=output_count(branch, body),
            created_at=now,
            uploads=uploads,
            failure=_failure(do),
        )
        self.tasks[task.id] = task
        self.account["credits"] -= cost.estimate
        self.lanes.submit(task, now)
        return task

    def _duration(self, kind: str) -> float:
        short = self.account["image_seconds"]
        base = float(short if kind == "image" and short is not None else self.account["seconds"])
        return base * (1 + self.settings.spread * self._jitter.uniform(-1, 1))

    def find(self, task_id: str, *, workflow: bool = False) -> Task | None:
        """A task that can be asked for; deleted and cancelled ones cannot."""
        task = self.tasks.get(task_id)
        known = task is not None and task_id not in self.gone and (task.kind == "workflow") == workflow
        return task if known else None

    def delete(self, task: Task) -> None:
        """Cancel an unfinished task, forget a finished one and its outputs."""
        now = self.advance()
        if task.ended_at is None:
            self.lanes.cancel(task, now)
            self.account["credits"] += task.settle()
        self.gone.add(task.id)


def _failure(do: Json) -> Failure | None:
    if "fail_task" not in do:
        return None
    code: Any = do["fail_task"]
    return Failure(code, str(do.get("failure", Failure.text)))
