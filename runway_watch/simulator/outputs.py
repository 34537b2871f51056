"""The output origin: real media behind signed URLs that expire. Refuses whoever sends it the API key."""

import re

from aiohttp import web

from runway_watch.simulator.api import task_facts
from runway_watch.simulator.faulty import faulty
from runway_watch.simulator.gate import STUDIO, WORLD, leaks_key
from runway_watch.simulator.schema import Json
from runway_watch.simulator.shape import MIME
from runway_watch.simulator.studio import Output
from runway_watch.simulator.task import Task
from runway_watch.simulator.tokens import opens


def add_routes(app: web.Application) -> None:
    """The output origin has one route."""
    app.router.add_get("/out/{id}/{name}", _serve)


@faulty("output", task_facts)
async def _serve(request: web.Request, _: Json) -> web.StreamResponse:
    world = request.app[WORLD]
    if leaks_key(request):
        return _plain(400, "The API key must never be sent to this origin.")
    if not opens(request.query.get("_jwt", ""), request.path, world.now(), world.secret):
        return _plain(403, "This URL has expired or is not signed.")
    task = world.find(request.match_info["id"]) or world.find(request.match_info["id"], workflow=True)
    index = _index(request.match_info["name"])
    if task is None or not 0 <= index < task.outputs:
        return _plain(404, "Not found.")
    return respond(await request.app[STUDIO].output(task, index))


def respond(output: Output) -> web.Response:
    """An output with its type and, by aiohttp, its length."""
    return web.Response(body=output.data, content_type=MIME[output.extension])


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


def _index(name: str) -> int:
    found = re.fullmatch(r"output-(\d{1,3})\.\w+", name)
    return int(found[1]) if found else -1


def is_finished(task: Task) -> bool:
    """Whether there are outputs to speak of."""
    return task.ended_at is not None and not task.cancelled and task.failure is None
