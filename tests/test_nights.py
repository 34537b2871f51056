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
        begun = len(site.runway.bill()["tasks"])
        daemon.looks(4)
        assert len(site.runway.bill()["tasks"]) == begun < 40
        assert site.counts()["done"] <= begun  # only what could still be fetched
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
    began = daemon.events("hold.began")[0]["timestamp"]
    before = [line for line in daemon.events("job.held") if line["timestamp"] <= began]
    assert len(before) <= 12  # eleven slots, and a probe: what fails makes no room for another
    assert site.counts().get("held", 0) <= 20  # and one each time that the short pause has doubled
    site.verify()


def test_an_outage_of_which_nobody_is_left_to_see_the_end_is_over(site: Site) -> None:
    site.runway.fault("create", {"status": 502}, times=None)
    drop_stills(site, 6)
    with site.daemon():
        eventually(lambda: site.counts() == {"held": 6})
        eventually(lambda: holds(site) == {})
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


# -- found by looking for trouble ------------------------------------------------------------------------


def test_an_account_that_cannot_be_looked_at_stops_nothing(site: Site) -> None:
    site.runway.fault("organization", {"status": 500}, times=None)
    with site.daemon() as daemon:
        eventually(lambda: site.runway.hits()[0] >= 8)  # long before there is anything to do
        drop_stills(site, 3)
        site.drop("film.png")
        site.reaches(done=4)
        assert daemon.stop() == 0
    site.verify()


def test_while_polls_fail_there_is_one_outage_and_it_ends_with_them(site: Site) -> None:
    site.runway.fault("task", {"status": 502}, times=None)
    drop_stills(site, 4)
    with site.daemon() as daemon:
        eventually(lambda: "outage" in holds(site))
        daemon.looks(6)
        assert len(daemon.events("hold.began")) == 1
        site.runway.well()
        site.reaches(done=4)
        eventually(lambda: holds(site) == {})
    site.verify()


@pytest.mark.parametrize("asked", ["3600", "86400"])
def test_an_outage_ends_soon_after_its_end_whatever_was_asked_for_in_it(site: Site, asked: str) -> None:
    drop_stills(site, 8)
    with site.daemon():
        eventually(lambda: site.counts().get("running"))
        for place in ("task", "organization", "upload_slot"):
            site.runway.fault(place, {"status": 503, "headers": {"Retry-After": asked}}, times=None)
        eventually(lambda: "outage" in holds(site))
        site.runway.well()
        site.reaches(seconds=45, done=8)
    site.verify()


def test_a_hold_ends_when_the_job_that_it_was_about_is_cancelled(site: Site) -> None:
    site.runway.change(credits=2 * STILL)
    with site.daemon():
        site.drop("film.png")
        eventually(lambda: "credits" in holds(site))
        drop_stills(site, 2)
        eventually(lambda: sum(site.counts().values()) == 3)
        assert site.cli("cancel", str(site.root / "processing/film.png")).returncode == 0
        site.reaches(cancelled=1, done=2)
        eventually(lambda: holds(site) == {})
    site.verify()


def test_jobs_that_no_day_can_pay_for_take_no_place_from_the_others(site: Site) -> None:
    site.runway.change(concurrency=1)
    set_up(site, budget={"credits_per_day": 100})
    with site.daemon():
        for n in range(5):
            site.drop(f"dear {n}.png", text="duration = 10")  # 120 credits
        eventually(lambda: len(told(site)["holds"]) >= 3)
        site.drop("cheap.png")
        eventually(lambda: site.counts().get("done") == 1)
    assert site.files("failed") == []
    site.verify()


def test_what_is_urgent_is_paid_for_first_whatever_its_model(site: Site) -> None:
    set_up(site, budget={"credits_per_day": 1})
    with site.daemon() as daemon:
        drop_stills(site, 1)
        site.drop("urgent.png", text="[job]\npriority = 100")
        eventually(lambda: len(told(site)["holds"]) == 2)  # both lie at Runway, and no day can pay for them
        assert daemon.stop() == 0
    set_up(site, budget={"credits_per_day": FILM})
    with site.daemon():
        eventually(lambda: site.counts() == {"done": 1, "uploading": 1})
        assert "urgent.out.mp4" in site.files("done")
    site.verify()


def test_the_evidence_of_a_doubt_names_what_other_jobs_were_begun(site: Site) -> None:
    site.runway.change(credits=10_000, seconds=2.0)
    site.runway.fault("create", {"reset_after": True}, match={"model": "gen4.5"})
    drop_stills(site, 2)
    with site.daemon():
        eventually(lambda: site.counts() == {"running": 2})
        site.drop("cat.png")
        eventually(lambda: "balance_after" in held(site))
        record = held(site)
        fell = record["balance_before"] - record["balance_after"]
        assert (record["code"], fell) == ("submit.uncertain", FILM + record["other_credits"])
        assert record["generations_after"] - record["generations_before"] == 1
        assert (record["other_calls"], record["other_credits"]) in [(0, 0), (1, STILL), (2, 2 * STILL)]


def held(site: Site) -> dict[str, Any]:
    there = "cat.held.toml" in site.files("processing")
    return site.record("processing", "cat.held.toml") if there else {}


def test_downloads_that_fail_for_long_are_waited_for_and_nothing_more_is_bought_in_heaps(site: Site) -> None:
    site.runway.fault("output", {"status": 503}, times=None)
    drop_stills(site, 30)
    with site.daemon() as daemon:
        eventually(lambda: any(hold["scope"] == "downloads" for hold in told(site)["holds"]))
        bought = len(site.runway.bill()["tasks"])
        daemon.looks(4)
        assert len(site.runway.bill()["tasks"]) <= bought + 12  # what was on its way, and a few single ones
        site.runway.well()
        site.reaches(done=30)
        eventually(lambda: holds(site) == {})
    assert site.files("failed") == []
    site.verify()


@pytest.mark.parametrize("place", ["upload_form", "output"])
def test_a_storage_that_is_away_costs_a_single_job_time_and_nothing_else(site: Site, place: str) -> None:
    site.configure(sweep=0.5)
    site.runway.fault(place, {"status": 503}, times=None)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.runway.hits()[0] >= 15)  # attempts, sweeps and all
        site.runway.well()
        site.reaches(done=1)
        assert daemon.events("job.failed") == []
    site.verify()
