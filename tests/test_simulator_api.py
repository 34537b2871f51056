"""The simulator over HTTP: what it refuses, what it makes, what it charges, and when."""

import hashlib
import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from runway_watch.simulator import Settings, Simulator
from tests.threaded import in_thread

HEADERS = {"X-Runway-Version": "2024-11-06"}


def png(width: int = 640, height: int = 480, colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png()


@dataclass
class Rehearsal:
    """A stand-in, two clients and a clock that only the test moves."""

    sim: Simulator
    api: httpx.Client
    plain: httpx.Client
    moment: list[float] = field(default_factory=lambda: [1_800_000_000.0])

    def later(self, seconds: float) -> None:
        self.moment[0] += seconds

    def slot(self, name: str = "a.png") -> Any:
        answer = self.api.post("/v1/uploads", json={"filename": name, "type": "ephemeral"})
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() == {"uploadUrl", "fields", "runwayUri"}
        return answer.json()

    def fill(self, slot: Any, data: bytes, name: str = "a.png", **more: Any) -> httpx.Response:
        files = {"file": (name, data, "application/octet-stream")}
        return self.plain.post(slot["uploadUrl"], data=slot["fields"], files=files, **more)

    def upload(self, data: bytes = PICTURE, name: str = "a.png") -> str:
        slot = self.slot(name)
        answer = self.fill(slot, data, name)
        assert answer.status_code == 204, answer.text
        return str(slot["runwayUri"])

    def try_create(self, route: str = "text_to_image", **body: Any) -> httpx.Response:
        usual = (
            {"model": "gen4_image", "promptText": "x", "ratio": "1280:720"}
            if route == "text_to_image"
            else {}
        )
        return self.api.post(f"/v1/{route}", json={**usual, **body})

    def create(self, route: str = "text_to_image", **body: Any) -> str:
        answer = self.try_create(route, **body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def film(self, uri: str, **body: Any) -> str:
        usual = {"model": "gen4.5", "promptText": "x", "ratio": "720:1280", "duration": 5}
        return self.create("image_to_video", promptImage=uri, **{**usual, **body})

    def task(self, task_id: str) -> Any:
        return self.api.get(f"/v1/tasks/{task_id}").json()

    def statuses(self, *ids: str) -> list[str]:
        return [self.task(task_id)["status"] for task_id in ids]

    def bill(self) -> Any:
        return self.plain.get(f"{self.sim.base_url}/_simulator/bill").json()

    def change(self, **changes: Any) -> httpx.Response:
        return self.plain.post(f"{self.sim.base_url}/_simulator/set", json=changes)


@contextmanager
def rehearsing(settings: Settings) -> Iterator[Rehearsal]:
    moment = [1_800_000_000.0]
    with in_thread(replace(settings, film_seconds=0.5), clock=lambda: moment[0]) as sim:
        headers = {**HEADERS, "Authorization": f"Bearer {sim.key}"}
        with httpx.Client(base_url=sim.base_url, headers=headers) as api, httpx.Client() as plain:
            yield Rehearsal(sim, api, plain, moment)


@pytest.fixture
def stage() -> Iterator[Rehearsal]:
    with rehearsing(Settings(concurrency=2, credits=1000)) as rehearsal:
        yield rehearsal


# --- who may ask, and how


def test_the_three_origins_are_three_ports_on_loopback(stage: Rehearsal) -> None:
    urls = [stage.sim.base_url, stage.sim.upload_url, stage.sim.output_url]
    assert len(set(urls)) == 3
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer key_" + "1" * 128}, 401),
        ({"X-Runway-Version": ""}, 400),
        ({"X-Runway-Version": "2023-01-01"}, 400),
    ],
)
def test_a_wrong_key_or_version_is_refused_everywhere(
    stage: Rehearsal, headers: dict[str, str], status: int
) -> None:
    for method, path in [("GET", "/v1/organization"), ("POST", "/v1/uploads"), ("DELETE", "/v1/tasks/x")]:
        answer = stage.api.request(method, path, headers=headers)
        assert (answer.status_code, set(answer.json())) == (status, {"error", "docUrl"})


def test_a_body_must_be_json_by_name_and_by_nature(stage: Rehearsal) -> None:
    typed = {"Content-Type": "application/json"}
    for content, headers in [
        (b"{}", {"Content-Type": "text/plain"}),
        (b"{", typed),
        (b"[]", typed),
        (b'{"a":NaN}', typed),
    ]:
        answer = stage.api.post("/v1/text_to_image", content=content, headers=headers)
        assert (answer.status_code, "issues" in answer.json()) == (400, False)


def test_a_wrong_method_is_405_and_an_unknown_path_404(stage: Rehearsal) -> None:
    assert stage.api.get("/v1/image_to_video").status_code == 405
    assert stage.api.put("/v1/uploads").status_code == 405
    assert stage.api.get("/v1/nothing").status_code == 404
    assert stage.api.get(f"/v1/tasks/{uuid.uuid4()}").status_code == 404


# --- uploads


@pytest.mark.parametrize(
    "body",
    [
        {"filename": "a.gif", "type": "ephemeral"},
        {"filename": "a.png"},
        {"filename": "a.png", "type": "permanent"},
        {"filename": "a.png", "type": "ephemeral", "contentType": "image/png"},
        {"filename": "x" * 252 + ".png", "type": "ephemeral"},
        {"filename": 3, "type": "ephemeral"},
        {"type": "ephemeral"},
    ],
)
def test_a_slot_is_refused_for_a_wrong_request(stage: Rehearsal, body: Any) -> None:
    answer = stage.api.post("/v1/uploads", json=body)
    assert (answer.status_code, len(answer.json()["issues"])) == (400, 1)


def test_an_upload_is_recorded_byte_for_byte_and_works_for_a_day(stage: Rehearsal) -> None:
    uri = stage.upload()
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert stage.bill()["uploads"] == [
        {"uri": uri, "filename": "a.png", "sha256": digest, "size": len(PICTURE)}
    ]
    stage.film(uri)
    stage.later(86_399)
    stage.film(uri)
    stage.later(1)
    refused = stage.try_create(
        "image_to_video", model="gen4.5", promptText="x", promptImage=uri, ratio="1280:720", duration=5
    )
    assert (refused.status_code, refused.json()["issues"][0]["path"]) == (400, ["promptImage"])


def test_a_slot_works_once_even_after_a_failed_try(stage: Rehearsal) -> None:
    slot = stage.slot()
    assert stage.fill(slot, PICTURE).status_code == 204
    assert stage.fill(slot, PICTURE).status_code == 403
    failed = stage.slot()
    assert stage.fill(failed, b"\x89PNG\r\n\x1a\n").status_code == 400
    assert stage.fill(failed, PICTURE).status_code == 403
    assert stage.try_create(referenceImages=[{"uri": failed["runwayUri"]}]).status_code == 400


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", PICTURE[:511]),
        ("a.jpg", PICTURE.ljust(600, b"\0")),
        ("a.mp4", b"\0" * 600),
    ],
)
def test_a_file_must_be_big_enough_and_what_it_says(stage: Rehearsal, name: str, data: bytes) -> None:
    answer = stage.fill(stage.slot(name), data, name)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/xml; charset=utf-8")
    assert stage.bill()["uploads"] == []


def form(fields: list[tuple[str, str]], *, at: int, data: bytes = PICTURE) -> tuple[bytes, dict[str, str]]:
    """A multipart body with the file in the place that is asked for."""
    head = '--edge\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    parts = [head.format(name, "").encode() + value.encode() for name, value in fields]
    parts.insert(at, head.format("file", '; filename="a.png"').encode() + data)
    body = b"\r\n".join(parts) + b"\r\n--edge--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=edge"}


def test_the_file_comes_last_in_the_form_and_every_field_before_it(stage: Rehearsal) -> None:
    verdicts = []
    for place in range(6):
        slot = stage.slot()
        content, headers = form(list(slot["fields"].items()), at=place)
        verdicts.append(stage.plain.post(slot["uploadUrl"], content=content, headers=headers).status_code)
    assert verdicts == [403, 403, 403, 403, 403, 204]


def test_fields_are_exact_and_no_others_come_with_them(stage: Rehearsal) -> None:
    verdicts = []
    for changes in ({"policy": "mine"}, {"acl": "public"}, {"metadata": "from the SDK"}):
        slot = stage.slot()
        content, headers = form([*{**slot["fields"], **changes}.items()], at=9)
        verdicts.append(stage.plain.post(slot["uploadUrl"], content=content, headers=headers).status_code)
    slot = stage.slot()
    trailing, headers = form(list(slot["fields"].items()), at=5)
    trailing = trailing.replace(
        b"--edge--", b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--edge--'
    )
    verdicts.append(stage.plain.post(slot["uploadUrl"], content=trailing, headers=headers).status_code)
    assert verdicts == [403, 403, 204, 400]


def test_the_other_origins_refuse_whoever_brings_the_key(stage: Rehearsal) -> None:
    leak = {"Authorization": f"Bearer {stage.sim.key}"}
    assert stage.fill(stage.slot(), PICTURE, headers=leak).status_code == 400
    task = stage.create()
    stage.later(10)
    (url,) = stage.task(task)["output"]
    assert stage.plain.get(url, headers=leak).status_code == 400
    assert stage.plain.get(url, headers={"X-Key": stage.sim.key}).status_code == 400
    assert stage.plain.get(url).status_code == 200


def test_a_form_without_a_length_is_refused_as_object_stores_do(stage: Rehearsal) -> None:
    slot = stage.slot()
    content, headers = form(list(slot["fields"].items()), at=5)
    assert stage.plain.post(slot["uploadUrl"], content=iter([content]), headers=headers).status_code == 411


# --- creates


@pytest.mark.parametrize(
    ("sides", "model", "message"),
    [
        (
            (462, 1000),
            "gen4.5",
            "Invalid asset aspect ratio. width / height ratio must be at least 0.5. Got 0.462.",
        ),
        (
            (2010, 1000),
            "gen4.5",
            "Invalid asset aspect ratio. width / height ratio must be at most 2. Got 2.010.",
        ),
        (
            (290, 290),
            "happyhorse_1_0",
            "Invalid asset dimensions. Each side must be at least 300 px. Got 290.",
        ),
    ],
)
def test_a_picture_of_the_wrong_shape_is_refused(
    stage: Rehearsal, sides: tuple[int, int], model: str, message: str
) -> None:
    body = {"model": model, "promptImage": stage.upload(png(*sides))}
    more = {"promptText": "x", "ratio": "1280:720", "duration": 5} if model == "gen4.5" else {}
    answer = stage.try_create("image_to_video", **body, **more)
    assert answer.status_code == 400
    assert answer.json()["issues"] == [{"code": "custom", "path": ["promptImage"], "message": message}]


def test_an_upload_of_another_kind_is_refused(stage: Rehearsal) -> None:
    sound = stage.upload(b"ID3" + b"\0" * 600, "a.mp3")
    answer = stage.try_create(referenceImages=[{"uri": sound}])
    assert answer.json()["issues"][0]["path"] == ["referenceImages", 0, "uri"]


def test_all_problems_come_together_and_cost_nothing(stage: Rehearsal) -> None:
    answer = stage.api.post("/v1/image_to_video", json={"model": "gen4.5", "duration": 1, "ratio": "4:3"})
    assert (answer.status_code, set(answer.json())) == (400, {"error", "issues", "docUrl"})
    assert {issue["path"][0] for issue in answer.json()["issues"]} == {
        "duration",
        "ratio",
        "promptText",
        "promptImage",
    }
    bill = stage.bill()
    assert (bill["paid"], bill["balance"], len(bill["refused"])) == (0, 1000, 1)


def test_creates_are_answered_in_the_three_shapes(stage: Rehearsal) -> None:
    plain = stage.try_create().json()
    assert (uuid.UUID(plain.pop("id")).version, plain) == (4, {"estimatedCost": {"credits": 5}})
    routed = stage.try_create("generate/image", configId="mine", input={"promptText": "x"}).json()
    assert (set(routed), routed["routing"]["model"]) == ({"id", "routing"}, "gen4_image")
    avatar = {"type": "runway-preset", "presetId": "cat-character"}
    body = {"model": "gwm1_avatars", "avatar": avatar, "speech": {"type": "text", "text": "hello"}}
    assert set(stage.try_create("avatar_videos", **body).json()) == {"id"}


def test_a_workflow_answers_with_urls_by_node(stage: Rehearsal) -> None:
    workflow = uuid.uuid4()
    run = stage.create(f"workflows/{workflow}", nodeOutputs={})
    assert stage.api.get(f"/v1/tasks/{run}").status_code == 404
    assert stage.api.delete(f"/v1/workflow_invocations/{run}").status_code == 405
    stage.later(5)
    assert stage.api.get(f"/v1/workflow_invocations/{run}").json()["output"] == {}
    stage.later(5)
    output = stage.api.get(f"/v1/workflow_invocations/{run}").json()["output"]
    graph = stage.api.get(f"/v1/workflows/{workflow}").json()["graph"]
    assert list(output) == [node["id"] for node in graph["nodes"]]
    ((url,), _) = output.values()
    assert stage.plain.get(url).headers["content-type"] == "video/mp4"
    assert stage.try_create("workflows/mine").status_code == 404
    assert stage.api.get("/v1/workflows/mine").status_code == 404


# --- time, order and money


def test_a_task_goes_through_its_statuses_with_the_keys_of_each(stage: Rehearsal) -> None:
    task = stage.create()
    seen = []
    for wait in (0, 1, 5, 4):
        stage.later(wait)
        answer = stage.task(task)
        seen.append(
            (
                answer["status"],
                answer.get("progress"),
                set(answer) - {"id", "status", "createdAt", "progress"},
            )
        )
    assert seen == [
        ("PENDING", None, {"estimatedCost"}),
        ("RUNNING", 0.0526, {"estimatedCost"}),
        ("RUNNING", 0.5789, {"estimatedCost"}),
        ("SUCCEEDED", None, {"output", "cost"}),
    ]
    assert stage.task(task)["createdAt"] == "2027-01-15T08:00:00.000Z"


def test_more_than_the_concurrency_is_throttled_and_starts_in_order_of_submission(stage: Rehearsal) -> None:
    tasks = [stage.create(seed=number) for number in range(5)]
    assert stage.statuses(*tasks) == ["PENDING", "PENDING", "THROTTLED", "THROTTLED", "THROTTLED"]
    stage.later(15)
    assert stage.statuses(*tasks) == ["SUCCEEDED", "SUCCEEDED", "RUNNING", "RUNNING", "THROTTLED"]
    stage.later(85)
    bill = stage.bill()
    begin = bill["tasks"][0]["created_at"]
    assert [task["started_at"] - begin for task in bill["tasks"]] == [0, 0, 10, 10, 20]
    assert [task["ended_at"] - begin for task in bill["tasks"]] == [10, 10, 20, 20, 30]
    assert [task["polls"] for task in bill["tasks"]] == [2] * 5
    assert (bill["max_concurrent"], bill["max_waiting"], bill["paid"], bill["charged"]) == (2, 3, 5, 25)


def test_credits_are_reserved_when_a_task_is_made_and_settled_when_it_ends(stage: Rehearsal) -> None:
    stage.create(
        "text_to_video", model="seedance2", promptText="x", duration="auto"
    )  # 15 s reserved, 5 s used
    assert stage.api.get("/v1/organization").json()["creditBalance"] == 1000 - 540
    stage.later(10)
    assert stage.api.get("/v1/organization").json()["creditBalance"] == 1000 - 180
    assert stage.bill()["charged"] == 180


def test_without_credits_nothing_is_made(stage: Rehearsal) -> None:
    stage.change(credits=4)
    answer = stage.try_create()
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "You do not have enough credits to run this task.",
    )
    stage.change(credits=5)
    assert stage.try_create().status_code == 200
    assert stage.bill()["paid"] == 1


def test_the_daily_limit_is_a_429_until_a_day_has_passed(stage: Rehearsal) -> None:
    stage.change(daily={"gen4_image": 1})
    stage.create()
    answer = stage.try_create()
    assert (answer.status_code, set(answer.json())) == (429, {"error"})
    account = stage.api.get("/v1/organization").json()
    limits = {"maxConcurrentGenerations": 2, "maxDailyGenerations": 1}
    assert account["tier"]["models"]["gen4_image"] == limits
    assert account["usage"]["models"]["gen4_image"] == {"dailyGenerations": 1}
    stage.later(86_400)
    assert stage.try_create().status_code == 200


def test_the_account_changes_at_run_time(stage: Rehearsal) -> None:
    tasks = [stage.create(seed=number) for number in range(4)]
    assert stage.change(concurrency=3).json() == {"creditBalance": 980}
    assert stage.statuses(*tasks) == ["PENDING", "PENDING", "PENDING", "THROTTLED"]
    stage.change(key="key_" + "2" * 128)
    assert stage.api.get("/v1/organization").status_code == 401
    assert stage.change(kredits=3).status_code == 400


def test_a_deleted_task_is_gone_and_what_it_had_not_begun_is_refunded(stage: Rehearsal) -> None:
    done = stage.create()
    stage.later(10)
    (url,) = stage.task(done)["output"]
    running, _, throttled = (stage.create(seed=number) for number in range(3))
    for task in (throttled, running, done):
        assert stage.api.delete(f"/v1/tasks/{task}").status_code == 204
        assert stage.api.delete(f"/v1/tasks/{task}").status_code == 404
        assert stage.api.get(f"/v1/tasks/{task}").status_code == 404
    assert stage.plain.get(url).status_code == 404
    bill = {task["id"]: (task["status"], task["credits"]) for task in stage.bill()["tasks"]}
    assert [bill[task] for task in (throttled, running, done)] == [
        ("CANCELLED", 0),
        ("CANCELLED", 5),
        ("SUCCEEDED", 5),
    ]


# --- outputs


def test_a_film_is_made_from_the_picture_and_each_task_has_bytes_of_its_own(stage: Rehearsal) -> None:
    uri = stage.upload(png(colour="red"))
    tasks = [stage.film(uri), stage.film(uri)]
    stage.later(10)
    films = [stage.plain.get(stage.task(task)["output"][0]) for task in tasks]
    assert films[0].content != films[1].content
    for task, film in zip(stage.bill()["tasks"], films, strict=True):
        assert int(film.headers["content-length"]) == len(film.content)
        assert task["outputs"] == [
            {"sha256": hashlib.sha256(film.content).hexdigest(), "size": len(film.content)}
        ]
        assert (
            stage.plain.get(f"{stage.sim.base_url}/_simulator/outputs/{task['id']}/0").content == film.content
        )
    with av.open(io.BytesIO(films[0].content), "r") as opened:
        frame = next(opened.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
    red, green, blue = frame.getpixel((180, 320))
    assert (frame.size, red > 200, green < 60, blue < 60) == ((360, 640), True, True, True)


def test_pictures_come_in_the_number_format_and_shape_that_was_asked_for(stage: Rehearsal) -> None:
    task = stage.create(model="seedream5_pro", ratio="1024:1024", outputFormat="jpeg", outputCount=3)
    stage.later(10)
    urls = stage.task(task)["output"]
    bodies = {stage.plain.get(url).content for url in urls}
    assert len(bodies) == len(urls) == 3
    for body in bodies:
        with Image.open(io.BytesIO(body)) as image:
            assert (image.format, image.size) == ("JPEG", (1024, 1024))


def test_an_output_url_expires_and_the_task_gives_a_fresh_one() -> None:
    with rehearsing(Settings(seconds=0.0, url_lifetime=60.0)) as stage:
        task = stage.create()
        (old,) = stage.task(task)["output"]
        assert stage.plain.get(old).status_code == 200
        stage.later(60)
        (fresh,) = stage.task(task)["output"]
        assert [stage.plain.get(url).status_code for url in (old, fresh, fresh.split("?")[0])] == [
            403,
            200,
            403,
        ]
