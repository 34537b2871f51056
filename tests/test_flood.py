"""Very many files at once: all are taken, none twice, nobody waits for another's heap, and memory is bounded.

How fast that goes is told by `benchmarks/flood.py`.
"""

import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from runway_watch.config import WatchSettings
from runway_watch.daemon.porter import bring_in
from runway_watch.job import Place
from runway_watch.spool import Spool
from runway_watch.stages.survey import Known, survey
from tests import samples
from tests.harness import Daemon, Runway, Site, eventually, picture, sidecar, simulator, unique
from tests.test_arrival import VIDEO, Stage, play


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path, runway: Runway) -> Site:
    """A site that is paused: drops are accepted, and nothing is sent."""
    found = Site(tmp_path, runway)
    assert found.cli("pause").returncode == 0
    return found


@contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """The process is stopped within the block."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("observe", ["events", "polling"])
def test_what_is_dropped_while_the_daemon_is_stopped_is_all_accepted_once(site: Site, observe: str) -> None:
    """Hints may be lost, and with polling there are none: nothing depends on them."""
    text = site.config.read_text()
    site.config.write_text(text.replace("scan_seconds", f'observe = "{observe}"\nscan_seconds'))
    with site.daemon() as daemon:
        daemon.looks()
        with stopped(daemon):
            for n in range(300):
                site.drop(f"f{n % 7}/p{n:03}.png")
        site.reaches(ready=300)
        eventually(lambda: not site.files("inbox"), what="an empty inbox")
        daemon.looks()
        assert len(daemon.events("job.accepted")) == 300
        assert not daemon.events("work.broken") + daemon.events("job.overtaken")
        assert daemon.stop() == 0
    assert site.counts() == {"ready": 300}
    assert site.rows("SELECT count(*), count(DISTINCT name || folder), count(target) FROM jobs") == [
        (300, 300, 0)
    ]
    site.verify()


def test_a_drop_does_not_wait_for_a_heap_in_another_folder() -> None:
    async def act(stage: Stage) -> None:
        for n in range(150):
            put(stage, f"heap/p{n:03}")
        put(stage, "other/cat")
        await stage.inbox.look()
        accepted = sorted(stage.jobs(), key=lambda job: job.accepted_at)
        assert len(accepted) == 151
        assert [job.folder for job in accepted].index("other") < 20

    play(act)


def test_what_comes_while_a_heap_is_taken_in_does_not_wait_for_all_of_it() -> None:
    async def act(stage: Stage) -> None:
        stage.inbox.turn_seconds = stage.inbox.turn_scans = 0.0  # a batch at a time, however fast
        for n in range(400):
            put(stage, f"heap/p{n:03}")
        assert await stage.inbox.look() == 0.0, "another look at once"
        assert 0 < len(stage.jobs()) < 400
        put(stage, "other/cat")
        await stage.inbox.look()
        assert "other" in {job.folder for job in stage.jobs()}
        while await stage.inbox.look() is not None:
            continue
        assert len(stage.jobs()) == len({job.path for job in stage.jobs()}) == 401

    play(act)


def test_many_that_are_not_whole_yet_keep_nobody_from_being_looked_at() -> None:
    """They are looked at again and again, each in its turn."""

    async def act(stage: Stage) -> None:
        stage.inbox.turn_seconds = stage.inbox.turn_scans = 0.0  # a batch at a time, however fast
        for n in range(400):
            stage.put(f"a{n:03}.png", picture((32, 18))[:-20])
            stage.put(f"a{n:03}.prompt.toml", VIDEO)
        put(stage, "z")
        looks = 1
        while not stage.jobs():
            assert await stage.inbox.look() is not None
            assert (looks := looks + 1) < 30
        stage.put("a399.png", picture((32, 18)))
        while len(stage.jobs()) < 2:
            assert await stage.inbox.look() == 1.0, "a pause between two looks"
            assert (looks := looks + 1) < 60
        assert {job.path for job in stage.jobs()} == {"a399.png", "z.png"}

    play(act)


def test_what_waits_for_its_picture_is_judged_once_and_again_when_it_changes(site: Site) -> None:
    def judged() -> int:
        return sum(look["ready"] for look in daemon.events("inbox.scanned"))

    with site.daemon() as daemon:
        for n in range(50):
            site.put(f"p{n}.prompt.toml", sidecar(unique()), counts=False)
        eventually(lambda: judged() >= 50, what="they are judged")
        daemon.looks(3)
        assert judged() == 50
        assert site.cli("status").stdout.count("waits for its picture") == 50
        site.put("p7.png", picture(), counts=False)
        site.put("p8.prompt.toml", sidecar(unique(), '[job]\noperation = "text_to_image"'), counts=False)
        site.reaches(ready=2)
        site.put("_folder.prompt.toml", b'[job]\noperation = "text_to_image"\n', counts=False)
        site.reaches(ready=50)
        assert daemon.stop() == 0


def test_files_that_wait_take_a_bounded_amount_of_memory_each(tmp_path: Path) -> None:
    spool, count = samples.spool(tmp_path), 5000
    for n in range(count):
        (spool.inbox / f"p{n:05}{'.prompt.toml' if n % 2 else '.txt'}").write_bytes(VIDEO)
    watch = WatchSettings(root=spool.root)
    tracemalloc.start()
    try:
        known = Known()
        for moment in (100.0, 103.0, 106.0):  # they arrive, are to be judged, and are left alone
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            found = survey(spool, watch, known, moment)
            known = found.known
            known.still |= {one.paths[0]: one for one in found.candidates}
            _, peak = tracemalloc.get_traced_memory()
            assert (peak - before) / count < 1000, moment
        assert not found.candidates
        assert len(found.waiting) == count
        assert tracemalloc.get_traced_memory()[0] / count < 1000
    finally:
        tracemalloc.stop()


class Broken(Spool):
    """One whose drops called `bad` meet a bug of ours."""

    @contextmanager
    def in_place(self, place: Place, path: str, *, shared: bool = False) -> Iterator[BinaryIO]:
        if "bad" in path:
            raise ZeroDivisionError
        with super().in_place(place, path, shared=shared) as file:
            yield file


def test_a_bug_that_one_of_many_meets_holds_up_none_of_the_others() -> None:
    async def act(stage: Stage) -> None:
        stage.inbox.spool = Broken(stage.root)
        for name in ("a", "bad", "c"):
            put(stage, name)
        for _ in range(2):
            await stage.inbox.look()
        assert sorted(job.path for job in stage.jobs()) == ["a.png", "c.png"]
        assert (stage.root / "inbox/bad.png").exists()

    play(act)


def test_a_job_that_was_overtaken_on_its_way_holds_up_none_of_the_others() -> None:
    async def act(stage: Stage) -> None:
        blocked = stage.root / "processing/sub"
        blocked.write_text("no folder, so nothing can be moved into it")
        for name in ("a", "b", "c"):
            put(stage, f"sub/{name}")
        await stage.inbox.look()
        jobs = stage.ledger.in_transit()
        assert len(jobs) == 3
        blocked.unlink()
        await bring_in(stage.inbox.bench, stage.inbox.spool, jobs[:1])
        assert await bring_in(stage.inbox.bench, stage.inbox.spool, jobs) == []
        assert stage.ledger.in_transit() == []
        assert {job.place for job in stage.jobs()} == {Place.PROCESSING}

    play(act)


def put(stage: Stage, path: str) -> None:
    """A pair, unlike any other."""
    stage.put(f"{path}.png", picture((32, 18)))
    stage.put(f"{path}.prompt.toml", VIDEO)
