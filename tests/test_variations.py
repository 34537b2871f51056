"""One drop, several generations: each with its seed and its money, none lost because another one failed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.forked import KILLED, run
from tests.harness import Runway, Site, eventually, picture, sidecar, unique
from tests.killing import Kill

ONCE = ("run", "--once")
FOUR = "seed = 7\n[job]\nvariations = 4\n"
SAFETY = {"fail_task": "SAFETY.INPUT.IMAGE"}
LOST = {"reset_after": True}


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    stand_in.change(seconds=0.2)
    return Site(tmp_path, stand_in)


def calls(site: Site, place: str = "done", name: str = "cat") -> list[dict[str, Any]]:
    """The generations in a record."""
    ending = {"done": "result", "failed": "error"}[place]
    found: list[dict[str, Any]] = site.record(place, f"{name}.{ending}.toml")["generation"]
    return found


def states(site: Site) -> list[str]:
    """Where each generation stands."""
    return [state for (state,) in site.rows("SELECT state FROM generations ORDER BY job, n")]


def status(site: Site) -> dict[str, Any]:
    """The one job in `status --json`."""
    [found] = json.loads(site.cli("status", "--json").stdout)["jobs"]
    return dict(found)


def seeds(site: Site) -> list[int]:
    """The seeds that were sent, in their order."""
    return sorted(task["body"]["seed"] for task in site.paid())


def test_four_variations_are_four_outputs_of_four_seeds(site: Site) -> None:
    site.drop("cat.png", text="[job]\nvariations = 4")
    told = site.cli("plan").stdout
    assert "cat.png  image_to_video  gen4.5  240 credits (4 generations)" in told
    assert "price: 240 credits at most for 4 generations" in told
    assert (
        "at most 240 credits for 4 generations"
        in site.cli("explain", str(site.root / "inbox/cat.png")).stdout
    )
    assert run(site, *ONCE) == 0
    site.verify()
    outputs = [f"cat.out-{k}.mp4" for k in (1, 2, 3, 4)]
    assert site.files("done") == [*outputs, "cat.png", "cat.prompt.toml", "cat.result.toml"]
    record = site.record("done", "cat.result.toml")
    assert [call["outputs"] for call in record["generation"]] == [[name] for name in outputs]
    drawn = [call["seed"] for call in record["generation"]]
    assert seeds(site) == sorted(drawn)
    assert len(set(drawn)) == 4
    assert ("seed" in record["request"], record["credits"], "failed" in record) == (False, 240, False)
    by_seed = {task["body"]["seed"]: task["outputs"][0]["sha256"] for task in site.paid()}
    assert [[by_seed[call["seed"]]] for call in record["generation"]] == [
        call["output_sha256"] for call in record["generation"]
    ]
    assert len(site.rows("SELECT * FROM uploads")) == 1
    assert [each["state"] for each in status(site)["generations"]] == ["done"] * 4


def test_tables_ask_for_two_models_and_two_prompts(site: Site) -> None:
    site.put("cat.png", picture())
    one, two = unique(), unique()
    tables = (
        f'duration = 5\n[[variation]]\nprompt_text = "{one}"\nmodel = "gen4_turbo"\nratio = "1280:720"\n'
        f'[[variation]]\nprompt_text = "{two}"\nmodel = "veo3.1"\nduration = 8\n'
    )
    site.put("cat.prompt.toml", tables.encode())
    assert run(site, *ONCE) == 0
    site.verify()
    record = site.record("done", "cat.result.toml")
    assert [call["model"] for call in record["generation"]] == ["gen4_turbo", "veo3.1"]
    assert [call["request"]["prompt_text"] for call in record["generation"]] == [one, two]
    assert "prompt_text" not in record["request"]
    tasks = {task["body"]["promptText"]: task["body"] for task in site.runway.bill()["tasks"]}
    assert [(tasks[p]["model"], tasks[p]["duration"]) for p in (one, two)] == [
        ("gen4_turbo", 5),
        ("veo3.1", 8),
    ]
    assert record["credits"] == sum(call["credits"] for call in record["generation"]) > 0
    assert site.rows("SELECT model FROM jobs") == [("gen4_turbo, veo3.1",)]


def test_one_that_is_refused_loses_none_of_the_others(site: Site) -> None:
    site.runway.fault("create", SAFETY, after=1)
    site.drop("cat.png", text=FOUR)
    with site.daemon() as daemon:
        site.reaches(done=1)
        [end] = daemon.events("job.done")
        assert daemon.stop() == 0
    site.verify()
    record = site.record("done", "cat.result.toml")
    assert (record["status"], record["failed"], record["message"]) == (
        "done",
        1,
        "3 of 4 generations worked.",
    )
    [failed] = [call for call in record["generation"] if not call["outputs"]]
    assert (failed["code"], failed["failure_code"]) == ("task.safety", "SAFETY.INPUT.IMAGE")
    assert (failed["retryable"], failed["seed"]) == (False, next(iter({7, 8, 9, 10} - worked(record))))
    assert [name for name in site.files("done") if ".out" in name] == [f"cat.out-{k}.mp4" for k in (1, 2, 3)]
    assert (end["failed"], end["level"]) == (1, "warning")
    assert "3 of 4 generations worked" in status(site)["message"]
    assert "3 of 4 generations worked" in site.cli("explain", record["job"]).stdout


def worked(record: dict[str, Any]) -> set[int]:
    """The seeds of what has outputs."""
    return {call["seed"] for call in record["generation"] if call["outputs"]}


MODELS = """
[[variation]]
model = "gen4.5"
[[variation]]
model = "gen4_turbo"
[[variation]]
model = "veo3.1"
duration = 8
"""


def test_the_same_again_shares_what_worked_and_pays_for_the_rest_alone(site: Site) -> None:
    content, text = picture(), sidecar(unique(), MODELS)
    put(site, "cat", content, text)
    site.runway.fault("create", SAFETY, match={"model": "veo3.1"})
    site.runway.fault("create", {"fail_task": "INTERNAL"}, match={"model": "gen4_turbo"}, times=None)
    assert run(site, *ONCE) == 0
    site.runway.well()
    assert [call.get("code") for call in calls(site)] == [None, "task.internal", "task.safety"]
    paid = len(site.paid())
    put(site, "dog", content, text)
    assert run(site, *ONCE) == 0
    site.verify()
    assert [task["body"]["model"] for task in site.paid()[paid:]] == ["gen4_turbo"]
    record = site.record("done", "dog.result.toml")
    assert (record["credits"], record["failed"]) == (site.paid()[paid]["credits"], 1)
    assert [call.get("code") for call in record["generation"]] == [None, None, "task.safety"]
    assert [name for name in site.files("done") if "dog.out" in name] == ["dog.out-1.mp4", "dog.out-2.mp4"]


def put(site: Site, name: str, content: bytes, text: bytes) -> None:
    site.put(f"{name}.prompt.toml", text)
    site.put(f"{name}.png", content)


def test_a_duplicate_shares_every_output_for_nothing(site: Site) -> None:
    content, text = picture(), sidecar(unique(), FOUR)
    put(site, "cat", content, text)
    put(site, "dog", content, text)
    assert run(site, *ONCE) == 0
    site.verify()
    assert (len(site.paid()), site.counts()) == (4, {"done": 2})
    records = [site.record("done", f"{name}.result.toml") for name in ("cat", "dog")]
    assert sorted(record["credits"] for record in records) == [0, 240]
    shas = [[call["output_sha256"] for call in record["generation"]] for record in records]
    assert shas[0] == shas[1]
    put(site, "one", content, text.replace(b"variations = 4", b"variations = 3"))
    assert "180 credits" in site.cli("plan").stdout, "three are another wish than four"


# -- doubt ---------------------------------------------------------------------------------------------------


def in_doubt(site: Site) -> str:
    """Four variations, one of which nobody knows whether it was carried out. Returns the job."""
    site.runway.fault("create", LOST, after=1)
    site.drop("cat.png", text=FOUR)
    assert run(site, *ONCE) == 1
    site.runway.well()
    assert site.counts() == {"held": 1}
    assert sorted(states(site)) == ["held", "retiring", "retiring", "retiring"]
    [(job,)] = site.rows("SELECT id FROM jobs")
    return str(job)


def test_one_in_doubt_holds_the_job_and_a_retry_pays_for_that_one_alone(site: Site) -> None:
    job = in_doubt(site)
    site.verify()
    [(n,)] = site.rows("SELECT n FROM generations WHERE state = 'held'")
    held = site.record("processing", "cat.held.toml")
    assert (held["code"], held["message"].partition(":")[0]) == ("submit.uncertain", f"Generation {n} of 4")
    assert held["other_credits"] in (60, 120, 180), "those that were under way beside it"
    told = site.cli("retry", job, "--dry-run").stdout
    assert "at most 60 credits for 1 of 4 generations, perhaps for the second time" in told
    assert run(site, "retry", job) == 0
    assert run(site, *ONCE) == 0
    site.verify()
    assert len(site.paid()) == 5
    assert [call["tries"] for call in calls(site)] == [2 if k == n else 1 for k in (1, 2, 3, 4)]
    assert len([name for name in site.files("done") if ".out-" in name]) == 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_a_person_lets_it_go_on_pays_for_nothing_more(site: Site, when: str) -> None:
    job = in_doubt(site)
    assert run(site, "retry", job, kill=Kill("move", when, ("held", "release"))) == KILLED
    if when == "before":
        assert run(site, "retry", job) == 0
    assert run(site, *ONCE) == 0
    site.verify()
    assert (site.counts(), len(site.paid()), site.files("processing")) == ({"done": 1}, 5, [])


def test_one_in_doubt_can_be_let_go_while_the_others_are_at_work(site: Site) -> None:
    site.runway.change(seconds=3.0)
    site.runway.fault("create", LOST, after=1)
    site.drop("cat.png", text=FOUR)
    with site.daemon() as daemon:
        eventually(lambda: sorted(states(site)) == ["held", "running", "running", "running"])
        [(job,)] = site.rows("SELECT id FROM jobs WHERE state = 'running'")
        told = site.cli("retry", job)
        assert "at most 60 credits for 1 of 4 generations" in told.stdout
        eventually(lambda: "held" not in states(site))
        site.reaches(done=1)
        assert daemon.stop() == 0
    site.verify()
    assert len(site.paid()) == 5


def test_files_that_come_back_let_the_one_in_doubt_go_on(site: Site) -> None:
    in_doubt(site)
    site.back_to_inbox("processing", "cat.png", "cat.prompt.toml", "cat.held.toml")
    assert "60 credits" in site.cli("plan").stdout
    assert run(site, *ONCE) == 0
    site.verify()
    assert (len(site.paid()), site.files("inbox"), site.counts()) == (5, [], {"done": 1})


def test_a_mended_drop_takes_no_result_from_the_one_in_doubt(site: Site) -> None:
    job = in_doubt(site)
    site.back_to_inbox("processing", "cat.png", "cat.prompt.toml")
    site.mend(site.root / "inbox/cat.prompt.toml", sidecar(unique(), "duration = 8"))
    site.put("other.png", b"", counts=False)
    assert run(site, *ONCE) == 1
    assert site.counts() == {"done": 1, "held": 1}
    assert run(site, "cancel", job) == 0
    run(site, *ONCE)
    assert site.counts() == {"done": 2}
    [(name,)] = site.rows("SELECT name FROM jobs WHERE id = ?", job)
    assert len([file for file in site.files("done") if file.startswith(f"{name}.out-")]) == 3


def test_what_is_cancelled_in_doubt_keeps_what_has_worked(site: Site) -> None:
    job = in_doubt(site)
    assert run(site, "cancel", job) == 0
    site.verify()
    record = site.record("done", "cat.result.toml")
    [failed] = [call for call in record["generation"] if not call["outputs"]]
    assert (failed["code"], record["failed"], record["charged"]) == ("cancelled", 1, "unknown")


# -- cancelled, capped, failed -------------------------------------------------------------------------------


def test_a_job_that_is_cancelled_midway_gives_up_what_has_not_begun(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.runway.change(seconds=1.0)
    site.drop("cat.png", text=FOUR)
    with site.daemon() as daemon:
        eventually(lambda: "retiring" in states(site) and "running" in states(site))
        assert site.cli("cancel", str(site.rows("SELECT id FROM jobs")[0][0])).returncode == 0
        site.reaches(done=1)
        assert daemon.stop() == 0
    site.verify()
    record = site.record("done", "cat.result.toml")
    codes = [call.get("code") for call in record["generation"]]
    assert (codes.count(None), codes.count("cancelled")) == (2, 2)
    assert len(site.paid()) == 2


def test_a_day_whose_budget_ends_midway_goes_on_when_it_may(site: Site) -> None:
    text = site.config.read_text()
    site.config.write_text(text + "[budget]\ncredits_per_day = 150\n")
    site.drop("cat.png", text=FOUR)
    assert run(site, *ONCE) == 1
    site.verify()
    assert (site.counts(), len(site.paid())) == ({"uploading": 1}, 2)
    assert sorted(states(site)) == ["retiring", "retiring", "uploading", "uploading"]
    found = status(site)
    assert (found["code"], found["credits"], found["progress"]) == ("budget", 120, 0.5)
    site.config.write_text(text)
    assert run(site, *ONCE) == 0
    site.verify()
    assert (site.counts(), len(site.paid()), seeds(site)) == ({"done": 1}, 4, [7, 8, 9, 10])


def test_a_cap_of_the_drop_is_one_of_all_its_generations(site: Site) -> None:
    site.drop("cat.png", text=FOUR + "max_credits = 239")
    site.drop("dog.png", text=FOUR.replace("7", "70") + "max_credits = 240")
    assert run(site, *ONCE) == 1
    site.verify()
    error = site.record("failed", "cat.error.toml")
    assert (error["code"], error["stage"]) == ("budget.job", "admit")
    assert "could cost 240 credits" in error["message"]
    assert (site.counts(), len(calls(site, name="dog"))) == ({"failed": 1, "done": 1}, 4)


def test_what_turns_out_dearer_than_its_cap_ends_with_what_has_worked(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.runway.fault("create", {"merge": {"estimatedCost": {"credits": 90}}}, times=None)
    site.drop("cat.png", text=FOUR + "max_credits = 300")
    assert run(site, *ONCE) == 0
    site.runway.well()
    codes = [call.get("code") for call in calls(site)]
    assert codes == [None, "budget.job", "budget.job", "budget.job"]


def test_all_that_failed_runs_again_by_hand_and_by_itself_only_what_may_work(site: Site) -> None:
    site.runway.fault("create", SAFETY)
    site.runway.fault("create", {"fail_task": "INTERNAL"}, times=None)
    site.drop("cat.png", text=FOUR)
    assert run(site, *ONCE) == 1
    site.runway.well()
    site.verify()
    error = site.record("failed", "cat.error.toml")
    codes = [call["code"] for call in error["generation"]]
    assert (sorted(codes), error["retryable"]) == (["task.internal"] * 3 + ["task.safety"], True)
    assert (
        f"at most {60 * 4} credits for 4 of 4 generations" in site.cli("retry", "--all", "--dry-run").stdout
    )
    paid = len(site.paid())
    site.configure(sweep=0.2)
    with site.daemon() as daemon:
        site.reaches(done=1)
        assert daemon.stop() == 0
    site.verify()
    assert len(site.paid()) == paid + 3
    assert [call.get("code") for call in calls(site)] == [c if c == "task.safety" else None for c in codes]


def test_of_a_failed_job_what_was_paid_for_is_fetched_and_the_rest_is_paid(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.runway.faults(
        [
            {"on": "create", "do": {"fail_task": "INTERNAL"}, "match": {}, "after": 1, "times": None},
            {"on": "output", "do": {"truncate": True}, "times": None},
        ]
    )
    site.drop("cat.png", text="seed = 7\n[job]\nvariations = 2\n")
    assert run(site, *ONCE) == 1
    site.runway.well()
    paid = len(site.paid())
    told = site.cli("retry", "--all", "--dry-run").stdout
    assert "at most 60 credits for 1 of 2 generations" in told
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    site.verify()
    assert (site.counts(), len(site.paid())) == ({"done": 1}, paid + 1)


# -- crashes -------------------------------------------------------------------------------------------------

ROWS = [
    ("uploading", "uploaded"),
    ("uploading", "submit"),
    ("submitting", "submitted"),
    ("running", "succeeded"),
    ("running", "fail"),
    ("collecting", "collected"),
]


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_a_kill_in_the_midst_of_several_pays_for_none_twice(
    site: Site, row: tuple[str, str], when: str, nth: int
) -> None:
    nth = 1 if row[1] in ("fail", "submit") else nth  # one fails, and all are let go in one transaction
    site.runway.fault("create", SAFETY, after=1)
    site.drop("cat.png", text=FOUR)
    assert run(site, *ONCE, kill=Kill("move", when, row, nth=nth)) == KILLED
    left = states(site).count("submitting")
    run(site, *ONCE)
    site.verify()
    if left:
        assert site.counts() == {"held": 1}
        assert run(site, "retry", "--all") == 0
        assert run(site, *ONCE) == 0
        site.verify()
    assert site.counts() == {"done": 1}
    assert len(site.paid()) <= 4 + left


@pytest.mark.parametrize(
    "kill", [Kill("retire", "before"), Kill("record", "after"), Kill("rename", "after", nth=4)], ids=str
)
def test_a_kill_while_several_are_filed_is_made_good(site: Site, kill: Kill) -> None:
    site.drop("cat.png", text=FOUR)
    assert run(site, *ONCE, kill=kill) == KILLED
    assert run(site, *ONCE) == 0
    site.verify()
    assert (len(site.paid()), len([n for n in site.files("done") if ".out-" in n])) == (4, 4)


# -- a lost ledger -------------------------------------------------------------------------------------------


def lose_ledger(site: Site) -> None:
    for file in site.ledger.parent.glob("ledger.sqlite3*"):
        file.unlink()


def test_the_ledger_is_rebuilt_with_every_generation(site: Site) -> None:
    content, text = picture(), sidecar(unique(), FOUR)
    site.configure(in_flight=4, submit_ahead=0)
    site.runway.fault("create", SAFETY, after=2)
    put(site, "cat", content, text)
    site.runway.fault("create", SAFETY, after=3, times=None)
    site.drop("dog.png", text=FOUR + "priority = -1")
    assert run(site, *ONCE) == 1
    query = (
        "SELECT j.dropped_as, j.state, j.model, j.wish, g.n, g.state, g.model, g.asks, g.credits, g.task_id, "
        "json_extract(g.verdict, '$.code'), json_extract(g.verdict, '$.retryable') "
        "FROM jobs j JOIN generations g ON g.job = j.id ORDER BY 1, g.n"
    )
    before = site.rows(query)
    assert len(before) == 8
    lose_ledger(site)
    assert run(site, *ONCE) == 0
    site.verify()
    assert site.rows(query) == before
    site.runway.well()
    put(site, "same", content, text)
    assert run(site, *ONCE) == 0
    assert site.record("done", "same.result.toml")["credits"] == 0


def test_outputs_without_a_record_are_those_of_their_generations(site: Site) -> None:
    content, text = picture(), sidecar(unique(), FOUR)
    put(site, "cat", content, text)
    assert run(site, *ONCE, kill=Kill("record", "before")) == KILLED
    lose_ledger(site)
    assert run(site, *ONCE) == 0
    assert [call["outputs"] for call in calls(site)] == [[f"cat.out-{k}.mp4"] for k in (1, 2, 3, 4)]
    assert [call["seed"] for call in calls(site)] == [7, 8, 9, 10]
    put(site, "same", content, text)
    assert run(site, *ONCE) == 0
    assert site.record("done", "same.result.toml")["credits"] == 0


def test_strays_of_a_lost_ledger_are_all_in_doubt(site: Site) -> None:
    site.runway.change(seconds=30.0)
    site.drop("cat.png", text=FOUR)
    with site.daemon() as daemon:
        eventually(lambda: states(site) == ["running"] * 4)
        daemon.kill()
    lose_ledger(site)
    site.runway.change(seconds=0.2)
    assert run(site, *ONCE) == 1
    assert (site.counts(), states(site)) == ({"held": 1}, ["held"] * 4)
    assert "Generation 1, 2, 3, 4 of 4" in site.record("processing", "cat.held.toml")["message"]
    assert site.rows("SELECT sum(reserved), sum(is_doubtful) FROM charges") == [(240, 4)]


TWO = "seed = 7\n[job]\nvariations = 2\n"
CUT = {"on": "output", "do": {"truncate": True}, "times": None}


def test_what_is_left_of_a_mended_drop_is_fetched_and_bars_nobody(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    site.runway.faults([{"on": "create", "do": LOST, "after": 1}, CUT])
    site.put("cat.png", picture())
    prompt = unique()
    site.put("cat.prompt.toml", sidecar(prompt, TWO))
    assert run(site, *ONCE) == 1
    site.runway.well()
    [(asks,)] = site.rows("SELECT asks FROM generations WHERE state != 'held'")
    site.back_to_inbox("processing", *site.files("processing"))
    site.mend(site.root / "inbox/cat.prompt.toml", sidecar(prompt, f"seed = {json.loads(asks)['seed']}\n"))
    site.drop("dog.png")
    run(site, *ONCE)
    assert (site.files("inbox"), site.counts()) == ([], {"done": 2})
    assert len(site.paid()) == 2 + 1  # two for the first, of which one was in doubt; one for the dog


def test_a_call_in_doubt_is_not_paid_again_because_another_one_waits(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    plain = site.config.read_text()
    site.config.write_text(plain + "[budget]\ncredits_per_day = 60\n")
    site.runway.fault("create", LOST)
    site.drop("cat.png", text=TWO)
    assert run(site, *ONCE) == 1
    site.runway.well()
    assert sorted(states(site)) == ["held", "uploading"]
    site.back_to_inbox("processing", *site.files("processing"))
    site.config.write_text(plain)
    run(site, *ONCE)
    assert len(site.paid()) == 2
    assert "held" in states(site)


def test_a_result_that_could_not_be_fetched_is_not_paid_for_by_the_same_drop(site: Site) -> None:
    site.configure(in_flight=1, submit_ahead=0)
    content, text = picture(), sidecar(unique(), TWO)
    site.runway.faults([CUT | {"after": 1}])
    put(site, "cat", content, text)
    assert run(site, *ONCE) == 0
    assert site.record("done", "cat.result.toml")["failed"] == 1
    site.runway.well()
    put(site, "dog", content, text)
    assert "same as" in site.cli("plan").stdout
    assert run(site, *ONCE) == 0
    assert [len(call["outputs"]) for call in calls(site, name="dog")] == [1, 1]
    assert len(site.paid()) == 2


def test_the_same_again_is_planned_at_the_price_of_what_did_not_work(site: Site) -> None:
    content, text = picture(), sidecar(unique(), FOUR)
    site.runway.fault("create", {"fail_task": "INTERNAL"}, times=3, after=3)
    put(site, "cat", content, text)
    run(site, *ONCE)
    assert site.record("done", "cat.result.toml")["failed"] == 1
    site.runway.well()
    put(site, "dog", content, text)
    assert "price: 60 credits at most for 1 generation" in site.cli("plan").stdout
    told = site.cli("explain", str(site.root / "inbox/dog.png")).stdout
    assert "for nothing, but for 1 of 4 generations" in told


def test_another_fit_is_another_picture(site: Site) -> None:
    site.runway.faults([CUT])
    prompt, text = unique(), 'model = "gen4_turbo"\nratio = "1280:720"\n'
    site.put("cat.png", picture((400, 400)))
    site.put("cat.prompt.toml", sidecar(prompt, text))
    assert run(site, *ONCE) == 1
    site.runway.well()
    site.mend(site.root / "failed/cat.prompt.toml", sidecar(prompt, text + '[job]\nfit = "pad"\n'))
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert len(site.paid()) == 2
    [sent] = site.record("done", "cat.result.toml")["sent"]
    assert (sent["width"], sent["height"], "padded with black to 16:9" in sent["changes"]) == (720, 405, True)


def test_each_generation_is_sent_the_picture_in_its_own_shape(site: Site) -> None:
    site.put("cat.png", picture((400, 400)))
    tables = "".join(f'[[variation]]\nratio = "{ratio}"\n' for ratio in ("1280:720", "720:1280", "960:960"))
    text = f'model = "gen4_turbo"\n[job]\nfit = "pad"\n{tables}'
    site.put("cat.prompt.toml", sidecar(unique(), text))
    assert run(site, *ONCE) == 0
    record = site.record("done", "cat.result.toml")
    assert [(sent["width"], sent["height"]) for sent in record["sent"]] == [
        (720, 405),
        (405, 720),
        (400, 400),
    ]
    by_ratio = {task["body"]["ratio"]: task["body"]["promptImage"] for task in site.paid()}
    assert len(set(by_ratio.values())) == 3
    sizes = {upload["uri"]: upload["size"] for upload in site.runway.bill()["uploads"]}
    assert [sizes[by_ratio[call["request"]["ratio"]]] for call in record["generation"]] == [
        sent["bytes"] for sent in record["sent"]
    ]


def test_what_was_filed_without_a_record_is_not_paid_for_anew_but_for_what_is_missing(site: Site) -> None:
    content, text = picture(), sidecar(unique(), FOUR)
    site.runway.fault("create", SAFETY, after=1)
    put(site, "cat", content, text)
    assert run(site, *ONCE, kill=Kill("record", "before")) == KILLED
    site.runway.well()
    lose_ledger(site)
    run(site, *ONCE)
    assert [len(call["outputs"]) for call in calls(site)] == [1, 1, 1, 0]
    paid = len(site.runway.bill()["tasks"])
    put(site, "same", content, text)
    assert "price: 60 credits at most for 1 generation" in site.cli("plan").stdout
    run(site, *ONCE)
    assert len(site.runway.bill()["tasks"]) == paid + 1
