"""One generation as the simulator keeps it: plain facts and the status that follows from them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runway_watch.simulator.library import Upload
from runway_watch.simulator.price import Price
from runway_watch.simulator.schema import Json

PENDING_SHARE, PENDING_MAX = 0.05, 1.0  # a task that has its slot is PENDING for a moment, then RUNNING


@dataclass(frozen=True)
class Failure:
    """How a task will end; the code may be missing, as the documentation warns."""

    code: str | None
    text: str = "The generation failed."

    @property
    def charged(self) -> bool:
        """Only a refused input costs what a good run costs."""
        return (self.code or "").startswith("SAFETY.INPUT")


@dataclass(kw_only=True)
class Task:
    """Moments are seconds since 1970; `started_at` is when a slot was free, whoever looked at it then."""

    id: str
    route: str
    queue: str
    kind: str
    body: Json
    price: Price
    seconds: float
    outputs: int
    created_at: float
    uploads: list[Upload] = field(default_factory=list)
    nodes: Mapping[str, str] = field(default_factory=dict)  # of a workflow: id to name
    node_error: str | None = None
    failure: Failure | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cancelled: bool = False
    charged: int | None = None
    polls: list[float] = field(default_factory=list)

    def status(self, now: float) -> str:
        """The API's word for where the task is."""
        if self.cancelled:
            return "CANCELLED"
        if self.started_at is None:
            return "THROTTLED"
        if self.ended_at is None:
            return "PENDING" if now < self.runs_from else "RUNNING"
        return "FAILED" if self.failure else "SUCCEEDED"

    @property
    def due(self) -> float:
        """When it ends; only for a task that has started."""
        return (self.started_at or 0.0) + self.seconds

    @property
    def runs_from(self) -> float:
        """When PENDING becomes RUNNING; only for a task that has started."""
        return (self.started_at or 0.0) + min(PENDING_MAX, self.seconds * PENDING_SHARE)

    def progress(self, now: float) -> float:
        """0 to 1, growing evenly while it is RUNNING."""
        span = self.due - self.runs_from
        return round(min(1.0, max(0.0, (now - self.runs_from) / span)), 4) if span > 0 else 1.0

    def settle(self) -> int:
        """Fix what the task has cost, and say how much of its reserve goes back."""
        if self.cancelled:
            cost = 0 if self.started_at is None else self.price.estimate
        elif self.failure:
            cost = self.price.final if self.failure.charged else 0
        else:
            cost = self.price.final
        self.charged = cost
        return self.price.estimate - cost
