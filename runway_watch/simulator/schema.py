"""What Runway takes: the published models, from the data file. One answer per endpoint and model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Json = dict[str, Any]

# Which model a router picks is Runway's affair; one that exists will do.
ROUTED = {
    "/v1/generate/video": "gen4.5",
    "/v1/generate/image": "gen4_image",
    "/v1/generate/audio": "eleven_v3",
}


@dataclass(frozen=True)
class Branch:
    """One set of parameters: an endpoint for one model, or one mode of an endpoint that has no models."""

    label: str
    params: Json
    strict: bool  # refuses unknown keys; the older models swallow them
    credits: Json | None

    @property
    def model(self) -> str | None:
        """The model's id, or None where the endpoint has no `model` parameter."""
        return self.label if "model" in self.params else None


@dataclass(frozen=True)
class Endpoint:
    """One POST that makes a task."""

    route: str
    branches: Mapping[str, Branch]
    kind: str  # what comes out: video, image, audio or workflow

    @property
    def models(self) -> list[str]:
        """The accepted ids; empty where there is no `model` parameter."""
        return [branch.label for branch in self.branches.values() if branch.model]

    def queue(self, body: Json) -> str:
        """The name under which generations of this body share their limits."""
        model = body.get("model") if self.models else ROUTED.get(self.route)
        return str(model or self.route.removeprefix("/v1/"))


@cache
def endpoints() -> Mapping[str, Endpoint]:
    """Every create endpoint by its route, from the package's data file."""
    text = resources.files("runway_watch").joinpath("catalogue", "runway-models.json").read_text("utf-8")
    return {
        route: _endpoint(route, entry)
        for route, entry in json.loads(text).items()
        if route.startswith("/v1/")
    }


def all_models() -> list[str]:
    """Every model id, once, in the order of the data file."""
    return list(dict.fromkeys(model for endpoint in endpoints().values() for model in endpoint.models))


def _endpoint(route: str, entry: Json) -> Endpoint:
    branches = {label: _branch(label, spec) for label, spec in entry["models"].items()}
    made = entry["filesOut"][0].split()[0]
    return Endpoint(route, branches, "workflow" if made == "per" else made)


def _branch(label: str, spec: Json) -> Branch:
    # A model newer than the snapshot says nothing about unknown keys; the newer ones refuse them.
    strict = spec.get("rejectsUnknownKeys") is not False
    return Branch(label, spec["params"], strict, spec.get("credits"))
