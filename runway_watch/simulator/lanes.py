"""Who runs when: a lane per model, first come first served, computed when somebody looks.

Guarantees that a queued task starts at the very instant a slot became free, however late anybody asks.
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from itertools import count

from runway_watch.simulator.task import Task


class Lanes:
    """`limit(queue)` is how many may run at once, None for any number; it may change between calls."""

    def __init__(self, limit: Callable[[str], int | None]) -> None:
        self._limit = limit
        self._waiting: dict[str, deque[Task]] = defaultdict(deque)
        self._running: Counter[str] = Counter()
        self._ends: list[tuple[float, int, Task]] = []
        self._order = count()
        self.most_running = 0
        self.most_waiting = 0

    def advance(self, now: float) -> list[Task]:
        """Let everything happen that was due by `now`, in order; the tasks that ended by themselves."""
        ended = []
        for queue in list(self._waiting):
            self._fill(queue, now)  # the limit may have been raised
        while self._ends and self._ends[0][0] <= now:
            due, _, task = heapq.heappop(self._ends)
            if task.ended_at is None:
                self._end(task, due)
                ended.append(task)
        return ended

    def submit(self, task: Task, now: float) -> None:
        """Queue a task behind its like; it starts at once if there is room. Call `advance` first."""
        self._waiting[task.queue].append(task)
        self._fill(task.queue, now)
        self.most_waiting = max(self.most_waiting, sum(map(len, self._waiting.values())))

    def cancel(self, task: Task, now: float) -> None:
        """Take a task out; its slot goes to the next one at once. Call `advance` first."""
        task.cancelled = True
        if task.started_at is None:
            self._waiting[task.queue].remove(task)
            task.ended_at = now
        elif task.ended_at is None:
            self._end(task, now)

    def _end(self, task: Task, moment: float) -> None:
        task.ended_at = moment
        self._running[task.queue] -= 1
        self._fill(task.queue, moment)

    def _fill(self, queue: str, moment: float) -> None:
        waiting, limit = self._waiting[queue], self._limit(queue)
        while waiting and (limit is None or self._running[queue] < limit):
            task = waiting.popleft()
            task.started_at = moment
            self._running[queue] += 1
            heapq.heappush(self._ends, (task.due, next(self._order), task))
        self.most_running = max(self.most_running, self._running.total())
