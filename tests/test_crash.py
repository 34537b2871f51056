"""A real process is killed at every row of the state table, and at the points between that are no rows.

Each is killed once inside the transaction that writes the row and once right after its commit, and then
started again. In the end nothing is lost, nothing is paid for twice, and the work has come to its end.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runway_watch.states import TABLE
from tests.forked import KILLED, run
from tests.harness import Runway, Site, obstruct, sidecar, unique
from tests.killing import Kill

Row = tuple[str, str]
Rule = dict[str, Any]
ONCE = ("run", "--once")
RETRY = ("retry", "--all")


def nothing(_: Site) -> None:
    """Nothing has to be done."""


@dataclass(frozen=True)
class Drive:
    """How a row is brought about.

    Args:
        rules: what goes wrong at Runway.
        settings: of the daemon.
        before: brings a site to where the row comes next.
        mend: what a person does after the crash.
        words: the command that is killed.
        point: the ledger's method that writes the row.
        ends: where the job is in the end.
        paid: what is paid for it at the most, when no call was in doubt.
    """

    rules: tuple[Rule, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Site], None] = nothing
    mend: Callable[[Site], None] = nothing
    words: tuple[str, ...] = ONCE
    point: str = "move"
    ends: str = "done"
    paid: int = 1


def rule(on: str, do: Mapping[str, Any], **more: Any) -> Rule:
    """One rule for the simulator."""
    return {"on": on, "do": dict(do), **more}


# -- what brings a site to where a row comes next --------------------------------------------------------


def breaking(site: Site, *rules: Rule) -> None:
    """Let things go wrong until the daemon has nothing left to do, then let all be well."""
    for each in rules:
        site.runway.fault(**each)
    assert run(site, *ONCE) == 1
    site.runway.well()


def held(site: Site) -> None:
    """A call of which nobody knows whether it was carried out."""
    breaking(site, rule("create", {"reset_after": True}))
    assert site.counts() == {"held": 1}


def failed_at_upload(site: Site) -> None:
    """Tried as often as allowed, and never uploaded."""
    breaking(site, rule("upload_form", {"status": 403}, times=None))
    assert site.counts() == {"failed": 1}


def failed_at_collect(site: Site) -> None:
    """Paid for and finished, and its output never came whole."""
    breaking(site, rule("output", {"truncate": True}, times=None))
    assert site.record("failed", "cat.error.toml")["stage"] == "collect"


def refused(site: Site) -> None:
    """Refused for its sidecar, and moved back to the inbox as it is."""
    if not site.dropped:
        site.drop("cat.png")
    spoil(site, "inbox")
    assert run(site, *ONCE) == 1
    site.back_to_inbox("failed", "cat.png", "cat.prompt.toml")


def held_and_spoilt(site: Site) -> None:
    """Held, and moved back to the inbox with a sidecar that is no good."""
    held(site)
    spoil(site, "processing")
    site.back_to_inbox("processing", "cat.png", "cat.prompt.toml")


def spoil(site: Site, place: str) -> None:
    """Make a sidecar one that is refused."""
    site.mend(site.root / place / "cat.prompt.toml", sidecar(unique(), 'ratoi = "16:9"'))


def waiting_with_an_old_upload(site: Site) -> None:
    """Uploaded, no slot free for it, and the upload has grown old since."""
    site.drop("other.png", text="[job]\npriority = 9")
    site.runway.fault("create", {"run_seconds": 2.0})
    uploaded = Kill("move", "after", ("uploading", "uploaded"), nth=2)
    assert run(site, *ONCE, kill=uploaded) == KILLED
    with closing(sqlite3.connect(site.ledger)) as db, db:
        db.execute("UPDATE uploads SET at = at - 86000")


def collected_and_lost(site: Site) -> None:
    """Collected, and the output vanished while the daemon was down."""
    assert run(site, *ONCE, kill=Kill("move", "after", ("collecting", "collected"))) == KILLED
    [staged] = (site.root / "processing").rglob(".*.part")
    staged.unlink()


def no_way_to_done(site: Site) -> None:
    """A file stands where the folder in done/ has to be."""
    site.back_to_inbox("inbox", "cat.png")
    folder = site.root / "inbox/sub"
    folder.mkdir()
    for name in ("cat.png", "cat.prompt.toml"):
        (site.root / "inbox" / name).rename(folder / name)
    obstruct(site.root / "done/sub")


def make_way_to_done(site: Site) -> None:
    """The file is taken away."""
    (site.root / "done/sub").unlink()


UNAVAILABLE = {"status": 503}
DOUBT = ("submitting", "doubt")

DRIVEN: Mapping[Row, Drive] = {
    ("ready", "upload"): Drive(),
    ("uploading", "later"): Drive((rule("upload_slot", UNAVAILABLE),)),
    ("uploading", "uploaded"): Drive(),
    ("uploading", "stale"): Drive(
        settings={"in_flight": 1, "submit_ahead": 0}, before=waiting_with_an_old_upload
    ),
    ("uploading", "submit"): Drive(),
    ("uploading", "fail"): Drive((rule("upload_slot", {"status": 400}, times=None),), ends="failed", paid=0),
    ("submitting", "submitted"): Drive(),
    ("submitting", "later"): Drive((rule("create", UNAVAILABLE),)),
    DOUBT: Drive((rule("create", {"reset_after": True}),), paid=2),
    ("submitting", "again"): Drive(
        (rule("create", {"reset_after": True}),), settings={"uncertain": "resubmit"}, paid=2
    ),
    ("submitting", "fail"): Drive((rule("create", {"status": 400}, times=None),), ends="failed", paid=0),
    ("running", "later"): Drive(),
    ("running", "succeeded"): Drive(),
    ("running", "again"): Drive((rule("create", {"fail_task": "INTERNAL"}),), paid=2),
    ("running", "fail"): Drive((rule("create", {"fail_task": "SAFETY.INPUT.TEXT"}),), ends="failed"),
    ("collecting", "later"): Drive((rule("output", {"status": 403}),)),
    ("collecting", "collected"): Drive(),
    ("collecting", "fail"): Drive((rule("output", {"garbage": True}, times=None),), ends="failed"),
    ("retiring", "later"): Drive(before=no_way_to_done, mend=make_way_to_done),
    ("retiring", "recollect"): Drive(before=collected_and_lost),
    ("retiring", "done"): Drive(point="retire"),
    ("retiring", "failed"): Drive(
        (rule("create", {"fail_task": "SAFETY.INPUT.TEXT"}),), point="retire", ends="failed"
    ),
    ("held", "release"): Drive(before=held, words=RETRY, paid=2),
    ("held", "fail"): Drive(before=held_and_spoilt, point="readmit", ends="failed"),
    ("failed", "release"): Drive(before=failed_at_upload, words=RETRY, point="readmit"),
    ("failed", "fail"): Drive(before=refused, point="readmit", ends="failed", paid=0),
    ("failed", "recollect"): Drive(before=failed_at_collect, words=RETRY, point="readmit"),
}

UNREACHED: Mapping[Row, str] = {
    ("ready", "fail"): "what vanishes while it is accepted ends so: tests/test_moved.py",
    ("ready", "release"): "a person moves files back to the inbox: tests/test_moved.py",
    ("uploading", "release"): "a person moves files back to the inbox: tests/test_moved.py",
    ("ready", "duplicate"): "the same drop twice: tests/test_duplicates.py",
    ("collecting", "again"): "a result that was to be shared has gone: tests/test_duplicates.py",
    ("retiring", "cancelled"): "what is cancelled: tests/test_cancel.py",
    ("cancelled", "release"): "what was cancelled and is tried again: tests/test_cancel.py",
    ("cancelled", "fail"): "the same, and refused by now: tests/test_cancel.py",
    ("cancelled", "recollect"): "cancelled when it ran already, and fetched after all: tests/test_cancel.py",
}


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    return Site(tmp_path, stand_in)


def test_every_row_of_the_table_is_driven_or_there_is_a_reason() -> None:
    rows = {(str(state), event) for state, event in TABLE}
    assert rows == DRIVEN.keys() | UNREACHED.keys()
    assert not DRIVEN.keys() & UNREACHED.keys()


def forgive(site: Site) -> None:
    """Say that a call in doubt may be sent again, and let it come to its end."""
    if "held" in site.counts():
        assert run(site, *RETRY) == 0
        run(site, *ONCE)
        site.verify()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("row", DRIVEN, ids="-".join)
def test_a_kill_at_a_commit_loses_nothing_and_pays_nothing_twice(site: Site, row: Row, when: str) -> None:
    drive = DRIVEN[row]
    site.configure(**drive.settings)
    site.drop("cat.png")
    drive.before(site)
    for each in drive.rules:
        site.runway.fault(**each)
    assert run(site, *drive.words, kill=Kill(drive.point, when, row)) == KILLED
    drive.mend(site)
    if drive.words == RETRY:
        run(site, *RETRY)  # whoever sees a command die gives it again
    in_doubt = site.rows("SELECT job FROM generations WHERE state = 'submitting'")
    doubtful = bool(in_doubt and "uncertain" not in drive.settings) or (row, when) == (DOUBT, "after")
    run(site, *ONCE)
    site.verify()
    assert ("held" in site.counts()) == doubtful
    forgive(site)
    assert {state for (state,) in site.rows("SELECT state FROM jobs")} == {drive.ends}
    assert not [name for name in site.files(drive.ends) if "(2)" in name]  # no name was given up
    assert len(site.paid()) <= (2 if in_doubt else drive.paid) + site.files("done").count("other.png")


BETWEEN = [
    Kill("admit", "before"),
    Kill("admit", "after"),
    Kill("rename", "before", nth=1),
    Kill("rename", "after", nth=1),
    Kill("arrived", "before"),
    Kill("arrived", "after"),
    Kill("uploaded", "before"),
    Kill("uploaded", "after"),
    Kill("aim", "before"),
    Kill("aim", "after"),
    Kill("rename", "after", nth=3),
    Kill("rename", "after", nth=4),
    Kill("rename", "after", nth=5),
    Kill("record", "before"),
    Kill("record", "after"),
    Kill("retire", "before"),
]


@pytest.mark.parametrize("kill", BETWEEN, ids=str)
def test_a_kill_between_the_rows_of_the_table_is_made_good(site: Site, kill: Kill) -> None:
    site.drop("sub/cat.png")
    assert run(site, *ONCE, kill=kill) == KILLED
    assert run(site, *ONCE) == 0
    site.verify()
    ends = ("out.mp4", "png", "prompt.toml", "result.toml")
    assert site.files("done") == [f"sub/cat.{end}" for end in ends]
    assert len(site.paid()) == 1


REFUSED_BETWEEN = [
    Kill("admit", "after"),
    Kill("rename", "after", nth=1),
    Kill("rename", "after", nth=2),
    Kill("record", "before"),
    Kill("record", "after"),
    Kill("retire", "before"),
]


@pytest.mark.parametrize("kill", REFUSED_BETWEEN, ids=str)
def test_a_kill_while_a_drop_is_refused_leaves_it_refused_once(site: Site, kill: Kill) -> None:
    site.drop("sub/cat.png", text='ratoi = "16:9"')
    assert run(site, *ONCE, kill=kill) == KILLED
    assert run(site, *ONCE) == 1
    site.verify()
    assert site.files("failed") == ["sub/cat.error.toml", "sub/cat.png", "sub/cat.prompt.toml"]
    assert site.counts() == {"failed": 1}


SEVERAL = """
model = "gemini_image3.1_flash"
ratio = "1344:768"
output_count = 4
[job]
operation = "text_to_image"
"""


def test_when_one_of_several_outputs_vanished_all_are_fetched_again_under_their_names(site: Site) -> None:
    site.drop("cat.png", text=SEVERAL)
    assert run(site, *ONCE, kill=Kill("move", "after", ("collecting", "collected"))) == KILLED
    sorted((site.root / "processing").rglob(".*.part"))[1].unlink()
    assert run(site, *ONCE) == 0
    site.verify()
    outputs = [f"cat.out-{k}.png" for k in (1, 2, 3, 4)]
    assert site.files("done") == [*outputs, "cat.png", "cat.prompt.toml", "cat.result.toml"]
    assert len(site.paid()) == 1


def test_a_drop_that_is_refused_again_keeps_its_name(site: Site) -> None:
    refused(site)
    assert run(site, *ONCE) == 1
    site.verify()
    assert site.files("failed") == ["cat.error.toml", "cat.png", "cat.prompt.toml"]
    assert site.counts() == {"failed": 1}


@pytest.mark.parametrize("bring", [held, failed_at_upload])
def test_an_order_is_struck_off_before_it_is_carried_out(site: Site, bring: Callable[[Site], None]) -> None:
    """Carried out twice it could pay twice: after a crash a person has to say so again."""
    site.drop("cat.png")
    bring(site)
    point = "move" if bring is held else "readmit"
    assert run(site, *RETRY, kill=Kill(point, "before")) == KILLED
    assert site.rows("SELECT * FROM orders") == []
    site.verify()


def test_a_name_that_somebody_took_during_the_crash_is_given_up_for_another(site: Site) -> None:
    site.drop("cat.png")
    assert run(site, *ONCE, kill=Kill("admit", "after")) == KILLED
    stranger = site.root / "processing/cat.png"
    stranger.write_bytes(b"a stranger")
    assert run(site, *ONCE) == 0
    assert stranger.read_bytes() == b"a stranger"
    stranger.unlink()
    site.verify()
    assert site.files("done") == ["cat.out.mp4", "cat.png", "cat.prompt.toml", "cat.result.toml"]
