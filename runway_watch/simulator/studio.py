"""Makes the outputs: each look is rendered once, off the event loop; each task has bytes of its own."""

import asyncio
import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runway_watch.simulator.render import render
from runway_watch.simulator.shape import Shape, shape_of
from runway_watch.simulator.stamp import stamp
from runway_watch.simulator.task import Task


@dataclass(frozen=True)
class Output:
    """A file that a task made."""

    name: str
    extension: str
    data: bytes


class Studio:
    """One worker thread, so that rendering never takes more than a core from what is being rehearsed."""

    def __init__(self, folder: Path, film_seconds: float) -> None:
        self._folder, self._film_seconds = folder, film_seconds
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="studio")
        self._looks: dict[str, Future[Path]] = {}
        self._digests: dict[tuple[str, int], dict[str, str | int]] = {}

    def close(self) -> None:
        """Finish the look in hand and forget the rest."""
        self._worker.shutdown(cancel_futures=True)

    def prepare(self, task: Task) -> Shape:
        """Begin to render a task's look, so that it is there when the task ends."""
        shape = shape_of(task, self._film_seconds)
        self._look(task, shape)
        return shape

    def name(self, task: Task, index: int) -> str:
        """The file name in an output's URL."""
        return f"output-{index}.{shape_of(task, self._film_seconds).extension}"

    async def output(self, task: Task, index: int) -> Output:
        """The bytes of one output; waits for the render without blocking the loop."""
        await asyncio.wrap_future(self._look(task, self.prepare(task)))
        return self.output_now(task, index)

    def output_now(self, task: Task, index: int) -> Output:
        """The same, waiting where it stands: for callers outside the loop, or when it is there."""
        shape = self.prepare(task)
        data = self._look(task, shape).result().read_bytes()
        return Output(
            self.name(task, index), shape.extension, stamp(data, shape.extension, f"{task.id}/{index}")
        )

    def digest(self, task: Task, index: int) -> dict[str, str | int]:
        """sha256 and size of an output, computed once."""
        key = (task.id, index)
        if key not in self._digests:
            data = self.output_now(task, index).data
            self._digests[key] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        return self._digests[key]

    def _look(self, task: Task, shape: Shape) -> Future[Path]:
        image = next((upload for upload in task.uploads if upload.path), None)
        ground = image.sha256 if image else str(task.body.get("promptText", task.route))
        key = hashlib.sha256(f"{ground} {shape}".encode()).hexdigest()
        if key not in self._looks:
            path, picture = self._folder / f"{key}.{shape.extension}", image.path if image else None
            self._looks[key] = self._worker.submit(_make, path, shape, picture, int(key[:8], 16))
        return self._looks[key]


def _make(path: Path, shape: Shape, picture: Path | None, seed: int) -> Path:
    render(path, shape, picture, seed)
    return path
