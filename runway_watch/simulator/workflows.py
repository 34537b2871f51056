"""The stand-in's workflows: every id is one, and each has the same two nodes that make a file. Pure."""

import uuid
from collections.abc import Mapping, Sequence

from runway_watch.simulator.schema import Json

NAMES = ("Draft", "Final cut")
"""What the author of every workflow called its nodes."""


def nodes_of(workflow: str) -> Mapping[str, str]:
    """The nodes of a workflow, id to name. Raises ValueError for an id that can be none."""
    return {str(uuid.uuid5(uuid.UUID(workflow), name)): name for name in NAMES}


def description(workflow: str) -> Json:
    """What `GET /v1/workflows/{id}` answers."""
    nodes = [{"id": node, "name": name} for node, name in nodes_of(workflow).items()]
    return {"id": workflow, "name": "A workflow", "version": 1, "graph": {"nodes": nodes, "edges": []}}


def results(nodes: Mapping[str, str], urls: Sequence[str], trouble: str | None) -> Json:
    """What the nodes of a run have made: a URL each, unless the last one is in trouble."""
    made = dict(zip(nodes, ([url] for url in urls), strict=True))
    if trouble is None or not made:
        return {"output": made}
    last, name = list(nodes.items())[-1]
    del made[last]
    return {"output": made, "nodeErrors": {last: {"message": trouble, "nodeName": name}}}
