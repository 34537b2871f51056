"""What stands before every handler: counting, the key, the version header, errors in the API's own form."""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from runway_watch.simulator.schema import Json
from runway_watch.simulator.settings import API_VERSION
from runway_watch.simulator.studio import Studio
from runway_watch.simulator.world import World

WORLD = web.AppKey("world", World)
STUDIO = web.AppKey("studio", Studio)
OUTPUT_ORIGIN = web.AppKey("output_origin", list[str])  # one entry, known once the port is bound
UPLOAD_ORIGIN = web.AppKey("upload_origin", list[str])

DOCS = "https://docs.dev.runwayml.com/"
REFUSED_KEPT = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refuse(status: int, error: str, **more: Any) -> web.Response:
    """An answer in the shape of the API's errors."""
    return web.json_response({"error": error, **more, "docUrl": DOCS}, status=status)


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request; keep what was refused and why."""
    record = request.app[WORLD].record
    record.requests[f"{request.method} {_route(request)}"] += 1
    response = await handler(request)
    if (
        400 <= response.status < 500
        and isinstance(response, web.Response)
        and len(record.refused) < REFUSED_KEPT
    ):
        entry = {"method": request.method, "path": request.path, "status": response.status}
        record.refused.append({**entry, "error": response.text})
    return response


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """404, 405 and 413 with a JSON body, as the API answers them."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        answer = refuse(error.status, error.reason)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


@web.middleware
async def authorised(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The key and the version header, on everything below /v1/."""
    if request.path.startswith("/_simulator/"):
        return await handler(request)
    key = str(request.app[WORLD].account["key"])
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {key}".encode()):
        return refuse(401, "The API key that you provided is incorrect.")
    if request.headers.get("X-Runway-Version") != API_VERSION:
        return refuse(400, f"The X-Runway-Version header is missing or not supported; send {API_VERSION}.")
    return await handler(request)


def leaks_key(request: web.Request) -> bool:
    """Whether a request to another origin carries what only the API may see."""
    key = str(request.app[WORLD].account["key"])
    return "Authorization" in request.headers or any(key in value for value in request.headers.values())


async def json_body(request: web.Request) -> Json | web.Response:
    """The JSON object in a request, or the answer that says why there is none."""
    if request.content_type != "application/json":
        return refuse(400, "Expected a JSON body with Content-Type: application/json.")
    try:
        body = json.loads(await request.read(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return refuse(400, "The request body is not valid JSON.")
    return body if isinstance(body, dict) else refuse(400, "The request body must be a JSON object.")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")  # Python's reader would take NaN and Infinity


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else request.path
