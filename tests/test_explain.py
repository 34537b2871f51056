"""`explain`: the story of one file, in words for somebody who has never seen the code."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runway_watch.config import RetrySettings
from runway_watch.holds import bars
from runway_watch.job import Generation, Hold, Job, Place, State, Verdict
from runway_watch.report import facts, standing
from runway_watch.report.story import SENTENCES, local, span, story
from runway_watch.report.surroundings import Around
from runway_watch.stages.survey import UNSUPPORTED
from runway_watch.states import TABLE
from tests.cli_tools import cli
from tests.harness import Runway, Site, picture, sidecar, simulator, unique
from tests.media_samples import phone_heic
from tests.samples import NOW, VERDICT, call, job

S = State
JARGON = {
    "ready",
    "submitting",
    "collecting",
    "retiring",
    "retire",
    "collect",
    "commit",
    "stage",
    "generation",
}
UNSAFE = {"\x1b", "\x07", "\u202e", "\u2028"}


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


@pytest.fixture
def site(runway: Runway, tmp_path: Path) -> Iterator[Site]:
    yield Site(tmp_path, runway)
    runway.well()


def told(site: Site, wanted: object, *, code: int = 0) -> str:
    """What `explain` says, without a key, and as lines that are safe to print."""
    done = site.cli("explain", str(wanted), environment={})
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    assert not UNSAFE & set(done.stdout)
    return done.stdout


def block(text: str, label: str) -> list[str]:
    """The lines under a label."""
    found = re.search(rf"^  {re.escape(label):<9} (.*(?:\n {{12}}.*)*)", text, re.MULTILINE)
    return [line.strip() for line in found[1].split("\n")] if found else []


def origins(text: str, label: str) -> dict[str, str]:
    """The values under a label, and where each came from."""
    cells = [re.fullmatch(r"(.*?)(?: +# (.*))?", line) for line in block(text, label)]
    return {found[1]: found[2] or "" for found in cells if found}


def events(text: str) -> list[str]:
    """What happened, without times."""
    return re.findall(r"^  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+  \+\S+ \S+.*?  +(\S.*)$", text, re.MULTILINE)


def only_job(site: Site) -> str:
    [(job_id,)] = site.rows("SELECT id FROM jobs")
    return str(job_id)


def tree(top: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in top.rglob("*")
    }


# -- words --------------------------------------------------------------------------------------------------


def test_every_row_of_the_state_table_has_a_sentence() -> None:
    assert set(TABLE) <= set(SENTENCES)
    assert set(SENTENCES) - set(TABLE) == {(S.READY, "accepted"), (S.RETIRING, "refused")}


def test_the_sentences_speak_to_somebody_who_has_never_seen_the_code() -> None:
    for sentence in SENTENCES.values():
        assert not JARGON & set(re.findall(r"[a-z]+", sentence)), sentence


def test_every_state_has_words_of_its_own() -> None:
    assert len({standing.state(job(state=state), call(state=state)) for state in State}) == len(State)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0.4, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7200, "2 h"), (93784, "1 d 2 h")],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_what_a_call_cost_is_told_once_though_the_ledger_adds_up() -> None:
    rows = [row(1, "again", credits=60), row(2, "succeeded", credits=60), row(3, "fail", credits=130)]
    lines = list(story(rows, UTC))
    assert "60 credits charged" in lines[0]
    assert "charged" not in lines[1]
    assert "70 credits charged" in lines[2]


def test_an_event_of_another_version_is_told_in_its_own_words() -> None:
    [line] = story([row(0, "teleport")], UTC)
    assert line.endswith("running: teleport, now ready")


def test_what_a_call_may_cost_is_told_by_the_price_list_where_runway_named_no_figure() -> None:
    unknown = call(state=S.HELD, submitted_at=NOW, tries=1)
    assert facts.charged([unknown]).endswith("is not known yet (at most 60)")
    assert facts.charged([replace(unknown, price=None)]).endswith("is not known yet")


def test_what_a_lost_ledger_was_rebuilt_from_is_told() -> None:
    [line] = story([row(0, "restored")], UTC)
    assert "the ledger had been lost" in line


def test_of_several_generations_each_line_says_whose_it_is() -> None:
    lines = list(story([row(0, "fail", n=1), row(1, "succeeded", n=2)], UTC))
    assert ["generation 1: it came" in lines[0], "generation 2: Runway has" in lines[1]] == [True, True]


def row(after: float, event: str, *, n: int = 1, **note: Any) -> dict[str, Any]:
    """A line of the history."""
    return {"at": NOW + after, "event": event, "was": "running", "state": "ready", "n": n, "note": note}


# -- what bars, and what that means -------------------------------------------------------------------------


def around(**changes: Any) -> Around:
    plain: dict[str, Any] = {
        "now": NOW,
        "zone": UTC,
        "holds": (),
        "is_running": True,
        "is_watched": True,
        "leader": None,
        "ahead": 0,
        "at_runway": 0,
        "ordered": (),
        "retry": RetrySettings(),
    }
    return Around(**plain | changes)


@pytest.mark.parametrize(
    ("hold", "barred"),
    [
        (Hold("paused", NOW), {"ready", "uploading", "uploaded"}),
        (Hold("budget", NOW, "j1"), {"ready", "uploading", "uploaded"}),
        (Hold("budget", NOW, "j2"), set()),
        (Hold("daily_limit", NOW, "gen4.5"), {"ready", "uploading", "uploaded"}),
        (Hold("daily_limit", NOW, "gen4_turbo"), set()),
        (Hold("disk", NOW, "/srv/runway"), {"ready", "uploading", "uploaded"}),
        (Hold("outage", NOW, "creates"), {"ready", "uploading", "uploaded"}),
        (Hold("outage", NOW, "uploads"), {"uploading"}),
        (Hold("outage", NOW, "downloads"), {"ready", "uploading", "uploaded", "collecting"}),
        (Hold("outage", NOW), {"ready", "uploading", "uploaded", "running", "collecting"}),
        (Hold("credentials", NOW), {"ready", "uploading", "uploaded", "running", "collecting"}),
    ],
)
def test_a_hold_bars_what_it_stops_and_what_is_paid_for_goes_on_where_it_can(
    hold: Hold, barred: set[str]
) -> None:
    calls = {state.value: call(state=state) for state in State}
    calls["uploaded"] = call(state=S.UPLOADING, uploaded_at=NOW)
    assert {name for name, one in calls.items() if bars(hold, job(), one)} == barred


def why(there: Job, one: Generation, **changes: Any) -> str:
    return "\n".join(standing.why(there, one, around(**changes)))


def advice(there: Job, one: Generation, **changes: Any) -> str:
    return "\n".join(standing.advice(there, one, around(**changes)))


def test_a_hold_is_told_with_its_end_and_its_remedy() -> None:
    closed = Hold("window", NOW - 60, message="the window is closed", until=NOW + 3661)
    assert why(job(), call(), holds=[closed]) == (
        "hold `window` since 2027-01-15 07:59:00 UTC: the window is closed; "
        "it ends at 2027-01-15 09:01:01 UTC (in 1 h 1 min)"
    )
    poor = Hold("credits", NOW, message="too few are left")
    assert why(job(), call(), holds=[poor]).endswith("; it ends by itself when the balance allows")
    assert advice(job(), call(), holds=[poor]).startswith("buy credits at Runway\n")


def test_a_reason_of_its_own_is_told_with_the_moment_at_which_it_goes_on() -> None:
    waits = call(
        state=S.UPLOADING, reason="rate_limited", message="Runway says: not so fast", due_at=NOW + 30
    )
    text = why(job(state=S.UPLOADING), waits)
    assert text == "rate_limited: Runway says: not so fast; it goes on at 2027-01-15 08:00:30 UTC (in 30 s)"


def test_an_appointment_is_told() -> None:
    text = why(job(), call(due_at=NOW + 7200))
    assert text == "its sidecar says `not_before`: it begins at 2027-01-15 10:00:00 UTC (in 2 h)"


def test_a_turn_is_told_with_those_before_it() -> None:
    assert (
        why(job(), call(), ahead=7, at_runway=3)
        == "it waits for its turn: 3 of gen4.5 at Runway, 7 before it"
    )


def test_who_shares_a_result_waits_for_that_job_and_for_no_hold() -> None:
    leader = job("j0", state=S.RUNNING)
    follower = job(duplicate_of="j0")
    text = why(follower, call(), leader=leader, holds=[Hold("paused", NOW)])
    assert text.startswith("it asks for the same as job j0 (j0.png), which is running: it waits for ")
    assert len(text.splitlines()) == 1
    assert "`runway-watch explain j0`" in advice(follower, call(), leader=leader)


def test_what_only_runs_has_nothing_to_explain_away() -> None:
    assert why(job(state=S.RUNNING), call(state=S.RUNNING, reason="running", due_at=NOW + 5)) == ""


def test_a_root_that_left_the_configuration_is_the_reason() -> None:
    assert "/srv/runway is not in the configuration any more" in why(job(), call(), is_watched=False)


def test_a_paid_request_that_a_daemon_died_in_is_told_as_what_it_will_be() -> None:
    text = why(job(state=S.SUBMITTING), call(state=S.SUBMITTING), is_running=False)
    assert "nobody knows whether it was paid" in text


def test_an_order_that_waits_is_told() -> None:
    assert "`cancel` was ordered, and is not carried out yet" in advice(job(), call(), ordered=["cancel"])


def test_what_the_sweep_takes_up_is_not_left_to_the_person() -> None:
    failed = job(state=S.FAILED, place=Place.FAILED, verdict=VERDICT, sweeps=1)
    text = advice(failed, call(state=S.FAILED))
    assert "it is tried again by itself, every 10 min (1 of 3 times so far)" in text
    final = Verdict("poll", "task.safety", "Refused.")
    assert "by itself" not in advice(
        job(state=S.FAILED, place=Place.FAILED, verdict=final), call(state=S.FAILED)
    )


# -- jobs ---------------------------------------------------------------------------------------------------


def test_a_job_that_is_done_is_told_from_the_drop_to_the_result(site: Site) -> None:
    prompt = site.drop("sub/cat.png", text="duration = 5\n[job]\npriority = 3")
    assert site.cli("run", "--once").returncode == 0
    text = told(site, only_job(site))
    assert text.startswith(f"job {only_job(site)}: sub/cat.png\n")
    assert origins(text, "asks for") == {
        "image_to_video with gen4.5": "what a dropped image asks for",
        'model = "gen4.5"': "default of image_to_video",
        f'prompt_text = "{prompt}"': "cat.prompt.toml",
        'prompt_image = "file:cat.png"': "the dropped file",
        'ratio = "1280:720"': "auto -> 1280:720, nearest to 320x180 (default of image_to_video)",
        "duration = 5": "cat.prompt.toml",
    }
    assert origins(text, "[job]") == {"priority = 3": "cat.prompt.toml"}
    assert "what they were then is not kept" in block(text, "origins")[0]
    done = site.root / "done/sub"
    names = ("cat.png", "cat.prompt.toml", "cat.out.mp4", "cat.result.toml")
    assert block(text, "files") == [str(done / name) for name in names]
    assert block(text, "charged") == ["60 credits, for 1 paid call"]
    assert block(text, "state") == ["done"]
    [task] = [task["id"] for task in site.paid()]
    assert block(text, "task") == [f"{task} (SUCCEEDED)"]
    assert events(text) == [
        "accepted: it takes its place in the queue",
        "its turn came: what it needs is brought to Runway",
        "the paid request was about to be sent",
        f"Runway took the paid request and works on it (task {task})",
        "Runway has finished it: the result is fetched (60 credits charged)",
        "the whole result is here",
        "done: its files and the result were moved to done/",
    ]
    ways = ["inbox/sub/cat.png", "inbox/sub/cat.prompt.toml", "processing/sub/cat.png"]
    for way in ways:
        assert told(site, site.root / way).partition("\n")[2] == text
    for name in names:
        assert told(site, done / name) == text


def test_origins_that_can_no_longer_be_told_are_said_not_to_be_kept(site: Site) -> None:
    site.put("sub/_folder.prompt.toml", b"duration = 7\n", counts=False)
    site.put("sub/cat.png", picture())
    site.put("sub/cat.prompt.toml", b'prompt_text = "calm"\nseed = 4\n')
    assert site.cli("run", "--once").returncode == 0
    (site.root / "inbox/sub/_folder.prompt.toml").unlink()
    (site.root / "done/sub/cat.prompt.toml").write_bytes(b'prompt_text = "calm"\nseed = 5\n')
    asked = origins(told(site, only_job(site)), "asks for")
    assert asked['prompt_text = "calm"'] == "cat.prompt.toml"
    assert asked["seed = 4"] == asked["duration = 7"] == "not kept"
    (site.root / "done/sub/cat.png").unlink()
    assert block(told(site, only_job(site)), "origins")[0].startswith("not known: ")


def test_a_job_that_got_another_name_is_told_by_the_name_that_it_was_dropped_with(site: Site) -> None:
    for _ in range(2):
        site.drop()
        assert site.cli("run", "--once").returncode == 0
    text = told(site, site.root / "done/cat (2).png")
    asked = origins(text, "asks for")
    assert asked['prompt_image = "file:cat.png"'] == "the dropped file"
    assert "not kept" not in asked.values()


def test_a_refused_drop_is_told_with_every_problem(site: Site) -> None:
    site.drop("bad.png", text='ratoi = "16:9"\nduration = 400')
    site.cli("run", "--once")
    text = told(site, site.root / "failed/bad.error.toml")
    assert block(text, "state") == ["failed (params.invalid)"]
    problems = [line for line in block(text, "why") if line.startswith("- ")]
    assert len(problems) == 2
    asked = origins(text, "asks for")
    assert asked['ratoi = "16:9"'] == asked["duration = 400"] == "bad.prompt.toml"
    assert asked['prompt_image = "file:bad.png"'] == "the dropped file"
    assert block(text, "origins") == ["by its sidecar and its folder's defaults as they are now"]
    assert block(text, "charged") == ["nothing"]
    assert events(text)[0] == "refused as it was dropped: nothing was asked of Runway"
    assert f"`runway-watch retry {only_job(site)}`" in text


def test_a_job_in_doubt_is_told_with_the_account_and_both_ways_out(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop()
    assert site.cli("run", "--once").returncode == 1
    text = told(site, site.root / "processing/cat.held.toml")
    assert block(text, "state") == ["held: it waits for a person's word (submit.uncertain)"]
    assert any(line.startswith("the account's balance: ") for line in block(text, "why"))
    assert "up to 60 more for what nobody knows whether it was carried out" in block(text, "charged")[0]
    assert "retry" in block(text, "do")[0]
    assert f"`runway-watch cancel {only_job(site)}` gives it up" in text
    assert "nobody knows whether it was paid for (submit.uncertain)" in events(text)[-1]


def test_a_job_that_was_tried_twice_is_told_with_its_code(site: Site) -> None:
    site.runway.fault("create", {"fail_task": "INTERNAL"})
    site.drop()
    site.cli("run", "--once")
    text = told(site, only_job(site))
    again = [line for line in events(text) if "paid anew" in line]
    assert len(again) == 1
    assert "task.internal: " in again[0]
    assert block(text, "charged")[0].endswith("for 2 paid calls")


def test_a_job_that_was_cancelled_is_told_with_the_way_back(site: Site) -> None:
    site.cli("pause")
    site.drop()
    site.cli("run", "--once")
    assert site.cli("cancel", only_job(site)).returncode == 0
    text = told(site, site.root / "failed/cat.png")
    assert block(text, "state") == ["cancelled by a person"]
    assert block(text, "why") == []
    assert block(text, "do")[-1] == f"that is `runway-watch retry {only_job(site)}`"
    assert events(text)[-1] == "cancelled: its files were moved to failed/"


def test_a_hold_and_a_stopped_daemon_are_why_a_job_waits(site: Site) -> None:
    site.cli("pause")
    site.drop()
    site.cli("run", "--once")
    text = told(site, only_job(site))
    assert block(text, "state") == ["ready: accepted; it has not begun yet"]
    first, second = block(text, "why")
    assert first.startswith("hold `paused` since ")
    assert second == "no daemon is running"
    assert block(text, "do")[:2] == ["`runway-watch resume`", "start the daemon: `runway-watch run`"]


def test_a_running_daemon_stands_in_nobodys_way(tmp_path: Path) -> None:
    with simulator(seconds=30) as runway:
        site = Site(tmp_path, runway)
        site.drop()
        with site.daemon() as daemon:
            site.reaches(running=1)
            text = told(site, site.root / "processing/cat.png")
            assert block(text, "state")[0].startswith("running: Runway works on it")
            assert block(text, "why") == []
            assert daemon.stop() == 0
        assert block(told(site, only_job(site)), "why") == ["no daemon is running"]


def test_a_drop_that_shares_a_result_says_whose(site: Site) -> None:
    same, prompt = picture(), unique()
    for name in ("one", "two"):
        site.put(f"{name}.png", same)
        site.put(f"{name}.prompt.toml", sidecar(prompt))
    assert site.cli("run", "--once").returncode == 0
    shared = dict(site.rows("SELECT id, duplicate_of FROM jobs"))
    [(follower, leader)] = [pair for pair in shared.items() if pair[1]]
    text = told(site, follower)
    whose = f"done, with the result of job {leader}, which had asked for the same"
    assert block(text, "state") == [whose]
    assert block(text, "charged") == ["nothing"]
    assert "it shares that result and pays nothing" in "\n".join(events(text))


def test_of_a_file_that_was_dropped_twice_the_latest_is_told_and_the_other_named(site: Site) -> None:
    for _ in range(2):
        site.drop()
        assert site.cli("run", "--once").returncode == 0
    (old, at), (new, _) = site.rows("SELECT id, accepted_at FROM jobs ORDER BY accepted_at")
    text = told(site, site.root / "inbox/cat.png")
    assert f"job {new}: cat.png\n" in text
    named = text.partition("other jobs of this name, the latest first\n")[2]
    assert named.startswith(f"  {old}  done, accepted {local(at, UTC)[:10]}")
    assert f"job {old}: cat.png\n" in told(site, site.root / "done/cat.png")


def test_times_are_told_in_the_machines_own_zone(site: Site) -> None:
    site.drop()
    site.cli("run", "--once")
    done = site.cli("explain", only_job(site), environment={"TZ": "Asia/Kathmandu"})
    [(at,)] = site.rows("SELECT accepted_at FROM jobs")
    assert local(at, ZoneInfo("Asia/Kathmandu")) in done.stdout
    assert "+0545" in done.stdout


# -- files in the inbox -------------------------------------------------------------------------------------


def test_a_complete_drop_is_told_with_its_effective_request_and_nothing_changes(site: Site) -> None:
    site.put("_folder.prompt.toml", b"duration = 10\n[job]\npriority = 4\n", counts=False)
    prompt = site.drop("sub/cat.png")
    before = tree(site.base)
    for name in ("cat.png", "cat.prompt.toml"):
        text = told(site, site.root / "inbox/sub" / name)
        assert block(text, "files") == ["cat.png", "cat.prompt.toml"]
        assert block(text, "defaults") == ["_folder.prompt.toml"]
        asked = origins(text, "asks for")
        assert asked[f'prompt_text = "{prompt}"'] == "cat.prompt.toml"
        assert asked["duration = 10"] == "inbox/_folder.prompt.toml"
        assert asked['prompt_image = "file:cat.png"'] == "the dropped file"
        assert origins(text, "[job]") == {"priority = 4": "inbox/_folder.prompt.toml"}
        assert block(text, "price") == ["at most 120 credits"]
        assert block(text, "verdict") == ["it would be accepted"]
        assert "`runway-watch run`" in block(text, "when")[0]
    assert tree(site.base) == before


def test_what_would_be_refused_is_told_with_all_problems(site: Site) -> None:
    site.drop("bad.png", text='ratoi = "16:9"\nduration = 400')
    verdict = block(told(site, site.root / "inbox/bad.png"), "verdict")
    assert verdict[0] == "it would be refused (params.invalid)"
    assert len([line for line in verdict if line.startswith("- ")]) == 2


def test_what_waits_is_told_with_its_request_as_far_as_it_comes(site: Site) -> None:
    site.put("_folder.prompt.toml", b"seed = 3\n", counts=False)
    site.put("bare.png", picture((400, 300)), counts=False)
    site.put(
        "alone.prompt.toml", b'prompt_text = "@image"\n[job]\noperation = "text_to_image"\n', counts=False
    )
    site.put("half.png", picture()[:-500], counts=False)
    site.put("half.prompt.toml", b'prompt_text = "x"\nduration = 7\n', counts=False)
    bare = told(site, site.root / "inbox/bare.png")
    assert origins(bare, "asks for") == {
        "image_to_video with gen4.5": "what a dropped image asks for",
        'model = "gen4.5"': "default of image_to_video",
        "seed = 3": "inbox/_folder.prompt.toml",
        'prompt_image = "file:bare.png"': "the dropped file",
        'ratio = "1104:832"': "auto -> 1104:832, nearest to 400x300 (default of image_to_video)",
        "duration = 5": "default of image_to_video",
    }
    alone = origins(told(site, site.root / "inbox/alone.prompt.toml"), "asks for")
    assert alone['prompt_text = "@image"'] == alone["text_to_image with gen4_image"] == "alone.prompt.toml"
    half = told(site, site.root / "inbox/half.png")
    assert origins(half, "asks for")["duration = 7"] == "half.prompt.toml"
    assert "arriving" in block(half, "why")[0]


def test_what_the_model_has_no_use_for_is_told_as_left_out(site: Site) -> None:
    site.put("_folder.prompt.toml", b"duration = 8\n", counts=False)
    site.put("a.prompt.toml", b'prompt_text = "x"\n[job]\noperation = "text_to_image"\n')
    why = "duration, of inbox/_folder.prompt.toml: gen4_image has no such parameter"
    assert block(told(site, site.root / "inbox/a.prompt.toml"), "left out") == [why]
    assert site.cli("run", "--once").returncode == 0
    assert block(told(site, only_job(site)), "left out") == [why]


def test_a_long_prompt_is_cut_and_its_length_told(site: Site) -> None:
    site.drop(prompt="word " * 100)
    [line] = [each for each in block(told(site, site.root / "inbox/cat.png"), "asks for") if "word" in each]
    assert "... (500 characters)" in line
    assert len(line) < 160


def test_what_waits_says_for_what(site: Site) -> None:
    whole = picture()
    site.put("bare.png", whole)
    site.put("half.png", picture()[:-500])
    site.put("half.prompt.toml", sidecar("x"))
    site.put("notes.txt", b"hello")
    site.put("_refs/style.png", picture())
    site.put("old.error.toml", b"x = 1")
    site.put("_folder.prompt.toml", b"duration = 5")
    waits = {
        "bare.png": "waits for its sidecar, bare.prompt.toml",
        "half.prompt.toml": "half.png is still arriving",
        "notes.txt": UNSUPPORTED,
        "_refs/style.png": "such a name is never taken for a drop",
        "old.error.toml": "it is a record that runway-watch wrote beside a job",
        "_folder.prompt.toml": "it gives defaults to the drops in its folder and below",
    }
    for name, reason in waits.items():
        assert block(told(site, site.root / "inbox" / name), "why")[0].startswith(reason)
    assert block(told(site, site.root / "inbox/half.png"), "files") == ["half.png", "half.prompt.toml"]


def test_broken_defaults_of_a_folder_are_why_everything_in_it_waits(site: Site) -> None:
    site.put("_folder.prompt.toml", b"duration = ")
    site.drop()
    assert "_folder.prompt.toml" in block(told(site, site.root / "inbox/cat.png"), "why")[0]
    assert "mend it" in block(told(site, site.root / "inbox/_folder.prompt.toml"), "do")[0]


def test_a_drop_like_one_that_is_done_says_that_it_would_pay_nothing(site: Site) -> None:
    same, prompt = picture(), unique()
    site.put("one.png", same)
    site.put("one.prompt.toml", sidecar(prompt))
    site.cli("run", "--once")
    site.put("two.png", same)
    site.put("two.prompt.toml", sidecar(prompt))
    verdict = block(told(site, site.root / "inbox/two.png"), "verdict")
    assert verdict[1].startswith(f"it asks for the same as job {only_job(site)} (done)")
    site.put("two.prompt.toml", sidecar(prompt, "[job]\nforce = true"))
    assert block(told(site, site.root / "inbox/two.png"), "verdict") == ["it would be accepted"]


def test_files_that_a_person_moved_back_are_told_as_the_job_that_they_were(site: Site) -> None:
    site.runway.fault("create", {"status": 400})
    site.drop()
    site.cli("run", "--once")
    site.back_to_inbox("failed", "cat.png", "cat.prompt.toml")
    verdict = block(told(site, site.root / "inbox/cat.png"), "verdict")
    assert verdict[1] == f"its files were those of job {only_job(site)} (failed), which would go on with them"


def test_a_name_that_is_no_text_is_told_as_what_it_is(site: Site) -> None:
    odd = site.put("caf\udce9.png", picture())
    text = told(site, odd)
    assert block(text, "why") == ["its name is not UTF-8, and can stand in no record: rename it"]


# -- what is neither ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["261120-ffffffff", "nothing.png", "/etc/passwd", "\x1b[31mred\u202e", ""])
def test_of_what_is_not_there_nothing_is_known(wanted: str, site: Site) -> None:
    text = told(site, wanted, code=1)
    assert str(site.root) in text or "a folder" in text


@pytest.mark.parametrize("is_before_the_first_run", [True, False])
def test_a_file_in_our_folders_that_is_nobodys_says_so(is_before_the_first_run: bool, site: Site) -> None:
    if not is_before_the_first_run:
        site.cli("run", "--once")
    for place in ("processing", "done", "failed"):
        (site.root / place).mkdir(exist_ok=True)
        stray = site.root / place / "stray.png"
        stray.write_bytes(b"x")
        assert f"{stray}: lies in {place}/, and no" in told(site, stray, code=1)
        assert "no job was dropped under that name" in told(site, stray.with_name("gone.png"), code=1)
        assert "a folder" in told(site, stray.parent, code=1)
    assert site.ledger.exists() is not is_before_the_first_run


def test_a_record_without_its_job_is_told_by_itself(site: Site) -> None:
    site.drop("bad.png", text='ratio = "16:9"')
    site.cli("run", "--once")
    job_id = only_job(site)
    site.ledger.rename(site.ledger.with_name("lost"))
    for more in site.ledger.parent.glob("*-wal"):
        more.unlink()
    text = told(site, site.root / "failed/bad.error.toml")
    assert block(text, "job") == [job_id]
    assert block(text, "code") == ["params.invalid"]


def test_a_record_that_was_moved_still_means_its_job(site: Site) -> None:
    site.drop()
    site.cli("run", "--once")
    (site.root / "done/cat.result.toml").rename(site.root / "done/renamed.result.toml")
    assert told(site, site.root / "done/renamed.result.toml").startswith(f"job {only_job(site)}: ")


def test_a_ledger_that_cannot_be_read_is_an_error_and_no_empty_story(site: Site) -> None:
    site.ledger.parent.mkdir()
    site.ledger.write_text("this is no database, and was never one")
    site.drop()
    done = site.cli("explain", str(site.root / "inbox/cat.png"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("runway-watch: the ledger cannot be ")


def test_names_that_would_steer_a_terminal_are_never_shown_raw(site: Site) -> None:
    name = "red\x1b[31m\u202e\x07.png"
    site.drop(name, prompt="calm")
    told(site, site.root / "inbox" / name)
    site.cli("run", "--once")
    told(site, only_job(site))
    told(site, site.root / "inbox" / name)
    told(site, site.root / "inbox/\x1b[35m.png", code=1)


def test_it_takes_one_job_or_path_and_a_configuration(tmp_path: Path) -> None:
    assert cli("explain", at=tmp_path).returncode == 2
    assert cli("explain", "x", at=tmp_path).returncode == 78
    assert "--config" in cli("explain", "--help", at=tmp_path).stdout


def test_what_is_sent_in_place_of_a_picture_is_told_before_and_after(site: Site) -> None:
    site.put("cat.heic", phone_heic())
    site.put("cat.prompt.toml", sidecar(unique(), 'ratio = "960:960"'))
    changes = "converted from HEIC to JPEG, turned upright, camera metadata left out"
    expected = [f"cat.heic: {changes}, Runway will cut off 17 % top and bottom"]
    assert block(told(site, site.root / "inbox/cat.heic"), "sent") == expected
    assert site.cli("run", "--once").returncode == 0
    assert block(told(site, site.root / "done/cat.heic"), "sent") == expected
