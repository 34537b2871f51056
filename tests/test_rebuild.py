"""A ledger that was deleted or is broken is built anew from the folders, and nothing is paid for twice."""

import os
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runway_watch.daemon import rebuilding, strays
from runway_watch.daemon.rebuilding import open_ledger
from runway_watch.errors import LedgerError
from runway_watch.ledger import Ledger
from runway_watch.ledger import aside as ledger_aside
from runway_watch.ledger.aside import Damaged, damage, set_aside
from runway_watch.ledger.restoring import restore
from tests import killing
from tests.forked import KILLED, Forked, run
from tests.harness import Daemon, Runway, Site, eventually, picture, sidecar, simulator, unique
from tests.killing import Kill

ONCE = ("run", "--once")


@pytest.fixture
def runway() -> Iterator[Runway]:
    with simulator() as found:
        yield found


@pytest.fixture
def site(runway: Runway, tmp_path: Path) -> Site:
    return Site(tmp_path, runway)


def forget(site: Site) -> None:
    """Delete the ledger, as a person does who believes that it is in the way."""
    for path in site.ledger.parent.glob(f"{site.ledger.name}*"):
        if not path.name.endswith(".lock"):
            path.unlink()


def aside(site: Site) -> list[Path]:
    """Ledgers that were set aside, without what belongs to them."""
    found = site.ledger.parent.glob(f"{site.ledger.name}.broken-*")
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm")))


def events(site: Site, name: str) -> list[dict[str, Any]]:
    """What all daemons of a site logged under one name."""
    return [line for log in sorted(site.logs.iterdir()) for line in Daemon(None, log).events(name)]  # type: ignore[arg-type]


def times_paid(site: Site, prompt: str) -> int:
    return sum(task["body"].get("promptText") == prompt for task in site.runway.bill()["tasks"])


# -- deleted at every stage ---------------------------------------------------------------------------------

STAGES = {
    "accepted": (Kill("admit", "after"), "done"),
    "arrived": (Kill("arrived", "after"), "held"),
    "uploading": (Kill("move", "after", ("ready", "upload")), "held"),
    "uploaded": (Kill("move", "after", ("uploading", "uploaded")), "held"),
    "submitting": (Kill("move", "after", ("uploading", "submit")), "held"),
    "answered": (Kill("move", "before", ("submitting", "submitted")), "held"),
    "running": (Kill("move", "after", ("submitting", "submitted")), "held"),
    "collecting": (Kill("move", "after", ("running", "succeeded")), "held"),
    "collected": (Kill("move", "after", ("collecting", "collected")), "held"),
    "aimed": (Kill("aim", "after"), "held"),
    "recorded": (Kill("record", "after"), "done"),
    "retired": (Kill("retire", "after"), "done"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_ledger_deleted_at_any_stage_loses_nothing_and_pays_for_nothing_twice(
    stage: str, site: Site
) -> None:
    kill, state = STAGES[stage]
    prompt = site.drop("holiday/cat.png")
    assert run(site, *ONCE, kill=kill) == KILLED
    known = [job for (job,) in site.rows("SELECT id FROM jobs")]
    paid = times_paid(site, prompt)
    forget(site)
    assert run(site, *ONCE) == (1 if state == "held" else 0)
    site.verify()
    assert site.counts() == {state: 1}
    if stage != "accepted":
        assert times_paid(site, prompt) == paid
    if state == "held":
        held = site.record("processing", "holiday/cat.held.toml")
        assert (held["code"], "ledger was lost" in held["message"]) == ("submit.uncertain", True)
        assert run(site, "retry", "--all") == 0
        assert run(site, *ONCE) == 0
        assert times_paid(site, prompt) <= paid + 1
    elif stage != "accepted":
        assert known == [job for (job,) in site.rows("SELECT id FROM jobs")]
    site.verify()
    assert site.counts() == {"done": 1}
    assert site.files("processing") == []


@pytest.mark.parametrize(("nth", "paid"), [(1, 0), (3, 1), (4, 1)])
def test_a_pair_that_a_crash_has_torn_apart_comes_together_again(nth: int, paid: int, site: Site) -> None:
    prompt = site.drop("holiday/cat.png")
    assert run(site, *ONCE, kill=Kill("rename", "after", nth=nth)) == KILLED
    forget(site)
    assert run(site, *ONCE) == 1
    assert (site.counts(), times_paid(site, prompt)) == ({"held": 1}, paid)
    held = [f"holiday/cat.{end}" for end in ("held.toml", "png", "prompt.toml")]
    assert site.files("processing") == held
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 1}, paid + 1)


def test_what_was_filed_before_its_record_was_written_is_known_as_done(site: Site) -> None:
    content, prompt = picture(), unique()
    site.put("cat.png", content)
    site.put("cat.prompt.toml", sidecar(prompt))
    assert run(site, *ONCE, kill=Kill("rename", "after", nth=5)) == KILLED
    forget(site)
    site.put("again.png", content)
    site.put("again.prompt.toml", sidecar(prompt))
    assert run(site, *ONCE) == 0
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 2}, 1)
    told = site.record("done", "cat.result.toml")
    assert (told["credits"], told["charged"]) == (0, "unknown")
    assert site.record("done", "again.result.toml")["duplicate_of"] == told["job"]
    site.verify()


def test_half_a_pair_takes_nothing_away_from_what_is_whole_or_filed(site: Site) -> None:
    site.drop("done.png")
    assert run(site, *ONCE) == 0
    site.drop("failed.png", text="ratoi = 1")
    assert run(site, *ONCE) == 1
    for name in ("done.png", "failed.png"):
        site.put(f"../processing/{name}", picture())
    before = [site.files(place) for place in ("done", "failed", "processing")]
    run(site, *ONCE)
    assert [site.files(place) for place in ("done", "failed", "processing")] == before
    assert len(events(site, "file.unknown")) == 2


# -- what records tell --------------------------------------------------------------------------------------


def test_what_is_done_is_not_paid_for_again_when_the_same_drop_comes(site: Site) -> None:
    picture_, prompt = picture(), unique()
    site.put("_refs/style.png", picture(), counts=False)
    text = sidecar(
        prompt,
        'model = "gen4_image"\nratio = "1920:1080"\n[[reference_images]]\nuri = "file:_refs/style.png"\n'
        'tag = "style"\n[job]\noperation = "text_to_image"',
    )
    site.put("cat.png", picture_)
    site.put("cat.prompt.toml", text)
    assert run(site, *ONCE) == 0
    before = site.rows(
        'SELECT id, wish, operation, model, params, name, folder, dropped_as, "references" FROM jobs'
    )
    forget(site)
    site.put("again.png", picture_)
    site.put("again.prompt.toml", text)
    assert run(site, *ONCE) == 0
    assert (
        site.rows(
            'SELECT id, wish, operation, model, params, name, folder, dropped_as, "references" FROM jobs '
            "WHERE duplicate_of IS NULL"
        )
        == before
    )
    assert times_paid(site, prompt) == 1
    assert site.record("done", "again.result.toml")["duplicate_of"] == before[0][0]
    site.verify()


def test_what_failed_keeps_its_name_and_goes_on_from_where_it_was(site: Site) -> None:
    site.runway.fault("output", {"garbage": True}, times=None)
    prompt = site.drop()
    assert run(site, *ONCE) == 1
    [before] = site.rows("SELECT id, state, wish, params, price FROM jobs")
    assert before[1] == "failed"
    forget(site)
    site.runway.well()
    assert run(site, *ONCE) == 0
    assert site.rows("SELECT id, state, wish, params, price FROM jobs") == [before]
    site.verify()
    assert run(site, "retry", before[0]) == 0
    assert run(site, *ONCE) == 0
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 1}, 1)
    site.verify()


def test_a_refused_drop_and_a_cancelled_one_are_known_again_and_can_be_mended(site: Site) -> None:
    site.put("bad.png", picture())
    site.put("bad.prompt.toml", b"prompt_tex = 'x'\n")
    site.drop("calm.png")
    with site.daemon() as daemon:
        site.reaches(failed=1, done=1)
        site.runway.fault("create", {"status": 429}, times=None)
        site.drop("wild.png")
        eventually(lambda: site.counts().get("uploading"), what="the drop waits")
        assert site.cli("cancel", str(site.root / "processing/wild.png")).returncode == 0
        site.reaches(failed=1, done=1, cancelled=1)
        daemon.stop()
    before = site.rows("SELECT id, state, place, name, verdict FROM jobs ORDER BY id")
    forget(site)
    assert run(site, *ONCE) == 0
    assert site.rows("SELECT id, state, place, name, verdict FROM jobs ORDER BY id") == before
    site.verify()
    site.runway.well()
    site.mend(site.root / "failed/bad.prompt.toml", sidecar(unique()))
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 3}
    site.verify()


def test_what_was_charged_today_still_counts_and_no_cap_is_passed(site: Site) -> None:
    site.drop("a.png", text="duration = 5")
    assert run(site, *ONCE) == 0
    [(credits_,)] = site.rows("SELECT credits FROM generations")
    with_cap = site.config.read_text() + f"[budget]\ncredits_per_day = {credits_ + 1}\n"
    site.config.write_text(with_cap)
    forget(site)
    prompt = site.drop("b.png", text="duration = 5")
    assert run(site, *ONCE) == 1
    assert times_paid(site, prompt) == 0
    assert site.rows("SELECT sum(credits) FROM charges") == [(credits_,)]
    assert [row[0] for row in site.rows("SELECT reason FROM holds WHERE ended_at IS NULL")] == ["budget"]


def test_records_of_an_older_version_are_read_as_far_as_they_go(site: Site) -> None:
    content, text = picture(), sidecar(unique())
    site.put("cat.png", content)
    site.put("cat.prompt.toml", text)
    assert run(site, *ONCE) == 0
    wish = site.rows("SELECT wish, inputs FROM jobs")
    path = site.root / "done/cat.result.toml"
    old = tomllib.loads(path.read_text())
    path.write_text(path.read_text().partition("[ledger]")[0])
    assert "ledger" in old
    forget(site)
    assert run(site, *ONCE) == 0
    assert [row[0] for row in site.rows("SELECT wish FROM jobs")] == [wish[0][0]]
    site.verify()


def test_a_record_that_is_none_of_ours_is_passed_over_and_told_of(site: Site) -> None:
    site.drop()
    assert run(site, *ONCE) == 0
    done = site.root / "done"
    good = (done / "cat.result.toml").read_text()
    bad = {
        "none": "what is this",
        "escape": good.replace('job = "', 'job = "../'),
        "bomb": ".".join("a" * 20_000) + " = 1",
        "deep": "schema = 1\na = " + "[" * 5000,
        "failed": good.replace('status = "done"', 'status = "failed"'),
        "twice": good,
        "other": good.replace("schema = 1", "schema = 2"),
    }
    for name, text in bad.items():
        (done / f"{name}.result.toml").write_text(text)
    (done / "link.result.toml").symlink_to("/etc/passwd")
    forget(site)
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 1}
    told = {Path(line["path"]).name for line in events(site, "record.unreadable")}
    assert told == {f"{name}.result.toml" for name in bad if name != "twice"} | {"link.result.toml"}


def test_a_film_that_somebody_has_taken_away_is_no_obstacle(site: Site) -> None:
    content, text = picture(), sidecar(unique())
    site.put("cat.png", content)
    site.put("cat.prompt.toml", text)
    assert run(site, *ONCE) == 0
    (site.root / "done/cat.out.mp4").unlink()
    forget(site)
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 1}


# -- what lies in processing/ -------------------------------------------------------------------------------


def stop_with(site: Site, count: int) -> None:
    """Kill a daemon that has accepted so many drops and submitted none."""
    with site.daemon() as daemon:
        eventually(lambda: len(site.rows("SELECT id FROM jobs WHERE place = 'processing'")) == count)
        eventually(lambda: {"uploading", "done"} >= set(site.counts()), what="nothing is on its way")
        daemon.kill()


def test_every_kind_of_drop_in_processing_is_held_and_comes_to_its_end(site: Site) -> None:
    site.runway.fault("create", {"status": 429}, times=None)
    site.put(
        "presets/_folder.prompt.toml",
        f'prompt_text = "{unique()}"\n[job]\nsidecar = "optional"\n'.encode(),
        counts=False,
    )
    site.put("presets/bare.png", picture())
    site.put("_refs/style.png", picture(), counts=False)
    site.put(
        "alone.prompt.toml",
        sidecar(
            unique(),
            'model = "gen4_image"\nratio = "1920:1080"\n[[reference_images]]\n'
            'uri = "file:_refs/style.png"\ntag = "style"\n[job]\noperation = "text_to_image"',
        ),
    )
    site.drop("holiday/monday/cat.png")
    site.put("dog.png", picture())
    site.put("dog.png.prompt.toml", sidecar(unique(), "[job]\npriority = 7"))
    stop_with(site, 4)
    before = dict(site.rows("SELECT name, wish FROM jobs"))
    forget(site)
    lone = site.root / "processing/film.mp4"
    lone.write_bytes(b"\0" * 9000)
    (site.root / "processing/.261120-00000000-1-1.part").write_bytes(b"half")
    assert run(site, *ONCE) == 1
    assert site.counts() == {"held": 4}
    assert dict(site.rows("SELECT name, wish FROM jobs")) == before
    assert site.rows("SELECT priority FROM jobs WHERE name = 'dog'") == [(7,)]
    assert not list(site.root.rglob("*.part"))
    assert [line["path"] for line in events(site, "file.unknown")] == [str(lone)]
    assert lone.exists()
    lone.unlink()
    site.verify()
    site.runway.well()
    told = site.cli("retry", "--all", "--dry-run").stdout
    assert "4 jobs, at most" in told
    assert "unknown" not in told.splitlines()[-1]
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert site.counts() == {"done": 4}
    site.verify()


def test_what_was_held_before_keeps_its_name_and_its_evidence(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True}, times=1)
    prompt = site.drop()
    assert run(site, *ONCE) == 1
    [before] = site.rows("SELECT id FROM jobs WHERE state = 'held'")
    record = site.record("processing", "cat.held.toml")
    forget(site)
    assert run(site, *ONCE) == 1
    assert site.rows("SELECT id FROM jobs WHERE state = 'held'") == [before]
    again = site.record("processing", "cat.held.toml")
    assert {key: again.get(key) for key in record} == record
    site.verify()
    assert run(site, "retry", before[0]) == 0
    assert run(site, *ONCE) == 0
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 1}, 2)
    site.verify()


def test_what_cannot_be_sent_again_says_so_and_says_that_nobody_knows(site: Site) -> None:
    site.runway.fault("create", {"status": 429}, times=None)
    site.put("_refs/style.png", picture(), counts=False)
    prompt = unique()
    site.put(
        "alone.prompt.toml",
        sidecar(
            prompt,
            'model = "gen4_image"\nratio = "1920:1080"\n[[reference_images]]\n'
            'uri = "file:_refs/style.png"\ntag = "style"\n[job]\noperation = "text_to_image"',
        ),
    )
    stop_with(site, 1)
    forget(site)
    (site.root / "inbox/_refs/style.png").unlink()
    assert run(site, *ONCE) == 1
    error = site.record("failed", "alone.error.toml")
    assert (error["code"], error["charged"], error["retryable"]) == ("reference.missing", "unknown", False)
    assert "nobody knows" in error["message"]
    site.verify()
    site.runway.well()
    site.put("_refs/style.png", picture(), counts=False)
    assert run(site, "retry", "--all") == 0
    assert run(site, *ONCE) == 0
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 1}, 1)


def test_files_that_a_person_puts_into_processing_are_held_too_though_the_ledger_is_there(site: Site) -> None:
    site.drop("a.png")
    assert run(site, *ONCE) == 0
    prompt = site.drop("b.png")
    for name in ("b.png", "b.prompt.toml"):
        (site.root / "inbox" / name).rename(site.root / "processing" / name)
    assert run(site, *ONCE) == 1
    assert (site.counts(), times_paid(site, prompt)) == ({"done": 1, "held": 1}, 0)
    site.verify()


def test_a_record_of_being_held_whose_files_have_gone_goes_too(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True}, times=1)
    prompt = site.drop()
    assert run(site, *ONCE) == 1
    forget(site)
    site.back_to_inbox("processing", "cat.png", "cat.prompt.toml")
    assert run(site, *ONCE) == 0
    assert (site.counts(), site.files("processing")) == ({"done": 1}, [])
    assert times_paid(site, prompt) == 2  # moving it to the inbox was a person's word


def die_at_restore(
    words: tuple[str, ...], surroundings: dict[str, str], log: str, nth: int, when: str
) -> None:
    """The command line in this process, which dies when it commits what it has rebuilt for the nth time."""
    left = [nth]

    def dying(ledger: Ledger, *args: Any, **kwargs: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            killing._die_at_commit(ledger, when)
        restore(ledger, *args, **kwargs)

    os.environ.clear()
    os.environ.update(surroundings)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    for module in (rebuilding, strays):
        setattr(module, "restore", dying)  # noqa: B010 - mypy knows it as no name of theirs
    killing.main(words, None)


def test_a_start_that_is_killed_while_it_rebuilds_begins_again(site: Site) -> None:
    site.drop("a.png")
    assert run(site, *ONCE) == 0
    site.runway.fault("create", {"status": 429}, times=None)
    site.drop("b.png")
    stop_with(site, 1)
    forget(site)
    words = (*ONCE, "--config", str(site.config))
    for nth, when, counts in (
        (1, "before", {}),
        (1, "after", {"done": 1}),
        (1, "before", {"done": 1}),  # what is in done/ is known by now
        (1, "after", {"done": 1, "held": 1}),
    ):
        log = str(site.logs / f"{nth}-{when}-{len(counts)}.log")
        assert Forked(die_at_restore, words, site.surroundings(), log, nth, when).wait(60) == KILLED
        assert site.counts() == counts
    assert run(site, *ONCE) == 1
    assert site.counts() == {"done": 1, "held": 1}
    site.verify()


# -- broken in several ways ---------------------------------------------------------------------------------


def rubbish(path: Path) -> None:
    """A page in the middle overwritten."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4096 // 2 * 4096)
        file.write(os.urandom(4096))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def zeroed(path: Path) -> None:
    """A sector without its contents, within rows."""
    raw = path.read_bytes()
    at = raw.index(b"prompt_text")
    path.write_bytes(raw[: at - 8] + bytes(64) + raw[at + 56 :])


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


BREAKS: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"what is this " * 1000),
    "empty": lambda path: os.truncate(path, 0),
    "a page of rubbish": rubbish,
    "a header of rubbish": lambda path: path.write_bytes(os.urandom(100) + path.read_bytes()[100:]),
    "truncated": cut,
    "a sector of zeros": zeroed,
    "no version": lambda path: sql(path, "DELETE FROM meta WHERE key = 'version'"),
    "no number for a version": lambda path: sql(path, "UPDATE meta SET value = 'x' WHERE key = 'version'"),
    "no table of versions": lambda path: sql(path, "DROP TABLE meta"),
    "orphans": lambda path: sql(path, "DELETE FROM history", "DELETE FROM jobs WHERE state = 'done'"),
}


FOUND_BY_A_CLOSER_LOOK = ("a page of rubbish", "a sector of zeros", "orphans")
"""What readers may not come upon; they do not look at every page."""


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_ledger_is_set_aside_as_it_is_and_built_anew(how: str, site: Site) -> None:
    site.drop("a.png")
    assert run(site, *ONCE) == 0
    site.runway.fault("create", {"reset_after": True})
    prompt = site.drop("b.png")
    assert run(site, *ONCE) == 1
    known = site.rows("SELECT id, state, wish FROM jobs ORDER BY id")
    BREAKS[how](site.ledger)
    broken = site.ledger.read_bytes()
    for words in (("status",), ("check",), ("retry", "--all", "--dry-run")):
        said = site.cli(*words)
        if how not in FOUND_BY_A_CLOSER_LOOK:
            assert said.returncode == 1
            assert "the daemon sets it aside at its next start" in said.stdout + said.stderr
    assert site.ledger.read_bytes() == broken
    assert run(site, *ONCE) == 1
    [there] = aside(site)
    assert there.read_bytes() == broken
    [told] = events(site, "ledger.set_aside")
    assert (told["level"], told["path"]) == ("error", str(there))
    assert site.rows("SELECT id, state, wish FROM jobs ORDER BY id") == known
    assert times_paid(site, prompt) == 1
    site.verify()
    assert run(site, *ONCE) == 1
    assert aside(site) == [there]


def test_an_order_to_a_ledger_that_is_found_to_be_broken_is_refused(site: Site) -> None:
    site.ledger.parent.mkdir()
    site.ledger.write_bytes(b"what is this")
    said = site.cli("pause")
    assert (said.returncode, "the daemon sets it aside" in said.stderr) == (1, True)
    assert (site.ledger.read_bytes(), aside(site)) == (b"what is this", [])


def test_what_was_not_yet_taken_over_into_the_file_goes_aside_with_it(site: Site) -> None:
    with site.daemon() as daemon:
        site.drop()
        site.reaches(done=1)
        daemon.kill()
    log = site.ledger.with_name(site.ledger.name + "-wal")
    content = log.read_bytes()
    assert content
    os.truncate(site.ledger, 0)
    site.cli("status")
    assert log.read_bytes() == content
    assert run(site, *ONCE) == 0
    [there] = aside(site)
    assert there.with_name(there.name + "-wal").read_bytes() == content
    assert site.counts() == {"done": 1}


def test_a_log_that_is_left_of_a_ledger_is_set_aside_too(site: Site) -> None:
    with site.daemon() as daemon:
        site.drop()
        site.reaches(done=1)
        daemon.kill()
    site.ledger.unlink()
    assert run(site, *ONCE) == 0
    assert list(site.ledger.parent.glob("*.broken-*-wal"))
    assert site.counts() == {"done": 1}
    site.verify()


def test_a_healthy_ledger_is_never_set_aside_however_often_its_daemon_is_killed(site: Site) -> None:
    for n in range(5):
        site.drop(f"cat {n}.png")
        with site.daemon() as daemon:
            eventually(lambda n=n: sum(site.counts().values()) > n, what="it was accepted")  # type: ignore[misc]
            daemon.kill()
    run(site, *ONCE)
    assert not aside(site)
    assert not events(site, "ledger.set_aside")


def test_a_ledger_that_is_locked_newer_or_somebody_elses_is_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ledger.sqlite3"
    Ledger(f"sqlite:///{file}").close()
    sql(file, "UPDATE meta SET value = '999' WHERE key = 'version'")
    assert damage(file) is None
    with pytest.raises(LedgerError, match="newer"):
        open_ledger(f"sqlite:///{file}")
    sql(file, "UPDATE meta SET value = '2' WHERE key = 'version'")
    sql(file, "PRAGMA journal_mode = DELETE")
    monkeypatch.setattr(ledger_aside, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="locked"):
            damage(file)
    theirs = tmp_path / "places.sqlite"
    sql(theirs, "CREATE TABLE bookmarks (url TEXT)")
    for refused in (theirs, tmp_path):
        with pytest.raises(LedgerError) as told:
            open_ledger(f"sqlite:///{refused}")
        assert not isinstance(told.value, Damaged)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.sqlite3", "places.sqlite"]


def test_two_ledgers_that_break_within_a_second_are_both_kept(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    places = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        places.append(set_aside(file, at=1_795_176_000.0))
    assert [place.name for place in places] == [
        "ledger.sqlite3.broken-20261120T120000Z",
        "ledger.sqlite3.broken-20261120T120000Z-2",
    ]
    assert [place.read_bytes() for place in places] == [b"one", b"two"]
