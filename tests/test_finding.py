"""Which job is meant: by its id, or by any of its files, in all four folders and through every way there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runway_watch.config import Settings, WatchSettings
from runway_watch.job import Job, Place, State
from runway_watch.ledger import Ledger
from runway_watch.report.finding import dropped_as, find, jobs_at, locate
from tests.samples import NOW, call, item, job

S, P = State, Place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in Place:
        (tmp_path / "root" / place / "sub").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def settings(root: Path) -> Settings:
    return Settings(watch=(WatchSettings(root=root),))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}") as opened:
        yield opened


@pytest.fixture
def admitted(ledger: Ledger, root: Path) -> "Admit":
    return Admit(ledger, root)


class Admit:
    """Writes jobs into the ledger; none of their files exist."""

    def __init__(self, ledger: Ledger, root: Path) -> None:
        self._ledger, self._root = ledger, root

    def __call__(
        self, job_id: str = "j1", state: State = S.READY, *, name: str = "cat", **changes: object
    ) -> Job:
        inputs = (item(name=name), item(".prompt.toml", name=name, ino=43))
        made = job(job_id, state=state, name=name, **{"root": str(self._root), "inputs": inputs} | changes)
        self._ledger.admit([(made, [call(job_id, state, task_id="t")])])
        return made


Meant = Callable[[object], str | None]


@pytest.fixture
def meant(ledger: Ledger, settings: Settings) -> Meant:
    """The id of the job that is meant."""

    def look(wanted: object) -> str | None:
        found = find(ledger, settings, str(wanted))
        return found.id if found else None

    return look


# -- by its files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "state", "names"),
    [
        (P.PROCESSING, S.HELD, ["cat.png", "cat.prompt.toml", "cat.held.toml"]),
        (P.FAILED, S.FAILED, ["cat.png", "cat.prompt.toml", "cat.error.toml"]),
        (
            P.DONE,
            S.DONE,
            [
                "cat.png",
                "cat.prompt.toml",
                "cat.result.toml",
                "cat.out.mp4",
                "cat.out-1.png",
                "cat.out-12.mp4",
            ],
        ),
    ],
)
def test_a_job_is_known_by_every_file_of_it(
    meant: Meant, place: Place, state: State, names: list[str], root: Path, admitted: Admit
) -> None:
    admitted(state=state, place=place, folder="sub")
    assert [meant(root / place / "sub" / name) for name in names] == ["j1"] * len(names)


@pytest.mark.parametrize(
    "path",
    [
        *("done/cat.jpg", "done/cat", "done/ca.png", "done/cat.out.mp4.part", "done/cat.out-x.mp4"),
        *("done/cat.png.png", "done/sub/cat.png", "failed/cat.png", "processing/cat.png", "cat.png", "done"),
        *("processing/cat.out.mp4", "failed/cat.error.toml", "", "/etc/passwd", "\x1b[31m"),
    ],
)
def test_what_is_no_file_of_it_is_not_taken_for_it(
    path: str, root: Path, admitted: Admit, meant: Meant
) -> None:
    admitted(state=S.DONE, place=P.DONE)
    assert meant(root / path) is None


def test_a_name_with_dots_and_a_number_is_found_whole(meant: Meant, root: Path, admitted: Admit) -> None:
    admitted("j1", S.DONE, name="my.cat v1.2", place=P.DONE)
    admitted("j2", S.DONE, name="my.cat v1.2 (2)", dropped_as="my.cat v1.2", place=P.DONE)
    assert meant(root / "done/my.cat v1.2.out.mp4") == "j1"
    assert meant(root / "done/my.cat v1.2 (2).out.mp4") == "j2"


def test_a_film_that_was_dropped_under_an_outputs_name_is_told_from_the_output(
    meant: Meant, root: Path, admitted: Admit
) -> None:
    admitted("j1", S.DONE, place=P.DONE, finished_at=NOW + 9)
    film = (item(".mp4", name="cat.out"), item(".prompt.toml", name="cat.out"))
    admitted("j2", S.DONE, name="cat.out", place=P.DONE, finished_at=NOW, inputs=film)
    assert meant(root / "done/cat.out.mp4") == "j2"


def test_files_on_their_way_are_found_at_both_ends(meant: Meant, root: Path, admitted: Admit) -> None:
    admitted(place=P.INBOX, target=P.PROCESSING, target_name="cat (2)")
    assert meant(root / "processing/cat (2).png") == "j1"
    assert meant(root / "inbox/cat.png") == "j1"


def test_half_an_output_belongs_to_the_job_that_it_names(meant: Meant, root: Path, admitted: Admit) -> None:
    admitted("261120-0badcafe", S.COLLECTING, place=P.PROCESSING)
    assert meant(root / "processing/.261120-0badcafe-1-1.part") == "261120-0badcafe"
    assert meant(root / "processing/.261120-00000000-1-1.part") is None


# -- by where it was dropped --------------------------------------------------------------------------------


def test_the_path_that_it_was_dropped_under_goes_on_to_mean_it(
    meant: Meant, root: Path, admitted: Admit
) -> None:
    admitted(S.DONE.value, S.DONE, name="cat", place=P.DONE)
    assert meant(root / "inbox/cat.png") == "done"
    assert meant(root / "inbox/cat.prompt.toml") == "done"
    assert meant(root / "inbox/cat.jpg") is None


def test_a_new_file_in_the_inbox_is_not_taken_for_the_job_before_it(
    meant: Meant, root: Path, admitted: Admit
) -> None:
    admitted(state=S.RUNNING)
    (root / "inbox/cat.png").touch()
    assert meant(root / "inbox/cat.png") is None


def test_a_name_that_was_taken_is_still_known_as_it_was_dropped(
    meant: Meant, root: Path, admitted: Admit
) -> None:
    admitted("j1", S.DONE, name="cat (2)", dropped_as="cat", place=P.DONE)
    assert meant(root / "inbox/cat.png") == "j1"


# -- several of one name ------------------------------------------------------------------------------------


def test_of_several_the_live_one_is_meant_and_then_what_ended_last(
    meant: Meant, ledger: Ledger, settings: Settings, root: Path, admitted: Admit
) -> None:
    admitted("old", S.DONE, place=P.DONE, accepted_at=NOW, finished_at=NOW + 100)
    admitted("new", S.DONE, place=P.DONE, accepted_at=NOW + 1, finished_at=NOW + 50)
    assert meant(root / "done/cat.png") == "old"
    admitted("live", S.RETIRING, place=P.PROCESSING, target=P.DONE, target_name="cat", accepted_at=NOW - 9)
    assert meant(root / "done/cat.png") == "live"
    spot = locate(settings, str(root / "inbox/cat.png"))
    assert spot is not None
    assert [found.id for found in dropped_as(ledger, spot)] == ["live", "old", "new"]


def test_jobs_of_another_folder_or_root_are_others(meant: Meant, root: Path, admitted: Admit) -> None:
    admitted("sub", S.DONE, place=P.DONE, folder="sub")
    admitted("elsewhere", S.DONE, place=P.DONE, root="/srv/other")
    assert meant(root / "done/cat.png") is None
    assert meant("elsewhere") == "elsewhere"


# -- ways there ---------------------------------------------------------------------------------------------


def test_links_dots_and_the_working_folder_lead_to_the_same_job(
    meant: Meant, root: Path, admitted: Admit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted(state=S.DONE, place=P.DONE)
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(root / "done/sub")
    for way in (tmp_path / "link/done/cat.png", root / "failed/../done/cat.png", "../cat.png"):
        assert meant(way) == "j1"


def test_a_folder_that_is_a_link_to_another_disk_is_still_one_of_the_four(
    meant: Meant, root: Path, admitted: Admit, tmp_path: Path
) -> None:
    admitted(state=S.DONE, place=P.DONE)
    (root / "done").rename(tmp_path / "elsewhere")
    (root / "done").symlink_to(tmp_path / "elsewhere")
    assert meant(root / "done/cat.png") == "j1"
    assert meant(tmp_path / "elsewhere/cat.png") == "j1"


def test_a_last_part_that_is_a_link_is_the_link_itself(settings: Settings, root: Path) -> None:
    (root / "inbox/link.png").symlink_to("/etc/passwd")
    spot = locate(settings, str(root / "inbox/link.png"))
    assert spot is not None
    assert (spot.place, spot.folder, spot.name, spot.is_taken) == (P.INBOX, "", "link.png", True)


def test_the_folders_themselves_are_no_files_in_them(settings: Settings, root: Path) -> None:
    for path in (root, root / "inbox", root / "inbox/sub/..", root.parent, Path("/")):
        assert locate(settings, str(path)) is None


@pytest.mark.parametrize("name", ["\udcff.png", "." * 250, "x" * 400, "cat\n.png", "%_.png"])
def test_names_that_no_job_can_have_are_nobodys(meant: Meant, name: str, root: Path, admitted: Admit) -> None:
    admitted(state=S.DONE, place=P.DONE)
    for wanted in (name, str(root / "done" / name), str(root / "inbox" / name), str(root / name / "cat.png")):
        assert meant(wanted) is None


# -- how it is asked for ------------------------------------------------------------------------------------


def test_the_ledger_looks_names_up_in_its_index(ledger: Ledger, admitted: Admit, root: Path) -> None:
    admitted()
    told: list[str] = []
    with ledger._reading() as db:
        raw = db.connection.dbapi_connection
        assert raw is not None
        raw.set_trace_callback(told.append)
    ledger.named(root=str(root), folder="", names=["cat", "cat.out"])
    raw.set_trace_callback(None)
    [query] = [text for text in told if "FROM jobs" in text]
    with ledger._reading() as db:
        plan = " ".join(str(row[3]) for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
    assert "USING INDEX jobs_name (root=? AND folder=? AND name=?)" in plan


def test_a_job_that_moved_is_no_longer_where_it_was(
    meant: Meant, ledger: Ledger, settings: Settings, root: Path, admitted: Admit
) -> None:
    was = admitted(state=S.RETIRING)
    aimed = ledger.aim(was, target=P.FAILED, name="cat (2)")
    ledger.retire(replace(aimed, verdict=None), ledger.calls("j1"), at=NOW)
    assert meant(root / "processing/cat.png") is None
    spot = locate(settings, str(root / "failed/cat (2).png"))
    assert spot is not None
    assert [found.id for found in jobs_at(ledger, spot)] == ["j1"]
