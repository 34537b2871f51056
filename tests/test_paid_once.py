"""What is paid for is neither paid again, nor lost, nor misjudged, whatever happens around it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forked import KILLED, run
from tests.harness import Site, eventually, picture, sidecar, simulator, unique
from tests.killing import Kill

ONCE = ("run", "--once")
CUT = {"on": "output", "do": {"truncate": True}, "times": None}
"""No output comes whole."""

LOST = {"reset_after": True}
TWO = "seed = 7\n[job]\nvariations = 2\n"
REFERS = (
    'ratio = "1920:1080"\n[[reference_images]]\nuri = "file:_refs/style.png"\ntag = "style"\n'
    '[job]\noperation = "text_to_image"\n'
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with simulator() as runway:
        yield Site(tmp_path, runway)


def tasks(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.runway.bill()["tasks"]
    return found


def states(site: Site) -> list[str]:
    return [state for (state,) in site.rows("SELECT state FROM generations ORDER BY job, n")]


def parts(site: Site) -> list[str]:
    """Outputs that have no final name yet."""
    return sorted(path.name for path in (site.root / "processing").glob(".*.part"))


def put(site: Site, name: str, content: bytes, text: bytes) -> None:
    site.put(f"{name}.prompt.toml", text)
    site.put(f"{name}.png", content)


def unfetched(site: Site, content: bytes | None = None, text: bytes | None = None) -> None:
    """Have a drop in failed/ whose result is paid for, and could not be fetched."""
    site.runway.faults([CUT])
    put(site, "cat", content or picture(), text or sidecar(unique()))
    assert run(site, *ONCE) == 1
    site.runway.well()


def cancelled_while_running(site: Site, generations: int) -> str:
    """Cancel the only job when so many of its generations run at Runway. Returns its id."""
    running = "SELECT count(*) FROM generations WHERE status = 'RUNNING'"
    eventually(lambda: site.rows(running) == [(generations,)], what="they run")
    [(job,)] = site.rows("SELECT id FROM jobs")
    site.cli("cancel", job)
    site.reaches(cancelled=1)
    return str(job)


def lose(site: Site) -> None:
    for file in site.ledger.parent.glob("ledger.sqlite3*"):
        file.unlink()


def swept(site: Site, *, settings: str = "") -> None:
    """Let the retry sweep bring everything back."""
    site.configure(sweep=0.2)
    site.config.write_text(site.config.read_text() + settings)
    with site.daemon() as daemon:
        site.reaches(done=len(site.rows("SELECT id FROM jobs")))
        assert daemon.stop() == 0


# -- the sweep -----------------------------------------------------------------------------------------------


def test_a_default_that_is_changed_for_later_drops_has_no_sweep_pay_again(site: Site) -> None:
    default = site.root / "inbox/_folder.prompt.toml"
    default.write_text("duration = 5\n")
    unfetched(site)
    default.write_text("duration = 8\n")
    swept(site)
    assert [task["body"]["duration"] for task in tasks(site)] == [5]


def test_a_reference_that_is_replaced_has_no_sweep_pay_again(site: Site) -> None:
    style = site.root / "inbox/_refs/style.png"
    style.parent.mkdir()
    style.write_bytes(picture())
    site.runway.faults([CUT])
    site.put("cat.prompt.toml", sidecar(unique("@style"), REFERS))
    assert run(site, *ONCE) == 1
    site.runway.well()
    style.write_bytes(picture())
    swept(site)
    assert len(tasks(site)) == 1


def test_a_cap_that_is_lowered_keeps_nobody_from_fetching_what_is_paid_for(site: Site) -> None:
    unfetched(site)
    swept(site, settings="[budget]\ncredits_per_job = 50\n")
    assert len(tasks(site)) == 1


def test_a_sidecar_may_name_its_own_picture_under_whatever_name_it_was_filed(site: Site) -> None:
    text = 'prompt_image = "file:cat.png"\n'
    unfetched(site, text=sidecar(unique(), text))
    unfetched(site, text=sidecar(unique(), text))
    assert "cat (2).png" in site.files("failed")
    swept(site)
    assert len(tasks(site)) == 2


def test_a_person_may_put_back_to_work_what_names_its_own_picture_and_was_filed_under_another_name(
    site: Site,
) -> None:
    site.runway.fault("create", {"status": 400}, times=2)
    for _ in range(2):
        put(site, "cat", picture(), sidecar(unique(), 'prompt_image = "file:cat.png"\n'))
        assert run(site, *ONCE) == 1
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 2}
    site.verify()


def test_what_was_filed_under_a_safer_name_is_judged_by_that_one_at_a_retry(site: Site) -> None:
    put(site, "ca\x1bt", picture(), sidecar(unique()))
    assert run(site, *ONCE) == 1
    assert site.counts() == {"failed": 1}
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 1}
    site.verify()


# -- retried, moved back, dropped again ----------------------------------------------------------------------


def test_what_is_padded_is_known_again_at_every_retry(site: Site) -> None:
    tables = "".join(f'[[variation]]\nratio = "{ratio}"\n' for ratio in ("1280:720", "720:1280"))
    padded = f'model = "gen4_turbo"\n[job]\nfit = "pad"\n{tables}'
    site.runway.faults([CUT])
    for _ in range(2):  # the second lies in failed/ as "cat (2)"
        put(site, "cat", picture((400, 400)), sidecar(unique(), padded))
        assert run(site, *ONCE) == 1
    for _ in range(2):
        assert run(site, "retry", "--all") == 0
        run(site, *ONCE)
    assert len(tasks(site)) == 4


@pytest.mark.parametrize(
    ("point", "fault", "times"),
    [("create", {"fail_task": "SAFETY.INPUT.IMAGE"}, 1), ("task", {"status": 404}, 30)],
    ids=["refused by the moderation", "lost"],
)
def test_files_that_leave_a_job_one_of_whose_generations_was_paid_for_go_back_to_it(
    site: Site, point: str, fault: dict[str, Any], times: int
) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    plain = site.config.read_text()
    site.config.write_text(plain + "[budget]\ncredits_per_day = 100\n")
    site.runway.fault(point, fault, times=times)
    site.drop("cat.png", text=TWO)
    with site.daemon() as daemon:
        eventually(lambda: "retiring" in states(site), what="one has failed, the other waits for the budget")
        site.runway.well()
        site.back_to_inbox("processing", *site.files("processing"))
        eventually(lambda: len(daemon.events("job.accepted")) == 2, what="it goes on")
        assert daemon.stop() == 0
    site.config.write_text(plain)
    run(site, *ONCE)
    assert sorted(task["body"]["seed"] for task in tasks(site)) == [7, 8]


def test_the_same_drop_fetches_the_result_that_another_one_could_not(site: Site) -> None:
    content, text = picture(), sidecar(unique())
    unfetched(site, content, text)
    put(site, "cat", content, text)
    assert "0 credits" in site.cli("plan").stdout
    assert run(site, *ONCE) == 0
    assert len(tasks(site)) == 1
    site.verify()


def test_the_same_drop_runs_for_itself_when_what_another_one_could_not_fetch_is_gone(site: Site) -> None:
    content, text = picture(), sidecar(unique(), TWO)
    unfetched(site, content, text)
    put(site, "cat", content, text)
    site.runway.fault("task", {"status": 404}, times=None)
    with site.daemon() as daemon:
        eventually(lambda: len(tasks(site)) > 2 or site.counts() == {"failed": 2}, what="it goes on")
        site.runway.well()
        eventually(lambda: len(states(site)) == len([s for s in states(site) if s in ("done", "failed")]))
        assert daemon.stop() == 0
    site.verify()


# -- filing --------------------------------------------------------------------------------------------------


def test_what_vanished_before_it_was_filed_and_cannot_be_fetched_begins_anew(site: Site) -> None:
    content, text = picture(), sidecar(unique())
    put(site, "cat", content, text)
    assert run(site, *ONCE) == 0
    put(site, "dog", content, text)
    assert run(site, *ONCE, kill=Kill("aim", "after")) == KILLED
    for name in parts(site):
        (site.root / "processing" / name).unlink()
    (site.root / "done/cat.out.mp4").unlink()
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 2}
    assert len(tasks(site)) == 2


def test_one_output_that_vanished_costs_no_other(site: Site) -> None:
    site.drop("cat.png", text=TWO)
    assert run(site, *ONCE, kill=Kill("aim", "before")) == KILLED
    (site.root / "processing" / parts(site)[1]).unlink()
    site.runway.fault("task", {"status": 404}, times=None)  # Runway keeps it no longer
    assert run(site, *ONCE) == 0
    assert "cat.out.mp4" in site.files("done")
    assert site.record("done", "cat.result.toml")["failed"]


def test_a_kill_between_one_that_goes_alone_and_the_share_of_its_sibling_pays_for_one(site: Site) -> None:
    content, text = picture(), sidecar(unique(), TWO)
    put(site, "cat", content, text)
    assert run(site, *ONCE) == 0
    (site.root / "done/cat.out-1.mp4").rename(site.base / "taken.mp4")
    put(site, "dog", content, text)
    assert run(site, *ONCE, kill=Kill("move", "before", ("collecting", "collected"))) == KILLED
    assert run(site, *ONCE) == 0
    assert len(tasks(site)) == 3


# -- money ---------------------------------------------------------------------------------------------------


def test_what_was_charged_for_a_generation_that_is_no_more_stays_charged(site: Site) -> None:
    site.configure(in_flight=4, submit_ahead=0)
    site.runway.change(seconds=5)
    prompt = unique()
    site.put("cat.png", picture())
    tables = "[[variation]]\nseed = 7\nduration = 5\n[[variation]]\nseed = 8\nduration = 10\n"
    site.put("cat.prompt.toml", sidecar(prompt, tables))
    with site.daemon() as daemon:
        job = cancelled_while_running(site, 2)
        site.mend(site.root / "failed/cat.prompt.toml", sidecar(prompt, "seed = 7\nduration = 5\n"))
        site.cli("retry", job)
        site.reaches(done=1)
        assert daemon.stop() == 0
    eventually(lambda: all(task["credits"] is not None for task in tasks(site)), what="both have ended")
    [(committed,)] = site.rows("SELECT sum(coalesce(credits, reserved)) FROM charges")
    assert committed >= sum(task["credits"] for task in tasks(site)) == 180


def test_sending_again_what_is_in_doubt_stays_below_the_caps_of_a_job(site: Site) -> None:
    site.configure(uncertain="resubmit")
    site.runway.fault("create", LOST, times=1)
    site.drop("cat.png", text="[job]\nmax_credits = 60\n")
    assert run(site, *ONCE) == 1
    assert sum(task["credits"] for task in tasks(site)) == 60
    error = site.record("failed", "cat.error.toml")
    assert (error["code"], error["charged"]) == ("budget.job", "unknown")
    assert run(site, "retry", "--all") == 0  # a person's word
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 1}


# -- a lost ledger -------------------------------------------------------------------------------------------


def test_outputs_of_a_job_that_was_lost_with_the_ledger_are_kept_where_people_look(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.put("days/cat.prompt.toml", sidecar(unique(), "seed = 7\n[job]\nvariations = 4\n"))
    site.put("days/cat.png", picture())
    with site.daemon() as daemon:
        eventually(lambda: states(site).count("retiring") == 3, what="three of four have come")
        [(job,)] = site.rows("SELECT id FROM jobs")
        daemon.kill()
    (site.root / "done/days").mkdir()
    (site.root / f"done/days/{job}-1-1.mp4").write_bytes(b"of somebody else")
    half = site.root / f"processing/days/.{job}-4-1.part"
    half.write_bytes(next(half.parent.glob(".*.part")).read_bytes()[:-500])
    lose(site)
    run(site, *ONCE)
    kept = [f"{job}-1-1 (2).mp4", f"{job}-2-1.mp4", f"{job}-3-1.mp4"]
    found = {path.name for path in (site.root / "done/days").iterdir()}
    assert found == {*kept, f"{job}-1-1.mp4"}
    assert not half.exists()
    held = site.record("processing", "days/cat.held.toml")
    assert all(name in held["message"] for name in kept)


def test_after_a_lost_ledger_the_price_of_what_is_fetched_is_learned(site: Site) -> None:
    site.runway.change(seconds=3)
    site.drop("cat.png")
    with site.daemon() as daemon:
        job = cancelled_while_running(site, 1)
        assert daemon.stop() == 0
    lose(site)
    eventually(lambda: tasks(site)[0]["status"] == "SUCCEEDED", what="Runway has finished it")
    run(site, *ONCE)
    run(site, "retry", job)
    assert run(site, *ONCE) == 0
    record = site.record("done", "cat.result.toml")
    assert (record["credits"], record.get("charged")) == (60, None)


def test_an_order_to_cancel_that_died_after_it_had_deleted_says_so(site: Site) -> None:
    site.configure(in_flight=4, submit_ahead=0)
    site.runway.change(seconds=60, concurrency=1)
    site.drop("cat.png")
    site.drop("dog.png")
    waits = "SELECT job FROM generations WHERE status = 'THROTTLED'"
    with site.daemon() as daemon:
        eventually(lambda: len(site.rows(waits)) == 1, what="one waits for a slot")
        assert daemon.stop() == 0
    [(job,)] = site.rows(waits)
    assert run(site, "cancel", job, kill=Kill("move", "before", ("running", "fail"))) == KILLED
    assert "CANCELLED" in [task["status"] for task in tasks(site)]
    with site.daemon() as daemon:
        site.reaches(cancelled=1, running=1)
        daemon.kill()
    [name] = [name for name in site.files("failed") if name.endswith(".error.toml")]
    assert "Runway has it no longer" in site.record("failed", name)["hint"]
