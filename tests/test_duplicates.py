"""The same drop twice is paid for once; what has changed, or was forced, is a drop of its own."""

import json
import time
from pathlib import Path

import pytest

from runway_watch.decide import Move
from runway_watch.job import State, Verdict
from runway_watch.ledger import Ledger
from runway_watch.stages.share import shared_failure
from tests import samples
from tests.forked import KILLED, run
from tests.harness import Runway, Site, eventually, obstruct, picture, sidecar, unique
from tests.killing import Kill

ONCE = ("run", "--once")


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    stand_in.change(seconds=0.3)
    return Site(tmp_path, stand_in)


def drop(site: Site, name: str, content: bytes, text: str) -> None:
    site.put(f"{name}.prompt.toml", text.encode())
    site.put(f"{name}.png", content)


def why(site: Site, name: str) -> str:
    """What `status` says of a job."""
    jobs = json.loads(site.cli("status", "--json").stdout)["jobs"]
    return str(next(job["message"] for job in jobs if Path(job["path"]).stem == name))


def shared(site: Site) -> dict[str, bool]:
    """Whether each drop shares, or is to share, the result of another one."""
    return {name: bool(leader) for name, leader in site.rows("SELECT dropped_as, duplicate_of FROM jobs")}


def sentence(more: str = "") -> str:
    return sidecar(unique(), more).decode()


def test_a_drop_that_was_done_before_is_filed_with_the_same_result_and_costs_nothing(site: Site) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    drop(site, "later/other name", content, text)
    assert site.cli(*ONCE).returncode == 0
    assert len(site.paid()) == 1
    first, second = (
        site.record("done", "cat.result.toml"),
        site.record("done", "later/other name.result.toml"),
    )
    assert (second["duplicate_of"], second["credits"], first["credits"]) == (first["job"], 0, 60)
    assert second["generation"][0]["outputs"] == ["other name.out.mp4"]
    out = site.root / "done/later/other name.out.mp4"
    assert out.samefile(site.root / "done/cat.out.mp4")  # a link: it takes no room
    site.verify()


@pytest.mark.parametrize("kill", [False, True])
def test_two_that_are_dropped_together_share_one_generation(site: Site, kill: bool) -> None:
    content, text = picture(), sentence()
    site.runway.change(seconds=2.0)
    for n in range(4):
        drop(site, f"cat {n}", content, text)
    with site.daemon() as daemon:
        eventually(lambda: site.counts() == {"running": 1, "ready": 3})
        if kill:
            daemon.kill()
        else:
            site.reaches(done=4)
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 4}, 1)
    assert len([name for name in site.files("done") if name.endswith(".out.mp4")]) == 4
    site.verify()


def test_what_is_forced_or_changed_in_anything_is_paid_for(site: Site) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    drop(site, "longer", content, text + "duration = 8\n")
    drop(site, "redrawn", picture(), text)
    drop(site, "forced", content, text + "[job]\nforce = true\n")
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), len(site.runway.bill()["tasks"][-4:])) == ({"done": 4}, 4)
    assert all(
        "duplicate_of" not in site.record("done", f"{n}.result.toml") for n in ("cat", "longer", "forced")
    )


def test_another_reference_picture_under_the_same_name_makes_another_drop(site: Site) -> None:
    text = sentence(
        'model = "gen4_image"\nratio = "1920:1080"\n'
        'reference_images = [{uri = "file:_refs/a.png", tag = "aaa"}]\n'
        '[job]\noperation = "text_to_image"'
    )
    content = picture()
    site.put("_refs/a.png", picture())
    drop(site, "one", content, text)
    assert site.cli(*ONCE).returncode == 0
    drop(site, "two", content, text)
    assert site.cli(*ONCE).returncode == 0
    assert "duplicate_of" in site.record("done", "two.result.toml")
    site.mend(site.root / "inbox/_refs/a.png", picture())
    drop(site, "three", content, text)
    assert site.cli(*ONCE).returncode == 0
    assert "duplicate_of" not in site.record("done", "three.result.toml")


@pytest.mark.parametrize("gone", ["deleted", "edited"])
def test_a_result_that_is_not_there_any_more_is_made_anew(site: Site, gone: str) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    output = site.root / "done/cat.out.mp4"
    output.unlink() if gone == "deleted" else output.write_bytes(b"another cut")
    drop(site, "again", content, text)
    assert site.cli(*ONCE).returncode == 0
    record = site.record("done", "again.result.toml")
    assert ("duplicate_of" in record, record["credits"]) == (False, 60)


def test_of_several_that_find_nothing_to_share_only_the_first_pays(site: Site) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    (site.root / "done/cat.out.mp4").unlink()
    for n in range(3):
        drop(site, f"again {n}", content, text)
    assert site.cli(*ONCE).returncode == 0
    records = [site.record("done", f"again {n}.result.toml") for n in range(3)]
    assert sorted(record["credits"] for record in records) == [0, 0, 60]


def test_what_runway_refuses_is_refused_for_all_that_ask_for_the_same(site: Site) -> None:
    site.runway.change(seconds=1.0)
    site.runway.fault("create", {"fail_task": "SAFETY.INPUT.IMAGE"})
    content, text = picture(), sentence()
    drop(site, "one", content, text)
    drop(site, "two", content, text)
    assert site.cli(*ONCE).returncode == 1
    assert (site.counts(), len(site.paid())) == ({"failed": 2}, 1)
    records = [site.record("failed", f"{name}.error.toml") for name in ("one", "two")]
    assert [record["code"] for record in records] == ["task.safety"] * 2
    assert sorted(record["credits"] for record in records) == [0, 60]
    site.verify()


def test_who_waits_for_a_cancelled_job_runs_alone(site: Site) -> None:
    site.runway.change(seconds=3.0)
    content, text = picture(), sentence()
    with site.daemon():
        drop(site, "one", content, text)
        eventually(lambda: site.counts() == {"running": 1})
        drop(site, "two", content, text)
        eventually(lambda: site.counts() == {"running": 1, "ready": 1})
        assert "which is running: it waits for that result" in why(site, "two")
        assert site.cli("cancel", str(site.root / "processing/one.png")).returncode == 0
        site.reaches(cancelled=1, done=1)
    assert len(site.paid()) == 2


def test_a_copy_of_a_drop_in_doubt_waits_with_it_and_holds_up_nobody(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    content, text = picture(), sentence()
    drop(site, "one", content, text)
    assert site.cli(*ONCE).returncode == 1
    drop(site, "two", content, text)
    site.drop("other.png")
    assert site.cli(*ONCE).returncode == 1
    assert site.counts() == {"held": 1, "ready": 1, "done": 1}
    explained = site.cli("explain", str(site.root / "processing/two.png")).stdout
    for told in (why(site, "two"), " ".join(explained.split())):
        assert "which is held and may be paid for already" in told
        assert "`force = true` in its [job] table it runs anyway" in told
    drop(site, "three", content, text + "[job]\nforce = true\n")
    assert site.cli(*ONCE).returncode == 1
    assert site.counts() == {"held": 1, "ready": 1, "done": 2}
    assert site.cli("retry", "--all").returncode == 0
    assert site.cli(*ONCE).returncode == 0
    assert site.counts() == {"done": 4}


def test_a_leader_that_comes_back_with_another_wish_leaves_its_followers_to_themselves(site: Site) -> None:
    content, text = picture(), sentence()
    assert site.cli("pause").returncode == 0
    with site.daemon():
        drop(site, "one", content, text)
        eventually(lambda: site.rows("SELECT state, target FROM jobs") == [("ready", None)])
        drop(site, "two", content, text)
        eventually(lambda: shared(site) == {"one": False, "two": True})
        site.mend(site.root / "processing/one.prompt.toml", sentence().encode())
        site.back_to_inbox("processing", "one.prompt.toml", "one.png")
        eventually(lambda: shared(site) == {"one": False, "two": False})
    site.runway.fault("create", {"fail_task": "SAFETY.INPUT.TEXT"}, times=1)
    assert site.cli("resume").returncode == 0
    assert site.cli(*ONCE).returncode == 1
    assert (site.counts(), len(site.paid())) == ({"failed": 1, "done": 1}, 2)
    site.verify()


def test_a_drop_without_an_appointment_waits_for_none_that_has_one(site: Site) -> None:
    content, text = picture(), sentence()
    drop(site, "later", content, text + "[job]\nnot_before = 2150-01-01T00:00:00\n")
    assert site.cli(*ONCE).returncode == 0
    assert site.counts() == {"ready": 1}
    drop(site, "now", content, text)
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 2}, 1)
    assert shared(site) == {"later": True, "now": False}
    site.verify()


def test_who_waits_for_a_job_of_a_folder_that_is_not_watched_any_more_runs_alone(site: Site) -> None:
    old, new = site.root, site.base / "new"
    content, text = picture(), sentence()
    site.config.write_text(site.config.read_text() + another_watch(new))
    assert site.cli("pause").returncode == 0
    drop(site, "one", content, text)
    assert site.cli(*ONCE).returncode == 1
    site.root = new
    drop(site, "two", content, text)
    assert site.cli(*ONCE).returncode == 1
    assert shared(site) == {"one": False, "two": True}
    site.configure()  # which watches the new folder only
    assert site.cli("resume").returncode == 0
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), shared(site)) == ({"ready": 1, "done": 1}, {"one": False, "two": False})
    assert (old / "processing/one.png").exists()


def another_watch(root: Path) -> str:
    """One more watch for a configuration."""
    (root / "inbox").mkdir(parents=True)
    return f'\n[[watch]]\nroot = "{root}"\nsettle_seconds = 0.05\nscan_seconds = 0.5\n'


def test_the_same_drops_in_two_watches_at_once_are_paid_for_once(site: Site) -> None:
    roots = (site.root, site.base / "other")
    site.config.write_text(site.config.read_text() + another_watch(roots[1]))
    content, text = picture(), sentence()
    for n in range(8):
        for site.root in roots:
            drop(site, f"cat {n}", content, f"{text}seed = {n}\n")
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 16}, 8)


def test_a_follower_is_filed_only_when_all_its_files_have_come_in(site: Site) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    clear = obstruct(site.root / "processing/later")
    with site.daemon() as daemon:
        drop(site, "later/cat", content, text)
        eventually(lambda: site.counts() == {"done": 1, "ready": 1})
        daemon.looks(3)
        assert site.counts() == {"done": 1, "ready": 1}
        clear()
        site.reaches(done=2)
        assert daemon.stop() == 0
    assert len(site.paid()) == 1
    site.verify()


def test_what_ends_while_it_comes_in_and_loses_a_file_on_the_way_is_filed_all_the_same(site: Site) -> None:
    clear = obstruct(site.root / "processing/later")
    with site.daemon() as daemon:
        drop(site, "later/cat", picture(), sentence())
        eventually(lambda: site.counts() == {"ready": 1})
        daemon.kill()
    clear()
    (site.root / "inbox/later/cat.prompt.toml").unlink()
    with Ledger(f"sqlite:///{site.ledger}") as ledger:
        [(_, call)] = ledger.in_state(State.READY)
        refused = Verdict("collect", "task.safety", "Runway refuses it.")
        ledger.move([(call, Move("fail", {"verdict": refused, "due_at": 0.0}))], at=time.time())
    assert site.cli(*ONCE).returncode == 1
    names = ["later/cat.error.toml", "later/cat.png"]
    assert (site.counts(), site.files("failed")) == ({"failed": 1}, names)
    assert site.record("failed", names[0])["code"] == "task.safety"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_when_nothing_was_there_to_share_changes_nothing(site: Site, when: str) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    (site.root / "done/cat.out.mp4").unlink()
    drop(site, "again", content, text)
    assert run(site, *ONCE, kill=Kill("move", when, ("collecting", "again"))) == KILLED
    assert site.counts() == {"done": 1, "collecting" if when == "before" else "ready": 1}
    assert site.cli(*ONCE).returncode == 0
    assert site.counts() == {"done": 2}
    assert site.record("done", "again.result.toml")["credits"] == 60


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_when_a_result_is_about_to_be_shared_costs_nothing(site: Site, when: str) -> None:
    content, text = picture(), sentence()
    drop(site, "cat", content, text)
    assert site.cli(*ONCE).returncode == 0
    drop(site, "again", content, text)
    assert run(site, *ONCE, kill=Kill("move", when, ("ready", "duplicate"))) == KILLED
    assert site.cli(*ONCE).returncode == 0
    assert (site.counts(), len(site.paid())) == ({"done": 2}, 1)
    site.verify()


def test_a_limit_is_no_part_of_the_wish_and_binds_only_the_drop_that_has_it(site: Site) -> None:
    site.runway.fault("create", {"merge": {"estimatedCost": {"credits": 90}}}, times=1)
    site.drop("learn.png")  # Runway's own word on what its like may cost
    assert site.cli(*ONCE).returncode == 0
    content, text = picture(), sentence()
    with site.daemon() as daemon:
        drop(site, "1 limited", content, text + "[job]\nmax_credits = 70\n")
        drop(site, "2 free", content, text)
        site.reaches(done=2, failed=1)
        assert daemon.stop() == 0
    assert site.record("failed", "1 limited.error.toml")["code"] == "budget.job"
    drop(site, "limited too", content, text + "[job]\nmax_credits = 70\n")
    assert site.cli(*ONCE).returncode == 0
    assert shared(site)["limited too"]  # it costs nothing
    assert len(site.paid()) == 2


@pytest.mark.parametrize(
    ("code", "is_shared"),
    {
        **dict.fromkeys(("task.safety", "task.bad_output", "task.asset_invalid", "api.rejected"), True),
        **dict.fromkeys(("task.lost", "task.cancelled", "task.internal", "task.unavailable"), False),
        **dict.fromkeys(("budget.job", "retries.exhausted", "internal", "reference.missing"), False),
    }.items(),
)
def test_a_failure_is_shared_only_if_it_is_about_the_wish(code: str, is_shared: bool) -> None:
    verdict = Verdict("poll", code, "It did not work.")
    failed = samples.job(state=State.FAILED, verdict=verdict)
    assert (shared_failure(failed) is not None) is is_shared
