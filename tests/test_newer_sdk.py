"""A newer SDK is served as it is: a copy of the installed one with a model more, and not a line of ours less.

Everything runs in processes of their own that find the newer SDK first.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import runwayml

from tests.forked import REPOSITORY
from tests.harness import KEY, Runway, Site, picture
from tests.test_api_loopback import Seen, loopback, raw
from tests.test_api_wire import FIELDS, TASK

ADDED = """

class Gen9Frame(TypedDict, total=False):
    uri: Required[str]
    held_seconds: Annotated[float, PropertyInfo(alias="heldSeconds")]


class Gen9(TypedDict, total=False):
    model: Required[Literal["gen9", "gen9_fast"]]
    prompt_image: Required[Annotated[Iterable[Gen9Frame], PropertyInfo(alias="promptImage")]]
    prompt_text: Required[Annotated[str, PropertyInfo(alias="promptText")]]
    ratio: Required[Literal["1000:1000", "1600:900"]]
    duration: Required[Literal[3, 8]]
    cfg_scale: Annotated[float, PropertyInfo(alias="cfgScale")]


"""
UNION = "ImageToVideoCreateParams: TypeAlias = Union[\n"
SIDECAR = b'model = "gen9_fast"\nprompt_text = "x"\ncfg_scale = 0.5\n'


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds the newer SDK."""
    folder = tmp_path_factory.mktemp("sdk")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(runwayml.__file__).parent, folder / "runwayml", ignore=ignored)
    module = folder / "runwayml/types/image_to_video_create_params.py"
    before, union, after = module.read_text().partition(UNION)
    module.write_text(f"{before}{ADDED}{union}    Gen9,\n{after}")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": f"{folder}:{REPOSITORY}", "RUNWAYML_API_SECRET": KEY}


def python(
    *words: str, environment: dict[str, str], at: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, env=environment, cwd=at, capture_output=True, text=True, timeout=100)


def test_its_models_are_sent_as_its_client_sends_them(newer: dict[str, str]) -> None:
    oracle = ["pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/test_oracle.py", "-k", "image_to_video"]
    now, then = (python(*oracle, environment=each).stdout for each in (os.environ | {"CI": ""}, newer))
    assert ", 25 endpoint/model branches of 1 endpoints" in now
    assert ", 27 endpoint/model branches of 1 endpoints" in then


async def like_runway(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """A Runway that knows the model, makes a picture of whatever it is asked, and keeps nothing."""
    here = f"http://{seen.headers['host']}"
    answers = {
        "/v1/uploads": {"uploadUrl": f"{here}/storage", "fields": FIELDS, "runwayUri": "runway://cat"},
        "/v1/image_to_video": {"id": TASK, "estimatedCost": {"credits": 7}},
        f"/v1/tasks/{TASK}": {"status": "SUCCEEDED", "output": [f"{here}/out"], "cost": {"credits": 7}},
        "/v1/organization": {"creditBalance": 1000, "tier": {"models": {}}, "usage": {"models": {}}},
    }
    body = picture() if seen.path == "/out" else json.dumps(answers.get(seen.path, {})).encode()
    writer.write(raw(200, body, "Content-Type: application/json", "Connection: close"))
    await writer.drain()


def test_its_model_runs_from_a_drop(newer: dict[str, str], tmp_path: Path) -> None:
    async def work() -> list[Seen]:
        async with loopback(like_runway) as server:
            site = Site(tmp_path, Runway(server.url, KEY))
            site.put("cat.png", picture((640, 360)))
            site.put("cat.prompt.toml", SIDECAR)
            where = ("--config", str(site.config))
            plan = await asyncio.to_thread(python, "runway_watch", "plan", *where, environment=newer)
            assert "gen9_fast  unknown, 204 credits kept ready" in plan.stdout
            words = ("runway_watch", "run", "--once", *where)
            done = await asyncio.to_thread(python, *words, environment=newer)
            assert done.returncode == 0, done.stderr
            result = site.record("done", "cat.result.toml")
            assert (result["credits"], result["generation"][0]["outputs"]) == (7, ["cat.out.png"])
            return server.seen

    (sent,) = [json.loads(seen.body) for seen in asyncio.run(work()) if seen.path == "/v1/image_to_video"]
    assert sent == {
        "model": "gen9_fast",
        "promptText": "x",
        "cfgScale": 0.5,
        "promptImage": [{"uri": "runway://cat"}],
        "ratio": "1600:900",
        "duration": 3,
    }


def test_without_it_the_model_is_not_served(newer: dict[str, str], tmp_path: Path) -> None:
    site = Site(tmp_path, Runway("http://127.0.0.1:9", KEY))
    site.put("cat.png", picture())
    site.put("cat.prompt.toml", SIDECAR)
    words = ("runway_watch", "plan", "--config", str(site.config))
    told = python(*words, environment=newer | {"PYTHONPATH": str(REPOSITORY)})
    assert "'gen9_fast' is not served" in told.stdout
