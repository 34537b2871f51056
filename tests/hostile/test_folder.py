"""One folder with every threat in it is worked off: each ends as it should, and nothing else happens."""

import stat
import tomllib
from pathlib import Path

import pytest

from runway_watch.letters import STEERING
from tests import straced
from tests.hostile.folder import NEIGHBOURS, PLANTED, STUCK, Outcome
from tests.hostile.threats import ROWS, Threat
from tests.hostile.watching import assert_nothing_outside

RECORDS = (".result.toml", ".error.toml", ".held.toml")
ROWS_THERE_ARE = [
    pytest.param(row, marks=pytest.mark.skipif(not threats, reason=f"{row} cannot be made here"))
    for row, threats in ROWS.items()
]


@pytest.mark.skipif(bool(straced.why_not()), reason=straced.why_not())
def test_nothing_outside_is_opened_or_changed_and_nothing_is_started(outcome: Outcome) -> None:
    assert_nothing_outside(outcome.report, outcome.hostile.site, outcome.hostile.outside)


def test_nothing_is_uploaded_or_paid_for_but_good_neighbours(outcome: Outcome) -> None:
    bill = outcome.hostile.site.runway.bill()
    assert bill["paid"] == len(NEIGHBOURS)
    assert {task["body"]["promptText"] for task in bill["tasks"]} == outcome.hostile.prompts
    assert {upload["sha256"] for upload in bill["uploads"]} == outcome.hostile.pictures


def test_every_good_neighbour_is_done(outcome: Outcome) -> None:
    done = outcome.hostile.site.root / "done"
    for name, filed in NEIGHBOURS.items():
        for end in (".png", ".prompt.toml"):
            assert outcome.went[f"inbox/{name}{end}"] == f"done/{filed}{end}"
        record = tomllib.loads((done / f"{filed}.result.toml").read_text())
        [output] = record["generation"][0]["outputs"]
        assert (done / filed).with_name(output) in outcome.made


@pytest.mark.parametrize("row", ROWS_THERE_ARE)
def test_every_threat_is_refused_by_its_code_or_left_with_its_reason(outcome: Outcome, row: str) -> None:
    looks = {threat.name: (_refused if threat.code else _left)(outcome, threat) for threat in ROWS[row]}
    assert not {name: wrong for name, wrong in looks.items() if wrong}


def _refused(outcome: Outcome, threat: Threat) -> str:
    """What is wrong with the end of a drop; "" for nothing."""
    record = outcome.hostile.site.root / f"failed/{threat.filed}.error.toml"
    if record not in outcome.made:
        return f"it was not refused: {outcome.went[f'inbox/{next(iter(threat.things))}']}"
    told = tomllib.loads(record.read_text())
    if told["code"] != threat.code or threat.told not in " ".join([told["message"], *told["problems"]]):
        return f"{told['code']}: {told['message']}"
    if STEERING.search(record.read_text().replace("\n", "")):
        return "its record would steer a terminal"
    ends = [path.removeprefix(threat.name) for path in threat.things if path.startswith(f"{threat.name}.")]
    went = {f"inbox/{threat.name}{end}": f"failed/{threat.filed}{end}" for end in ends}
    return "" if went.items() <= outcome.went.items() else f"it lies elsewhere than {went}"


def _left(outcome: Outcome, threat: Threat) -> str:
    moved = {f"inbox/{path}" for path in threat.things} & {
        was for was, now in outcome.went.items() if now != was
    }
    if moved:
        return f"it was moved: {moved}"
    shown = threat.name.encode(errors="replace").decode()
    why = outcome.why.get(shown, "nothing")
    return "" if threat.told in why else f"{shown!r}: {why}"


def test_what_cannot_be_moved_waits_and_is_told_of(outcome: Outcome) -> None:
    jobs = {Path(line["path"]).stem: line for line in outcome.status["jobs"] if "/led/" in line["path"]}
    assert {name: job["state"] for name, job in jobs.items()} == {"cat": "ready", "refused": "retiring"}
    assert "still being moved" in jobs["cat"]["message"]
    for name in STUCK:
        assert outcome.went[f"inbox/{name}.png"] == f"inbox/{name}.png"


def test_what_has_come_past_the_inbox_is_held_and_not_paid_for(outcome: Outcome) -> None:
    [held] = [line for line in outcome.status["jobs"] if line["state"] == "held"]
    assert (Path(held["path"]).name, held["code"]) == ("stray.png", "submit.uncertain")


def test_nothing_is_lost_and_what_was_planted_stays(outcome: Outcome) -> None:
    half = (
        "processing/.261125-deadbeef-1-1.part"  # of no job's output: the link has to go, and its target not
    )
    assert [was for was, now in outcome.went.items() if not now] == [half]
    assert all(outcome.went[path] == path for path in PLANTED if path in outcome.went and path != half)


def test_what_is_made_are_outputs_and_records_that_nobody_can_execute(outcome: Outcome) -> None:
    for path in outcome.made:
        mode = path.lstat().st_mode
        assert path.name.endswith(RECORDS) or ".out." in path.name
        assert stat.S_ISREG(mode)
        assert not mode & 0o7111
