"""Something on the way answers in Runway's place: what it says costs time, and no file and no money."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from runway_watch import clock
from runway_watch.api import Api
from runway_watch.api.waits import LONGEST_WAIT
from runway_watch.config import PollSettings, RetrySettings
from runway_watch.decide import decide, pace
from runway_watch.errors import TurnedAway
from runway_watch.job import Generation, Later, Never, Outcome, State
from runway_watch.stages.poll import poll
from runway_watch.stages.trouble import LONGEST_FREE_WAIT, outcome_of
from tests.forked import run
from tests.harness import Runway, Site, eventually
from tests.samples import job
from tests.test_api_loopback import KEY, Script, always, loopback, raw

PAGE = "<html><h1>404 Not Found</h1>nginx</html>"
DAY = {"Retry-After": "86400"}


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    return Site(tmp_path, stand_in)


@pytest.mark.parametrize(
    ("place", "status"), [("upload_slot", 404), ("create", 404), ("create", 413), ("task", 404)]
)
def test_a_gateway_that_knows_no_way_costs_time_and_no_file(site: Site, place: str, status: int) -> None:
    site.runway.fault(place, {"status": status, "body": PAGE}, times=None)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.runway.hits()[0] >= 6, what="many answers of the gateway")
        assert site.files("failed") == []
        site.runway.well()
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_page_in_place_of_a_paid_answer_leaves_a_doubt(site: Site, status: int) -> None:
    site.runway.fault("create", {"status_after": status, "body": PAGE})
    site.drop("cat.png")
    assert run(site, "run", "--once") == 1
    assert (site.counts(), len(site.paid())) == ({"held": 1}, 1)
    record = site.record("processing", "cat.held.toml")
    assert (record["code"], record["http_status"]) == ("submit.uncertain", status)
    site.verify()


def test_runways_own_refusal_of_a_request_is_final(site: Site) -> None:
    site.runway.fault("create", {"status": 404})
    site.drop("cat.png")
    assert run(site, "run", "--once") == 1
    assert (site.counts(), site.paid()) == ({"failed": 1}, [])
    assert site.record("failed", "cat.error.toml")["code"] == "api.rejected"


def test_a_page_at_the_outputs_addresses_stops_what_is_new_and_ends_nothing(site: Site) -> None:
    for n in range(3):
        site.drop(f"{n}.png")
    with site.daemon() as daemon:
        site.runway.fault("output", {"garbage": True}, times=None)
        eventually(lambda: site.rows("SELECT reason FROM holds WHERE ended_at IS NULL") == [("outage",)])
        site.runway.well()
        site.reaches(done=3)
        assert daemon.stop() == 0
    assert len(site.paid()) == 3
    site.verify()


# -- a task that Runway itself no longer knows -----------------------------------------------------------


def lost(state: State, *, jitter: float) -> float:
    """Seconds from the first 404 to the one after which a task is called lost, as the settings come."""
    call = Generation("j", 1, state, task_id="1-2-3")
    forgotten = always(raw(404, b'{"error":"Not found."}'))
    waited = 0.0
    while not isinstance(outcome := asyncio.run(asked(call, forgotten)), Never):
        assert isinstance(outcome, Later)
        if state is State.RUNNING:
            outcome = pace(call, outcome, usual=None, looks=(), poll=PollSettings(), now=0.0)
        changes = decide(call, outcome, retry=RetrySettings(), now=0.0, jitter=jitter).changes
        waited += changes["due_at"]
        call = replace(call, attempt=changes["attempt"], reason=changes["reason"])
    assert outcome.verdict.code == "task.lost"
    return waited


async def asked(call: Generation, script: Script) -> Outcome:
    async with loopback(script) as server, Api(base_url=server.url, key=KEY) as api:
        return await poll(job(), call, api=api)


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("state", [State.RUNNING, State.COLLECTING])
def test_a_paid_task_is_called_lost_after_ten_minutes_at_the_soonest(state: State, jitter: float) -> None:
    assert 600 <= lost(state, jitter=jitter) <= 4000


def test_a_page_among_the_answers_begins_the_count_anew() -> None:
    call = Generation("j", 1, State.RUNNING, task_id="1-2-3", attempt=8, reason="not_found")
    page = asyncio.run(asked(call, always(raw(404, PAGE.encode()))))
    assert isinstance(page, Later)
    assert (page.reason, page.counts) == ("unavailable", False)
    call = replace(call, reason=page.reason)
    again = asyncio.run(asked(call, always(raw(404, b'{"error":"Not found."}'))))
    assert isinstance(again, Later)
    assert again.facts["attempt"] == 1


# -- how long it may ask us to wait ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 500, 404])
def test_a_day_of_waiting_is_kept_for_what_is_paid_and_minutes_for_what_is_free(status: int) -> None:
    call = Generation("j", 1, State.RUNNING, task_id="1-2-3")
    outcome = asyncio.run(asked(call, always(raw(status, PAGE.encode(), "Retry-After: 86400"))))
    assert isinstance(outcome, Later)
    assert outcome.after == LONGEST_FREE_WAIT
    paid = outcome_of(TurnedAway("no", status=503, retry_after=86_400.0), stage="submit", paid=True)
    assert isinstance(paid, Later)
    assert paid.after == LONGEST_WAIT


def test_a_slot_that_is_turned_away_for_a_day_is_asked_for_within_minutes(site: Site) -> None:
    site.runway.fault("upload_slot", {"status": 429, "headers": DAY})
    site.drop("cat.png")
    with site.daemon() as daemon:
        query = "SELECT due_at FROM generations WHERE reason = 'rate_limited'"
        [(due,)] = eventually(lambda: site.rows(query))
        assert due <= clock.now() + LONGEST_FREE_WAIT
        assert daemon.stop() == 0
