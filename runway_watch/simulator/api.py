"""The API's routes for uploads, tasks and the account."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from runway_watch.simulator import answers
from runway_watch.simulator.faulty import faulty
from runway_watch.simulator.gate import UPLOAD_ORIGIN, WORLD, json_body, refuse
from runway_watch.simulator.issues import issue, utf16_units
from runway_watch.simulator.media import kind_of
from runway_watch.simulator.schema import Json, all_models
from runway_watch.simulator.task import Task
from runway_watch.simulator.workflows import description

MONTHLY = 1_000_000  # credits that may be bought in a month; nothing depends on it


async def nothing(request: web.Request) -> Mapping[str, Any]:
    """For places whose requests have no model."""
    return {}


async def task_facts(request: web.Request) -> Mapping[str, Any]:
    """The model and endpoint of the task in the path."""
    task = request.app[WORLD].tasks.get(request.match_info["id"])
    return {"model": task.queue, "endpoint": task.route, "task": task.id} if task else {}


def add_routes(app: web.Application) -> None:
    """Everything but the creates, which stand in `creates.py`."""
    app.router.add_post("/v1/uploads", _open_upload)
    app.router.add_get("/v1/tasks/{id}", _get_task, allow_head=False)
    app.router.add_delete("/v1/tasks/{id}", _delete_task)
    app.router.add_get("/v1/workflow_invocations/{id}", _get_task, allow_head=False)
    app.router.add_get("/v1/workflows/{id}", _workflow, allow_head=False)
    app.router.add_get("/v1/organization", _organization, allow_head=False)


@faulty("upload_slot", nothing)
async def _open_upload(request: web.Request, _: Json) -> web.StreamResponse:
    body = await json_body(request)
    if isinstance(body, web.Response):
        return body
    issues = _upload_issues(body)
    if issues:
        return refuse(400, "Validation of body failed", issues=issues)
    slot = request.app[WORLD].library.open_slot(body["filename"])
    url = f"{request.app[UPLOAD_ORIGIN][0]}/upload/{slot.token}"
    return web.json_response({"uploadUrl": url, "fields": slot.fields, "runwayUri": slot.uri})


def _upload_issues(body: Json) -> list[Json]:
    found = []
    name = body.get("filename")
    if not isinstance(name, str):
        found.append(issue("invalid_type", ("filename",), "Required", expected="string"))
    elif not 3 <= utf16_units(name) <= 255:
        found.append(issue("too_big", ("filename",), "The file name must have 3 to 255 characters"))
    elif kind_of(name) is None:
        found.append(issue("custom", ("filename",), "The file name must have a supported media extension"))
    if body.get("type") != "ephemeral":
        found.append(issue("invalid_literal", ("type",), "Invalid literal value, expected 'ephemeral'"))
    unknown = sorted(body.keys() - {"filename", "type"})
    if unknown:
        found.append(issue("unrecognized_keys", (), "Unrecognized key(s) in object", keys=unknown))
    return found


async def _get_task(request: web.Request) -> web.StreamResponse:
    """A poll counts even when it is made to fail."""
    world = request.app[WORLD]
    now = world.advance()
    task = _asked(request)
    if task:
        task.polls.append(now)
    return await _answer_task(request)


def _asked(request: web.Request) -> Task | None:
    workflow = request.path.startswith("/v1/workflow_invocations/")
    return request.app[WORLD].find(request.match_info["id"], workflow=workflow)


@faulty("task", task_facts)
async def _answer_task(request: web.Request, deed: Json) -> web.StreamResponse:
    task = _asked(request)
    request.app[WORLD].advance()  # a stall may have passed since the poll arrived
    return web.json_response(answers.of_task(request, task, deed)) if task else refuse(404, "Not found.")


@faulty("delete", task_facts)
async def _delete_task(request: web.Request, _: Json) -> web.StreamResponse:
    world = request.app[WORLD]
    task = world.find(request.match_info["id"])
    if task is None:
        return refuse(404, "Not found.")
    world.delete(task)
    return web.Response(status=204)


async def _workflow(request: web.Request) -> web.StreamResponse:
    try:
        return web.json_response(description(request.match_info["id"]))
    except ValueError:
        return refuse(404, "Workflow not found.")


@faulty("organization", nothing)
async def _organization(request: web.Request, _: Json) -> web.StreamResponse:
    world = request.app[WORLD]
    world.advance()
    limits = {
        model: {
            "maxConcurrentGenerations": world.limit("concurrency", model),
            "maxDailyGenerations": world.limit("daily", model),
        }
        for model in all_models()
    }
    today = world.today()
    used = {model: {"dailyGenerations": today[model]} for model in limits}
    tier = {"maxMonthlyCreditSpend": MONTHLY, "models": limits}
    return web.json_response({"creditBalance": world.balance, "tier": tier, "usage": {"models": used}})
