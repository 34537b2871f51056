"""The creates: one handler for every endpoint of the data file. What it accepts becomes a paid task."""

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from runway_watch.simulator import answers
from runway_watch.simulator.faulty import faulty
from runway_watch.simulator.gate import STUDIO, WORLD, Handler, json_body, refuse
from runway_watch.simulator.references import check_media, check_together
from runway_watch.simulator.schema import Endpoint, Json, endpoints
from runway_watch.simulator.validate import validate
from runway_watch.simulator.workflows import nodes_of
from runway_watch.simulator.world import DailyLimitError, NoCreditsError

NO_CREDITS = "You do not have enough credits to run this task."
DAILY = "You have reached the daily task limit for this model."


def add_routes(app: web.Application) -> None:
    """A POST route for every endpoint that makes tasks."""
    for route, endpoint in endpoints().items():
        app.router.add_post(route, _handler(endpoint))


def _handler(endpoint: Endpoint) -> Handler:
    async def facts(request: web.Request) -> Mapping[str, Any]:
        body = await json_body(request)
        model = None if isinstance(body, web.Response) else endpoint.queue(body)
        return {"endpoint": endpoint.route, "model": model}

    @faulty("create", facts)
    async def create(request: web.Request, deed: Json) -> web.StreamResponse:
        return await _create(request, endpoint, deed)

    return create


async def _create(request: web.Request, endpoint: Endpoint, deed: Json) -> web.Response:
    world = request.app[WORLD]
    body = await json_body(request)
    if isinstance(body, web.Response):
        return body
    if endpoint.kind == "workflow" and not _is_uuid(request.match_info["id"]):
        return refuse(404, "Workflow not found.")
    branch, found = validate(endpoint, body)
    uploads = check_media(found, world.library.find)
    if branch:
        check_together(found, body, branch.params)
    if found.issues or branch is None:
        return refuse(400, "Validation of body failed", issues=found.issues)
    try:
        task = world.create(endpoint, branch, body, uploads, deed)
    except NoCreditsError:
        return refuse(400, NO_CREDITS)
    except DailyLimitError:
        return web.json_response({"error": DAILY}, status=429)
    if endpoint.kind == "workflow":
        task.nodes = nodes_of(request.match_info["id"])
        task.outputs, task.node_error = len(task.nodes), deed.get("node_error")
    request.app[STUDIO].prepare(task)
    return web.json_response(answers.of_create(task))


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
