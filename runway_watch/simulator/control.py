"""Routes below /_simulator/ for tests and rehearsals; they are no part of the real API and need no key."""

import json
from typing import Any

from aiohttp import web

from runway_watch.simulator.bill import bill
from runway_watch.simulator.faults import parse_rule
from runway_watch.simulator.gate import STUDIO, WORLD
from runway_watch.simulator.outputs import is_finished, respond


def add_routes(app: web.Application) -> None:
    """The bill, the faults, the account and the outputs."""
    app.router.add_get("/_simulator/bill", _bill)
    app.router.add_get("/_simulator/faults", _list_faults)
    app.router.add_post("/_simulator/faults", _add_faults)
    app.router.add_delete("/_simulator/faults", _clear_faults)
    app.router.add_post("/_simulator/set", _set)
    app.router.add_get("/_simulator/outputs/{id}/{index:\\d+}", _output)


async def _bill(request: web.Request) -> web.Response:
    world, studio = request.app[WORLD], request.app[STUDIO]
    world.advance()
    for task in [task for task in world.tasks.values() if is_finished(task)]:
        await studio.output(task, 0)  # off the loop, so that polls go on while a bill waits for films
    return web.json_response(bill(world, studio))


async def _list_faults(request: web.Request) -> web.Response:
    rules = request.app[WORLD].faults.rules
    return web.json_response(
        [{"on": rule.on, "do": rule.do, "met": rule.met, "hits": rule.hits} for rule in rules]
    )


async def _add_faults(request: web.Request) -> web.Response:
    try:
        given: Any = await request.json()
        rules = [parse_rule(raw) for raw in (given if isinstance(given, list) else [given])]
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    request.app[WORLD].faults.rules += rules
    return web.json_response({"rules": len(request.app[WORLD].faults.rules)})


async def _clear_faults(request: web.Request) -> web.Response:
    request.app[WORLD].faults.rules.clear()
    return web.Response(status=204)


async def _set(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    try:
        world.change(json.loads(await request.read()))
    except (ValueError, AttributeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"creditBalance": world.balance})


async def _output(request: web.Request) -> web.Response:
    task = request.app[WORLD].tasks.get(request.match_info["id"])
    index = int(request.match_info["index"])
    if task is None or index >= task.outputs:
        raise web.HTTPNotFound
    return respond(await request.app[STUDIO].output(task, index))
