"""What the stand-in saw and charged, for tests: the truth against which the daemon's ledger is held."""

from runway_watch.simulator.outputs import is_finished
from runway_watch.simulator.schema import Json
from runway_watch.simulator.studio import Studio
from runway_watch.simulator.task import Task
from runway_watch.simulator.world import World


def bill(world: World, studio: Studio) -> Json:
    """The bill as of now. Renders what finished tasks have not rendered yet, so it may take a moment."""
    now = world.advance()
    return {
        "paid": len(world.tasks),
        "charged": sum(task.charged or 0 for task in world.tasks.values()),
        "balance": world.balance,
        "tasks": [_task(task, studio, now) for task in world.tasks.values()],
        "uploads": [
            {"uri": upload.uri, "filename": upload.filename, "sha256": upload.sha256, "size": upload.size}
            for upload in world.library.uploads.values()
        ],
        "requests": dict(world.record.requests),
        "max_concurrent": world.lanes.most_running,
        "max_waiting": world.lanes.most_waiting,
        "refused": list(world.record.refused),
    }


def _task(task: Task, studio: Studio, now: float) -> Json:
    digests = [studio.digest(task, index) for index in range(task.outputs)] if is_finished(task) else []
    return {
        "id": task.id,
        "endpoint": task.route,
        "model": task.queue,
        "body": task.body,
        "status": task.status(now),
        "failure_code": task.failure.code if task.failure else None,
        "credits": task.charged,
        "estimate": task.price.estimate,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
        "outputs": digests,
        "polls": len(task.polls),
        "poll_times": list(task.polls),
    }
