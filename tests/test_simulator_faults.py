"""The simulator made to fail: what the client sees, and what was carried out all the same."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runway_watch.simulator import Settings, Simulator
from tests.threaded import in_thread

BODY = {"model": "gen4_image", "promptText": "x", "ratio": "1280:720"}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with in_thread(Settings(seconds=0.0, film_seconds=0.5)) as simulator:
        yield simulator


@pytest.fixture
def api(sim: Simulator) -> Iterator[httpx.Client]:
    headers = {"X-Runway-Version": "2024-11-06", "Authorization": f"Bearer {sim.key}"}
    with httpx.Client(base_url=sim.base_url, headers=headers, timeout=5) as client:
        yield client


def fault(api: httpx.Client, on: str, do: Any, **more: Any) -> None:
    answer = api.post("/_simulator/faults", json=[{"on": on, "do": do, **more}])
    assert answer.status_code == 200, answer.text


def create(api: httpx.Client) -> httpx.Response:
    return api.post("/v1/text_to_image", json=BODY)


def paid(api: httpx.Client) -> int:
    return int(api.get("/_simulator/bill").json()["paid"])


def output_url(api: httpx.Client) -> str:
    return str(api.get(f"/v1/tasks/{create(api).json()['id']}").json()["output"][0])


def test_a_status_before_the_work_costs_nothing(api: httpx.Client) -> None:
    fault(api, "create", {"status": 503, "headers": {"Retry-After": "3"}})
    answer = create(api)
    assert (answer.status_code, answer.headers["Retry-After"], paid(api)) == (503, "3", 0)
    assert (create(api).status_code, paid(api)) == (200, 1)


def test_a_reset_before_the_work_costs_nothing_and_one_after_it_does(api: httpx.Client) -> None:
    fault(api, "create", {"reset_before": True})
    with pytest.raises(httpx.TransportError):
        create(api)
    assert paid(api) == 0
    fault(api, "create", {"reset_after": True})
    with pytest.raises(httpx.TransportError):
        create(api)
    assert paid(api) == 1


def test_a_status_after_the_work_hides_a_paid_task(api: httpx.Client) -> None:
    fault(api, "create", {"status_after": 502, "body": "<h1>Bad gateway</h1>"})
    answer = create(api)
    assert (answer.status_code, answer.headers["content-type"], paid(api)) == (502, "text/html", 1)


def test_answers_can_be_garbage_or_lack_their_id(api: httpx.Client) -> None:
    fault(api, "create", {"garbage": True})
    assert create(api).headers["content-type"].startswith("text/html")
    fault(api, "create", {"no_id": True})
    assert create(api).json() == {"estimatedCost": {"credits": 5}}
    fault(api, "create", {"merge": {"id": 17}})
    assert create(api).json()["id"] == 17
    fault(api, "create", {"truncate": 9})
    with pytest.raises(httpx.RemoteProtocolError):
        create(api)
    assert paid(api) == 4


def test_a_stall_outlasts_the_client_and_the_work_is_done_or_not(api: httpx.Client) -> None:
    fault(api, "create", {"stall_after": 60})
    with pytest.raises(httpx.ReadTimeout):
        api.post("/v1/text_to_image", json=BODY, timeout=0.3)
    assert paid(api) == 1
    fault(api, "create", {"stall": 60})
    with pytest.raises(httpx.ReadTimeout):
        api.post("/v1/text_to_image", json=BODY, timeout=0.3)
    assert paid(api) == 1


@pytest.mark.parametrize(
    ("code", "cost"), [("INTERNAL.BAD_OUTPUT.CODE01", 0), ("SAFETY.INPUT.TEXT", 5), (None, 0)]
)
def test_a_task_fails_with_its_code_and_only_a_refused_input_is_charged(
    api: httpx.Client, code: str | None, cost: int
) -> None:
    fault(api, "create", {"fail_task": code})
    answer = api.get(f"/v1/tasks/{create(api).json()['id']}").json()
    assert (answer["status"], answer.get("failureCode"), answer["cost"]["credits"]) == ("FAILED", code, cost)
    bill = api.get("/_simulator/bill").json()
    assert (bill["charged"], bill["balance"], bill["tasks"][0]["outputs"]) == (cost, 100_000 - cost, [])


def test_a_task_can_be_answered_with_any_status(api: httpx.Client) -> None:
    task = create(api).json()["id"]
    for status in ("THROTTLED", "CANCELLED", "CANCELED", "WEIRD", "RUNNING"):
        fault(api, "task", {"task_status": status})
        assert api.get(f"/v1/tasks/{task}").json()["status"] == status
    fault(api, "task", {"empty_output": True})
    assert api.get(f"/v1/tasks/{task}").json()["output"] == []
    fault(api, "task", {"status": 404}, match={"task": task})
    assert api.get(f"/v1/tasks/{task}").status_code == 404
    assert api.get("/_simulator/bill").json()["tasks"][0]["polls"] == 7


def test_an_output_cut_short_shows_by_its_length_but_not_without_one(api: httpx.Client) -> None:
    url = output_url(api)
    whole = httpx.get(url).content
    fault(api, "output", {"truncate": 100})
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    fault(api, "output", {"truncate": True, "chunked": True})
    cut = httpx.get(url)
    assert (cut.status_code, "content-length" in cut.headers) == (200, False)
    assert cut.content == whole[: len(whole) // 2]
    fault(api, "output", {"status": 200, "body_base64": "", "headers": {"Content-Type": "video/mp4"}})
    assert httpx.get(url).content == b""
    assert httpx.get(url).content == whole


def test_an_output_drips_byte_by_byte(api: httpx.Client) -> None:
    url = output_url(api)
    fault(api, "output", {"drip": 0.01})
    with httpx.stream("GET", url) as answer:
        pieces = answer.iter_raw()
        first = [len(next(pieces)) for _ in range(3)]
    assert max(first) < 10


def test_an_upload_is_cut_in_the_middle_and_its_slot_is_spent(sim: Simulator, api: httpx.Client) -> None:
    fault(api, "upload_form", {"reset_at": 1_000_000})
    slot = api.post("/v1/uploads", json={"filename": "a.mp4", "type": "ephemeral"}).json()
    film = b"\0\0\0\x20ftypisom" + b"\0" * 8_000_000

    def send() -> httpx.Response:
        return httpx.post(
            slot["uploadUrl"], data=slot["fields"], files={"file": ("a.mp4", film, "video/mp4")}
        )

    with pytest.raises(httpx.TransportError):
        send()
    assert send().status_code == 403
    assert list(sim.world.folder.iterdir()) == []


def test_rules_can_be_narrowed_listed_and_cleared(api: httpx.Client) -> None:
    fault(api, "create", {"status": 500}, match={"model": "gen4.5"}, times=None)
    fault(api, "*", {"status": 502}, after=1)
    assert create(api).status_code == 200
    assert [rule["hits"] for rule in api.get("/_simulator/faults").json()] == [0, 0]
    assert api.get("/v1/organization").status_code == 502
    assert api.delete("/_simulator/faults").status_code == 204
    assert api.get("/_simulator/faults").json() == []
    assert api.post("/_simulator/faults", json=[{"on": "nowhere", "do": {}}]).status_code == 400
