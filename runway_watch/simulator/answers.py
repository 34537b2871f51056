"""The JSON of tasks and creates, shape by shape as the API's types say."""

from datetime import UTC, datetime

from aiohttp import web

from runway_watch.simulator.gate import OUTPUT_ORIGIN, STUDIO, WORLD
from runway_watch.simulator.schema import Json
from runway_watch.simulator.task import Failure, Task
from runway_watch.simulator.tokens import sign
from runway_watch.simulator.workflows import results

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


def moment(seconds: float) -> str:
    """UTC with milliseconds and a Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_task(request: web.Request, task: Task, deed: Json) -> Json:
    """What a poll is answered; `deed` may put another status in its place."""
    now = request.app[WORLD].now()
    status = str(deed.get("task_status", task.status(now)))
    answer: Json = {"id": task.id, "createdAt": moment(task.created_at), "status": status}
    if status in TERMINAL:
        if task.kind != "workflow" or status != "CANCELLED":
            answer["cost"] = {"credits": task.charged if task.charged is not None else task.price.final}
    elif task.kind != "workflow":
        answer["estimatedCost"] = {"credits": task.price.estimate}
    if status == "RUNNING":
        answer["progress"] = task.progress(now)
    if status == "FAILED":
        answer |= _failure(task.failure or Failure("INTERNAL"))
    if status == "SUCCEEDED" or (status == "RUNNING" and task.kind == "workflow"):
        finished = status == "SUCCEEDED" and not deed.get("empty_output")
        urls = output_urls(request, task) if finished else []
        is_run = task.kind == "workflow"
        answer |= results(task.nodes if urls else {}, urls, task.node_error) if is_run else {"output": urls}
    return answer


def _failure(failure: Failure) -> Json:
    code = {} if failure.code is None else {"failureCode": failure.code}
    return {"failure": failure.text, **code}


def output_urls(request: web.Request, task: Task) -> list[str]:
    """Fresh URLs, good for the lifetime that the settings say."""
    world, studio = request.app[WORLD], request.app[STUDIO]
    expires = world.now() + world.settings.url_lifetime
    paths = [f"/out/{task.id}/{studio.name(task, index)}" for index in range(task.outputs)]
    origin = request.app[OUTPUT_ORIGIN][0]
    return [f"{origin}{path}?_jwt={sign(path, expires, world.secret)}" for path in paths]


def of_create(task: Task) -> Json:
    """What a create is answered: three shapes."""
    cost = {"estimatedCost": {"credits": task.price.estimate}}
    if task.kind == "workflow" or task.route == "/v1/avatar_videos":
        return {"id": task.id}
    if task.route.startswith("/v1/generate/"):
        asked = task.body.get("input", {})
        resolved = {
            "duration": asked.get("duration", 5),
            "ratio": asked.get("aspectRatio", "16:9"),
            "resolution": asked.get("resolution", "720p"),
        }
        settings = {"optimizeFor": "quality", "priceCeiling": None}
        chosen = {"model": task.queue, "provider": "runway", "configId": task.body["configId"]}
        return {
            "id": task.id,
            "routing": {**chosen, **cost, "resolvedInput": resolved, "resolvedSettings": settings},
        }
    return {"id": task.id, **cost}
