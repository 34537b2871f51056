"""Links, pipes and folders are planted while a daemon works, under names that it needs: nothing gets out."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import Daemon, Site, eventually
from tests.hostile.things import Thing, link, put

OBSTACLES: dict[str, Thing] = {
    "link": link("secret.png"),
    "link to nothing": link("made"),
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
}
HALVES = ("processing/.{}-1-1.part", "done/.{}.result.toml.part")
"""Names under which a job writes before it has a final one; its id is to be seen while it runs."""


@contextmanager
def at_runway(site: Site, *names: str) -> Iterator[tuple[Daemon, dict[str, str]]]:
    """A daemon, and the ids of jobs that Runway is at work on while the block lasts; then all are done."""
    site.runway.fault("task", {"task_status": "RUNNING"}, times=None)
    for name in names:
        site.drop(f"{name}.png")
    with site.daemon() as daemon:
        site.reaches(running=len(names))
        yield daemon, dict(site.rows("SELECT name, id FROM jobs"))
        site.runway.well()
        site.reaches(done=len(site.rows("SELECT 1 FROM jobs")))
        assert daemon.stop() == 0


def test_what_is_planted_under_a_hidden_name_is_removed_and_not_followed(site: Site, outside: Path) -> None:
    with at_runway(site, *OBSTACLES) as (_, jobs):
        for name, job in jobs.items():
            for half in HALVES:
                put(site.root / half.format(job), OBSTACLES[name])
    site.verify()  # no hidden name is left


@pytest.mark.parametrize("half", HALVES)
def test_a_folder_with_something_in_it_is_told_of_and_waited_for(
    site: Site, outside: Path, half: str
) -> None:
    with at_runway(site, "cat") as (daemon, jobs):
        planted = site.root / half.format(jobs["cat"])
        put(planted / "in the way", b"")
        site.runway.well()
        [line] = eventually(lambda: daemon.events("job.retry_scheduled"), what="it waits")
        assert "move it away" in line["message"]
        planted.rename(site.base / "moved away")
    site.verify()


def test_what_is_planted_under_a_final_name_is_not_replaced(site: Site, outside: Path) -> None:
    planted = {
        "cat.out.mp4": OBSTACLES["link to nothing"],
        "cat (2).result.toml": OBSTACLES["folder"],
        "cat (3).png": OBSTACLES["pipe"],
        "cat (4).prompt.toml": OBSTACLES["link"],
    }
    with at_runway(site, "cat"):
        for name, thing in planted.items():
            put(site.root / "done" / name, thing)
    assert [name for name in planted if stat.S_ISREG((site.root / "done" / name).lstat().st_mode)] == []
    assert site.record("done", "cat (5).result.toml")["generation"][0]["outputs"] == ["cat (5).out.mp4"]


def test_a_name_that_is_taken_after_it_was_chosen_is_not_replaced(site: Site, outside: Path) -> None:
    with at_runway(site, "cat") as (daemon, jobs):
        planted = site.root / HALVES[1].format(jobs["cat"])
        put(planted / "in the way", b"")
        site.runway.well()
        eventually(lambda: daemon.events("job.retry_scheduled"), what="the name is chosen")
        put(site.root / "done/cat.result.toml", link("made"))
        planted.rename(site.base / "moved away")
    assert (site.root / "done/cat.result.toml").is_symlink()
    assert site.record("done", "cat (2).result.toml")["generation"][0]["outputs"] == ["cat (2).out.mp4"]


@pytest.mark.parametrize("place", ["processing", "done"])
def test_a_folder_that_becomes_a_link_is_not_entered(site: Site, outside: Path, place: str) -> None:
    folder, kept = site.root / place / "sub", site.root / "kept"
    with at_runway(site, "sub/cat") as (daemon, _):
        folder.mkdir(exist_ok=True)
        folder.rename(kept)
        folder.symlink_to(outside)
        site.runway.well()
        eventually(lambda: daemon.events("job.retry_scheduled"), what="it waits")
        folder.unlink()
        kept.rename(folder)
    site.verify()


def test_files_that_cannot_be_taken_back_to_their_job_keep_nobody_waiting(site: Site, outside: Path) -> None:
    folder, kept = site.root / "processing/sub", site.root / "kept"
    with at_runway(site, "sub/cat") as (daemon, _):
        for path in folder.iterdir():
            path.rename(site.root / "inbox/sub" / path.name)
        folder.rename(kept)
        folder.symlink_to(outside)
        site.drop("dog.png")
        site.reaches(running=2)
        assert daemon.events("share.refused")
        folder.unlink()
        kept.rename(folder)
        eventually(lambda: daemon.events("files.returned"), what="they are taken back")
    site.verify()
