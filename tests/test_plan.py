"""`plan`: what is told beforehand is what happens afterwards, and telling it changes nothing."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runway_watch import clock, config
from runway_watch.daemon.account import KEPT
from runway_watch.job import Generation, Hold, Job, State, Verdict
from runway_watch.ledger import Ledger
from runway_watch.report.inboxes import inside, look
from tests import samples
from tests.harness import Runway, Site, picture, sidecar, simulator, unique

MIX = {
    "clip.png": "",
    "long.png": 'model = "gen4.5"\nduration = 8',
    "turbo.png": 'model = "gen4_turbo"\nduration = 10',
    "sub/short.png": 'model = "gen4_turbo"\nduration = 5\n[job]\npriority = 3',
    "veo.png": 'model = "veo3.1_fast"\nduration = 4\naudio = false',
    "kling.png": 'model = "kling3.0_pro"\nduration = 5',
    "wan.png": 'model = "wan3"\nratio = "auto_1080p"\nduration = 5',
    "still.png": 'ratio = "1280:720"\n[job]\noperation = "text_to_image"',
    "large.png": 'model = "gen4_image"\nratio = "1920:1080"\n[job]\noperation = "text_to_image"',
    "quick.png": 'model = "gen4_image_turbo"\nratio = "1280:720"\n[job]\noperation = "text_to_image"',
}
"""Sidecars of operations, models and lengths whose prices are published."""


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


@pytest.fixture
def site(runway: Runway, tmp_path: Path) -> Site:
    return Site(tmp_path, runway)


def plan(site: Site, *words: str, code: int = 0, key: bool = False) -> list[str]:
    """The lines of a plan, made without a key unless it is said."""
    done = site.cli("plan", *words, environment=None if key else {})
    assert (done.returncode, done.stderr) == (code, ""), done
    return done.stdout.splitlines()


def line_of(told: list[str], word: str) -> str:
    """The one line with a word in it, its columns joined by single spaces."""
    [line] = [line for line in told if word in line]
    return re.sub(r"\s+", " ", line).strip()


def price(told: list[str]) -> int:
    """The credits of the total."""
    found = re.search(r"price: (\d+) credits? at most", "\n".join(told))
    assert found, told
    return int(found[1])


def tree(top: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder, with what it holds and when it was written."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


def known(site: Site) -> Ledger:
    """A ledger, to be filled by the test."""
    return Ledger(f"sqlite:///{site.ledger}")


def admit(site: Site, name: str, state: State = State.READY, **changes: Any) -> tuple[Job, Generation]:
    """A job in the ledger of a site, and its generation; `at` is when it is due."""
    changes, due = dict(changes), changes.pop("due", samples.NOW - 1e9)
    call: dict[str, Any] = {word: changes.pop(word) for word in ("started_at", "verdict") if word in changes}
    call |= {"price": changes["price"]} if "price" in changes else {}
    item = samples.item(name=name)
    job = samples.job(name, root=str(site.root), state=state, inputs=(item,), **changes)
    pair = job, samples.call(name, state, due_at=due, **call)
    with known(site) as ledger:
        ledger.admit([(pair[0], [pair[1]])])
    return pair


def account(site: Site, *, ago: float = 0.0, **figures: Any) -> None:
    """Let the ledger remember a look at the account."""
    plain = {"balance": 100_000, "concurrency": {}, "daily": {}, "used_today": {}}
    with known(site) as ledger:
        ledger.remember(KEPT, {"at": clock.now() - ago} | plain | figures)


def add(site: Site, text: str) -> None:
    """More of a configuration."""
    site.config.write_text(site.config.read_text() + text)


# -- what it promises ---------------------------------------------------------------------------------------


def test_the_price_is_the_bill_afterwards_to_the_credit(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        for name, text in MIX.items():
            site.drop(name, text=text)
        same = sidecar(unique())
        image = picture()
        for name in ("one", "two"):
            site.put(f"{name}.png", image)
            site.put(f"{name}.prompt.toml", same)
        site.drop("bad.png", text='ratoi = "x"')
        told = plan(site, code=1)
        site.cli("run", "--once")
        bill = runway.bill()
        assert sum(task["credits"] for task in bill["tasks"]) == price(told)
        assert site.counts() == {"done": len(MIX) + 2, "failed": 1}
        assert len(bill["tasks"]) == len(MIX) + 1


def test_what_was_learned_of_a_price_goes_before_the_price_list(site: Site) -> None:
    site.drop("cat.png")
    assert line_of(plan(site), "cat.png").endswith(" 60 credits")
    settings = config.load(site.config, {})
    [(job, _)] = look(settings, inside(settings, None)).drops
    with known(site) as ledger:
        ledger.estimated(job, 47)
    assert line_of(plan(site), "cat.png").endswith(" 47 credits")


def test_what_was_learned_of_a_price_is_no_price_of_what_may_be_longer(site: Site) -> None:
    text = 'model = "klingO3_pro"\nprompt_text = "x"\n'
    site.put("clip.mp4", samples.film(5.0))
    site.put("clip.prompt.toml", text.encode())
    before = line_of(plan(site), "clip.mp4")
    assert "unknown" in before
    settings = config.load(site.config, {})
    [(job, _)] = look(settings, inside(settings, None)).drops
    with known(site) as ledger:
        ledger.estimated(job, 10)
    assert line_of(plan(site), "clip.mp4") == before


def test_nothing_is_written_and_runway_is_asked_for_the_account_alone(site: Site) -> None:
    site.drop("cat.png")
    site.cli("run", "--once")
    for name in ("a.png", "b.png"):
        site.drop(name)
    site.put("alone.png", picture())
    before, asked = tree(site.base), site.runway.bill()["requests"]
    told = plan(site, key=True)
    assert line_of(told, "account:").startswith("account: a balance of ")
    assert tree(site.base) == before
    after = site.runway.bill()["requests"]
    more = {what: n - asked.get(what, 0) for what, n in after.items() if n != asked.get(what)}
    assert more == {"GET /v1/organization": 1, "GET /_simulator/bill": 1}


def test_before_the_first_run_it_makes_no_folder_and_no_ledger(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    (site.root / "inbox").rmdir()
    assert plan(site)[0] == "total: nothing to do"
    assert list(site.root.iterdir()) == []
    assert not site.ledger.parent.exists()


# -- a line for each ----------------------------------------------------------------------------------------


def test_a_refused_drop_has_its_problems_and_what_to_do(site: Site) -> None:
    site.drop("good.png")
    site.drop("bad.png", text='ratoi = "x"\nduraton = 5')
    told = plan(site, code=1)
    line = line_of(told, "bad.png")
    assert "refused (params.invalid)" in line
    assert "did you mean `ratio`?" in line
    assert "did you mean `duration`?" in line
    assert line_of(told, "good.png") == "good.png image_to_video gen4.5 60 credits"
    assert line_of(told, "total:") == "total: 1 to be accepted, 1 refused"
    assert price(told) == 60


def test_what_is_no_drop_yet_says_why(site: Site) -> None:
    site.put("alone.png", picture())
    site.put("notes.txt", b"hello")
    site.put("cut.png", picture()[:-40])
    site.put("cut.prompt.toml", sidecar("x"))
    told = plan(site)
    assert line_of(told, "alone.png") == "alone.png - waits for its sidecar, alone.prompt.toml"
    assert "unsupported" in line_of(told, "notes.txt")
    assert "still arriving" in line_of(told, "cut.png -")
    assert line_of(told, "total:") == "total: nothing to do"


def test_a_price_that_is_not_sure_says_so(site: Site) -> None:
    site.drop("kling.png", text='model = "kling3.0_pro"')
    site.drop("odd.png", text='model = "gen9"\nratio = "1280:720"')
    site.config.write_text(site.config.read_text().replace("[state]", "strict_params = false\n[state]"))
    told = plan(site)
    assert line_of(told, "kling.png").endswith("85 credits (the price of kling3.0_pro is not confirmed)")
    assert "the dearest known of image_to_video is assumed" in line_of(told, "odd.png")


def test_names_cannot_steer_the_terminal(site: Site) -> None:
    site.put("\x1b[2J.png", picture())
    site.put("\x1b[2J.prompt.toml", sidecar("x"))
    done = site.cli("plan", environment={})
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "name.unsafe" in done.stdout


def test_a_job_that_a_cap_forbids_is_refused_beforehand(site: Site) -> None:
    site.drop("cat.png", text="[job]\nmax_credits = 50")
    assert "refused (budget.job): It could cost 60 credits" in line_of(plan(site, code=1), "cat.png")


# -- the part that is meant ---------------------------------------------------------------------------------


def test_a_path_narrows_it_to_a_folder_or_a_file(site: Site) -> None:
    for name in ("a/one.png", "a/b/two.png", "ab/three.png", "four.png"):
        site.drop(name)
    inbox = site.root / "inbox"
    assert _names(plan(site, str(inbox / "a"))) == ["a/b/two.png", "a/one.png"]
    assert _names(plan(site, "root/inbox/a/b/")) == ["a/b/two.png"]
    assert _names(plan(site, "root/inbox/four.prompt.toml")) == ["four.png"]
    assert _names(plan(site, str(site.root))) == sorted(
        ["a/b/two.png", "a/one.png", "ab/three.png", "four.png"]
    )


def _names(told: list[str]) -> list[str]:
    return sorted(line.split()[0] for line in told if line.endswith(" credits") and line.startswith("  "))


def test_a_path_through_a_link_to_the_share_is_the_same_path(site: Site) -> None:
    site.drop("a/one.png")
    (site.base / "link").symlink_to(site.root)
    assert _names(plan(site, "link/inbox/a")) == ["a/one.png"]


@pytest.mark.parametrize("path", ["nowhere", "root/inbox/none.png", "root/done", "/"])
def test_a_path_that_is_in_no_inbox_is_a_mistake_of_usage(site: Site, path: str) -> None:
    (site.root / "done").mkdir()
    done = site.cli("plan", path, environment={})
    assert (done.returncode, done.stdout) == (2, "")
    assert "is in no watch's inbox, or not there" in re.sub(r"[^\x20-\x7e]+|\s+", " ", done.stderr)


def test_with_several_watches_each_path_is_whole(site: Site) -> None:
    other = site.base / "other"
    (other / "inbox").mkdir(parents=True)
    (other / "inbox/dog.png").write_bytes(picture())
    (other / "inbox/dog.prompt.toml").write_bytes(sidecar("x"))
    site.drop("cat.png")
    site.config.write_text(site.config.read_text() + f'[[watch]]\nroot = "{other}"\n')
    told = plan(site)
    assert line_of(told, "dog.png").startswith(f"{other}/inbox/dog.png ")
    assert line_of(told, "cat.png").startswith(f"{site.root}/inbox/cat.png ")


# -- the same thing twice -----------------------------------------------------------------------------------


def test_the_same_drop_twice_is_paid_for_once(site: Site) -> None:
    image, text = picture(), sidecar("the same")
    for name in ("a", "b"):
        site.put(f"{name}.png", image)
        site.put(f"{name}.prompt.toml", text)
    site.put("forced.png", image)
    site.put("forced.prompt.toml", text + b"[job]\nforce = true\n")
    told = plan(site)
    assert line_of(told, "b.png") == "b.png image_to_video gen4.5 same as a.png: 0 credits"
    assert line_of(told, "forced.png").endswith(" 60 credits")
    assert price(told) == 120
    assert "for 2 generations; 1 at no cost" in line_of(told, "price:")


def test_what_is_done_is_shared_as_long_as_its_film_is_there(site: Site) -> None:
    image, text = picture(), sidecar(unique())
    site.put("a.png", image)
    site.put("a.prompt.toml", text)
    site.cli("run", "--once")
    [(done,)] = site.rows("SELECT id FROM jobs")
    site.put("again.png", image)
    site.put("again.prompt.toml", text)
    assert line_of(plan(site), "again.png").endswith(f" same as {done}: 0 credits")
    (site.root / "done/a.out.mp4").unlink()
    assert line_of(plan(site), "again.png").endswith(" 60 credits")


def test_files_moved_back_from_failed_are_told_once_and_paid_for(site: Site) -> None:
    site.runway.fault("create", {"status": 400})
    site.drop("cat.png")
    site.cli("run", "--once")
    site.runway.well()
    assert site.counts() == {"failed": 1}
    site.back_to_inbox("failed", "cat.png", "cat.prompt.toml")
    told = plan(site)
    assert line_of(told, "cat.png").endswith(" 60 credits")
    assert line_of(told, "total:") == "total: 1 to be accepted"


def test_a_held_job_whose_files_lie_in_the_inbox_again_is_not_its_own_double(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    site.cli("run", "--once")
    site.runway.well()
    assert site.counts() == {"held": 1}
    assert "submit.uncertain" in line_of(plan(site, code=1), "cat.png")
    site.back_to_inbox("processing", "cat.png", "cat.prompt.toml")
    told = plan(site)
    assert line_of(told, "cat.png").endswith(" 60 credits")
    assert line_of(told, "total:") == "total: 1 to be accepted"


# -- the queue ----------------------------------------------------------------------------------------------


def test_the_queue_is_told_in_its_order_and_what_is_begun_or_held_apart(site: Site) -> None:
    doubt = Verdict("submit", "submit.uncertain", "Nobody knows.")
    admit(site, "late", accepted_at=samples.NOW + 5)
    admit(site, "early", State.UPLOADING, accepted_at=samples.NOW + 1)
    admit(site, "first", priority=7, accepted_at=samples.NOW + 9)
    admit(site, "odd", price=None, accepted_at=samples.NOW + 10)
    admit(site, "busy", State.RUNNING, started_at=clock.now())
    admit(site, "stuck", State.HELD, verdict=doubt)
    site.drop("new.png")
    told = plan(site, code=1)
    places = [told.index(line) for line in told if line.endswith("):")]
    assert [told[at] for at in places] == [
        "in the inbox (1):",
        "in the queue (4):",
        "at Runway (1):",
        "held (1):",
    ]
    assert [line.split()[0] for line in told[places[1] + 1 : places[2]]] == [
        *("first.png", "early.png", "late.png", "odd.png")
    ]
    assert line_of(told, "odd.png").endswith("unknown (odd, ready)")
    assert line_of(told, "busy.png").endswith("60 credits (busy, running)")
    assert line_of(told, "stuck.png").endswith("60 credits (stuck, submit.uncertain)")
    assert line_of(told, "total:") == "total: 1 to be accepted, 4 in the queue, 1 at Runway, 1 held"
    assert line_of(told, "price:") == "price: 240 credits at most for 5 generations, and 1 of unknown price"


def test_what_waits_for_another_ones_result_costs_nothing(site: Site) -> None:
    admit(site, "leader")
    admit(site, "second", duplicate_of="leader")
    told = plan(site)
    assert line_of(told, "second.png").endswith("same as leader: 0 credits (second, ready)")
    assert price(told) == 60


def test_a_job_whose_root_is_not_watched_any_more_is_left_out(site: Site) -> None:
    admit(site, "here")
    with known(site) as ledger:
        gone = samples.job("gone", root="/gone")
        ledger.admit([(gone, [samples.call("gone")])])
    assert line_of(plan(site), "total:") == "total: 1 in the queue"


# -- money and time -----------------------------------------------------------------------------------------


def test_it_says_after_which_file_the_balance_ends(site: Site) -> None:
    account(site, balance=190)
    add(site, "[budget]\nreserve = 50\n")
    for name in ("a", "b/cat 2", "b/d", "b/e"):
        site.drop(f"{name}.png")
    told = plan(site, code=1)
    assert line_of(told, "account:").startswith(
        "account: a balance of 190 credits, 50 of them in reserve - there is no key, as of "
    )
    assert line_of(told, "money:") == (
        "money: the balance of 190 credits ends after the 2nd: b/cat 2.png; buy credits"
    )
    assert line_of(told, "never:").startswith("never: 2 generations will not begin - the balance")
    assert line_of(told, "finish:").startswith("finish: 2 of 4 generations at ")


def test_it_says_after_which_file_todays_budget_ends_and_when_it_goes_on(site: Site) -> None:
    add(site, '[budget]\ncredits_per_day = 100\n[schedule]\ntimezone = "UTC"\n')
    for name in ("a", "b", "c"):
        site.drop(f"{name}.png")
    told = plan(site)
    assert re.fullmatch(
        r"money: today's budget ends after the 1st: a\.png; it goes on at \w+ \d\d \w+ \d{4} 00:00 UTC",
        line_of(told, "money:"),
    )
    assert re.search(r"in (1 d \d+ h|2 d 0 h)$", line_of(told, "finish:"))


def test_it_ends_by_what_its_kind_usually_takes_at_the_accounts_concurrency(site: Site) -> None:
    account(site, ago=3 * 3600, concurrency={"gen4.5": 2, "gen4_turbo": 1})
    with known(site) as ledger:
        for seconds in (700.0, 600.0, 900.0):
            ledger.took("image_to_video/gen4.5/5", seconds)
    for n in range(6):
        site.drop(f"{n}.png")
    told = plan(site)
    assert line_of(told, "finish:").endswith(", in 30 min")
    assert line_of(told, "at a time:") == "at a time: 2 of gen4.5"
    assert line_of(told, "account:").endswith(" (3 h 0 min ago)")
    assert not [line for line in told if line.startswith("duration:")]
    site.configure(in_flight=6)
    assert line_of(plan(site), "finish:").endswith(", in 10 min")


def test_what_is_assumed_is_said(site: Site) -> None:
    site.drop("a.png")
    told = plan(site)
    assert line_of(told, "account:") == "account: the balance is not known - there is no key"
    assert (
        line_of(told, "at a time:") == "at a time: 1 of each model is assumed, for the account is not known"
    )
    assert line_of(told, "duration:") == "duration: 60 s is assumed for gen4.5: none has been seen"
    assert line_of(told, "finish:").endswith(", in 60 s")


def test_an_appointment_and_a_running_task_are_waited_for(site: Site) -> None:
    admit(site, "busy", State.RUNNING, started_at=clock.now() + 40)
    site.drop("a.png")
    assert line_of(plan(site), "finish:").endswith(", in 3 min")
    site.drop("b.png", text="[job]\nnot_before = 2190-01-01T00:00:00Z")
    assert " Jan 2190 00:01 " in line_of(plan(site), "finish:")


def test_a_model_that_the_account_does_not_allow_never_begins(site: Site) -> None:
    account(site, concurrency={"gen4.5": 0})
    site.drop("a.png")
    told = plan(site, code=1)
    assert line_of(told, "never:") == (
        "never: 1 generation will not begin - the account allows none of their model"
    )


# -- what is wrong ------------------------------------------------------------------------------------------


def test_a_hold_that_only_people_lift_is_told(site: Site) -> None:
    with known(site) as ledger:
        ledger.hold(begun=[Hold("paused", samples.NOW, message="by a person")], ended=[], at=samples.NOW)
    site.drop("a.png")
    told = plan(site, code=1)
    assert re.search(r"^hold: paused \(everything\) since .* - by a person$", line_of(told, "hold:"))
    assert line_of(told, "finish:").endswith(", were there no hold")


def test_a_key_that_is_not_accepted_is_a_fault_and_an_api_that_is_away_is_none(site: Site) -> None:
    site.drop("a.png")
    wrong = site.cli("plan", environment={"RUNWAYML_API_SECRET": "key_wrong"})
    assert wrong.returncode == 1
    assert "Runway does not accept the key" in wrong.stdout
    site.config.write_text(site.config.read_text().replace(site.runway.base_url, "http://127.0.0.1:9"))
    away = plan(site, key=True)
    assert "Runway does not answer" in line_of(away, "account:")


def test_a_ledger_that_cannot_be_read_leaves_a_plan_without_it(site: Site) -> None:
    site.ledger.parent.mkdir()
    site.ledger.write_bytes(b"no database" * 1000)
    site.drop("a.png")
    told = plan(site, code=1)
    assert line_of(told, "a.png").endswith(" 60 credits")
    assert "this plan is made without the ledger" in line_of(told, "trouble:")


def test_a_share_that_is_not_there_is_a_fault_and_no_empty_one(site: Site) -> None:
    site.root.rename(site.base / "away")
    told = plan(site, code=1)
    assert "inbox cannot be read" in line_of(told, "trouble:")


def test_a_configuration_that_cannot_be_used_is_78(site: Site) -> None:
    add(site, "[nonsense]\n")
    assert site.cli("plan", environment={}).returncode == 78


def test_a_folder_that_is_missing_is_no_reason_not_to_plan(site: Site) -> None:
    admit(site, "cat")
    site.drop("cat.png")
    assert line_of(plan(site), "total:") == "total: 1 to be accepted, 1 in the queue"
