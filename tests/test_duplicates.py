"""The same drop twice is paid for once; what has changed, or was forced, is a drop of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Runway, Site, eventually, picture, sidecar, simulator, unique

ONCE = ("run", "--once")


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    with simulator() as runway:
        yield runway


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    stand_in.change(seconds=0.3)
    return Site(tmp_path, stand_in)


def drop(site: Site, name: str, content: bytes, text: str) -> None:
    site.put(f"{name}.prompt.toml", text.encode())
    site.put(f"{name}.png", content)


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
        status = site.cli("status").stdout
        assert "asks for the same as" in status
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
    assert site.cli("retry", "--all").returncode == 0
    assert site.cli(*ONCE).returncode == 0
    assert site.counts() == {"done": 3}
    site.verify()
