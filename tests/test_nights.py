"""Nights that nobody watches: the account, the key, the API or the budget ends in the middle of a batch.

In each of them no file fails, `status` names what holds the work and how it ends, and work goes on by itself.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import KEY, Runway, Site, eventually, sidecar, simulator, unique

OTHER_KEY = "key_" + "e" * 128
STILL = 8  # credits for a picture of gen4_image in 1080p
FILM = 60  # credits for 5 s of gen4.5
TEXT = 'model = "gen4_image"\nratio = "1920:1080"\n[job]\noperation = "text_to_image"'


@pytest.fixture
def runway() -> Iterator[Runway]:
    with simulator(concurrency=10, seconds=0.2) as stand_in:
        yield stand_in


@pytest.fixture
def site(runway: Runway, tmp_path: Path) -> Site:
    return Site(tmp_path, runway)


def set_up(site: Site, **tables: dict[str, Any]) -> None:
    """Add settings to the configuration."""
    site.configure()
    with site.config.open("a") as file:
        for table, values in tables.items():
            file.write(f"[{table}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()))


def drop_stills(site: Site, count: int) -> None:
    for n in range(count):
        site.put(f"still {n:03}.prompt.toml", sidecar(unique(), TEXT))


def holds(site: Site) -> dict[str, dict[str, Any]]:
    """What `status` says of holds, by their reasons."""
    return {hold["reason"]: hold for hold in told(site)["holds"]}


def told(site: Site) -> dict[str, Any]:
    said = site.cli("status", "--json")
    assert said.returncode == 0, said.stderr
    status: dict[str, Any] = json.loads(said.stdout)
    return status


def charged(site: Site) -> int:
    return sum(task["credits"] or 0 for task in site.runway.bill()["tasks"])


def test_an_account_that_runs_empty_holds_what_is_left_until_credits_are_bought(site: Site) -> None:
    site.runway.change(credits=40 * STILL)
    drop_stills(site, 100)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done") == 40 and "credits" in holds(site), seconds=60)
        hold = holds(site)["credits"]
        assert "buy credits" in hold["message"]
        assert told(site)["credits"] | {"cap": 0} == {"today": 320, "reserved": 0, "cap": 0, "balance": 0}
        assert (site.files("failed"), site.counts()["done"]) == ([], 40)
        site.runway.change(credits=10_000)
        site.reaches(done=100)
        eventually(lambda: holds(site) == {})
        assert [line["code"] for line in daemon.events("hold.began")] == ["credits"]
        assert [line["code"] for line in daemon.events("hold.ended")] == ["credits"]
        assert daemon.stop() == 0
    assert charged(site) == 100 * STILL
    site.verify()


def test_a_refusal_for_lack_of_credits_holds_too_where_the_price_was_not_foreseen(site: Site) -> None:
    refusal = {"error": "You do not have enough credits to run this task."}
    site.runway.fault("create", {"status": 400, "body": refusal}, times=None)
    drop_stills(site, 3)
    with site.daemon() as daemon:
        eventually(lambda: "credits" in holds(site))
        asked = site.runway.hits()[0]
        daemon.looks(5)
        assert site.runway.hits()[0] == asked <= 2  # nobody asks again as long as the balance is the same
        site.runway.well()
        site.runway.change(credits=20_000_000)
        site.reaches(done=3)
    assert site.files("failed") == []
    site.verify()


def test_a_key_that_is_revoked_for_a_while_costs_time_but_no_file(site: Site) -> None:
    drop_stills(site, 40)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done", 0) >= 5)
        site.runway.change(key=OTHER_KEY)
        eventually(lambda: "credentials" in holds(site))
        assert "key" in holds(site)["credentials"]["message"]
        before = site.counts()
        daemon.looks(4)
        assert site.counts()["done"] - before["done"] <= 10  # only what could still be fetched
        site.runway.change(key=KEY)
        site.reaches(done=40)
        eventually(lambda: holds(site) == {})
    assert site.files("failed") == []
    site.verify()


def test_a_new_key_in_its_file_is_taken_up_while_the_daemon_runs(site: Site) -> None:
    key = site.base / "key"
    key.write_text(OTHER_KEY)
    key.chmod(0o600)
    site.config.write_text(site.config.read_text().replace("[api]\n", f'[api]\nkey_file = "{key}"\n'))
    drop_stills(site, 3)
    with site.daemon(RUNWAYML_API_SECRET=""):
        eventually(lambda: "credentials" in holds(site))
        key.write_text(KEY)
        site.reaches(done=3)
    site.verify()


@pytest.mark.parametrize("where", ["*", "create"])
def test_an_api_that_answers_502_is_waited_for_and_little_of_it_is_left_in_doubt(
    site: Site, where: str
) -> None:
    drop_stills(site, 40)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done", 0) >= 5)
        site.runway.fault(where, {"status": 502}, times=None)
        eventually(lambda: "outage" in holds(site))
        daemon.looks(4)
        assert "outage" in holds(site) or where == "create"
        site.runway.well()
        eventually(lambda: not set(site.counts()) - {"done", "held"}, seconds=60, what="the end of it")
        eventually(lambda: holds(site) == {})
        assert daemon.stop() == 0
    assert site.files("failed") == []
    assert site.counts().get("held", 0) <= 15
    site.verify()


def test_a_full_day_of_a_model_holds_that_model_alone(site: Site) -> None:
    site.runway.change(daily={"gen4_image": 6})
    drop_stills(site, 10)
    with site.daemon():
        eventually(lambda: "daily_limit" in holds(site))
        site.drop("film.png")
        eventually(lambda: site.counts().get("done") == 7)
        assert holds(site)["daily_limit"]["scope"] == "gen4_image"
        site.runway.change(daily={"gen4_image": 100})
        site.reaches(done=11)
        eventually(lambda: holds(site) == {})
    assert site.files("failed") == []
    site.verify()


def test_a_429_without_a_full_day_is_only_waited_out(site: Site) -> None:
    site.runway.fault("create", {"status": 429}, times=12)
    drop_stills(site, 5)
    with site.daemon() as daemon:
        site.reaches(done=5)
        assert daemon.events("hold.began") == []
    assert site.files("failed") == []
    site.verify()


def test_a_days_budget_ends_before_it_is_passed_and_goes_on_when_there_is_more(site: Site) -> None:
    set_up(site, budget={"credits_per_day": 10 * STILL + 5})
    drop_stills(site, 20)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done") == 10 and "budget" in holds(site))
        assert holds(site)["budget"]["until"] is not None
        assert told(site)["credits"]["cap"] == 85
        assert site.files("failed") == []
        assert daemon.stop() == 0
    assert charged(site) == 10 * STILL
    set_up(site, budget={"credits_per_day": 1000})
    assert site.cli("run", "--once").returncode == 0
    assert (site.counts(), charged(site)) == ({"done": 20}, 20 * STILL)
    site.verify()


@pytest.mark.parametrize("kills", [0, 8])
def test_a_thousand_credits_a_day_are_never_passed_at_fifty_in_parallel(
    runway: Runway, tmp_path: Path, kills: int
) -> None:
    runway.change(concurrency=50, seconds=1.0)
    site = Site(tmp_path, runway)
    set_up(site, budget={"credits_per_day": 1000}, schedule={"timezone": "UTC"})
    for n in range(200):
        site.drop(f"film {n:03}.png")
    chance = random.Random(7)
    for _ in range(kills):
        with site.daemon() as daemon:
            eventually(lambda log=daemon.log: "daemon.started" in log.read_text())  # type: ignore[misc]
            calls = len(runway.bill()["tasks"]) + chance.randint(0, 3)
            eventually(lambda calls=calls: len(runway.bill()["tasks"]) >= min(calls, 12))  # type: ignore[misc]
            daemon.kill()
    with site.daemon() as daemon:
        eventually(lambda: "budget" in holds(site) and not site.counts().keys() & {"running", "collecting"})
        assert daemon.stop() == 0
    paid = charged(site)
    assert paid <= 1000
    assert paid + FILM * site.counts().get("held", 0) >= 960
    if not kills:
        assert (paid, site.counts()["done"], site.files("failed")) == (960, 16, [])
    site.verify()


def test_outside_the_window_nothing_new_begins_and_what_runs_comes_to_its_end(site: Site) -> None:
    site.runway.change(seconds=2.0)
    drop_stills(site, 3)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("running") == 3)
        assert daemon.stop() == 0
    drop_stills(site, 2)
    set_up(site, schedule={"window": closed_now(), "timezone": "UTC"})
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"done": 3, "ready": 2})
        assert holds(site)["window"]["until"] is not None
        assert [job["code"] for job in told(site)["jobs"] if job["state"] == "ready"] == ["window"] * 2
        assert daemon.stop() == 0
    site.verify()


def closed_now() -> str:
    """A window that opens in ten hours, for an hour."""
    from runway_watch import clock

    hour = (clock.as_utc(clock.now()).hour + 10) % 24
    return f"{hour:02}:00-{(hour + 1) % 24:02}:00"


def test_refusals_in_a_row_stop_everything_until_a_person_says_so(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.runway.fault("create", {"fail_task": "SAFETY.INPUT.TEXT"}, times=5)
    drop_stills(site, 8)
    with site.daemon() as daemon:
        eventually(lambda: "moderation" in holds(site))
        assert "resume" in holds(site)["moderation"]["message"]
        daemon.looks(3)
        assert site.counts().get("failed") == 5
        assert "done" not in site.counts()
        assert site.cli("resume").returncode == 0
        site.reaches(done=3, failed=5)
        assert holds(site) == {}
    assert site.record("failed", site.files("failed")[0])["charged"] == "yes"
    site.verify()


def test_pause_and_resume_act_within_a_second_and_survive_a_restart(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("daemon.started"))
        assert site.cli("pause").returncode == 0
        eventually(lambda: "paused" in holds(site), seconds=2)
        drop_stills(site, 2)
        eventually(lambda: site.counts() == {"ready": 2})
        assert daemon.stop() == 0
    assert "paused" in holds(site)
    assert site.cli("run", "--once").returncode == 1
    assert site.counts() == {"ready": 2}
    assert site.cli("resume").returncode == 0  # with no daemon running
    assert holds(site) == {}
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 2}
    site.verify()


def test_a_job_dearer_than_a_day_may_be_is_passed_by_and_named(site: Site) -> None:
    set_up(site, budget={"credits_per_day": 50})
    site.drop("film.png")  # 60 credits
    drop_stills(site, 3)
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done") == 3)
        [hold] = told(site)["holds"]
        [job] = [job for job in told(site)["jobs"] if job["state"] != "done"]
        assert (hold["reason"], hold["scope"]) == ("budget", job["job"])
        assert daemon.stop() == 0
    assert site.files("failed") == []
    site.verify()
