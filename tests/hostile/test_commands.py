"""What people ask about a hostile folder is answered: nothing breaks, hangs, or steers their terminal."""

from collections.abc import Iterable, Sequence

import pytest

from runway_watch.letters import STEERING
from tests.hostile.folder import Outcome
from tests.hostile.threats import ROWS

NAMES = [path for threat in ROWS["names"] for path in threat.things]
OTHERS = [next(iter(row[0].things)) for row in ROWS.values() if row]


def says(outcome: Outcome, *words: str) -> str:
    """What a command says, when it has ended well."""
    ran = outcome.hostile.site.cli(*words)
    assert ran.returncode in (0, 1)
    said = ran.stdout + ran.stderr
    assert "Traceback" not in said
    assert not STEERING.search(said.replace("\n", ""))
    return said


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "--json"], ["plan"], ["check"], ["retry", "--all", "--dry-run"]],
    ids=" ".join,
)
def test_a_look_at_the_whole_folder_ends_well(outcome: Outcome, words: Sequence[str]) -> None:
    assert says(outcome, *words)


@pytest.mark.parametrize("paths", [NAMES, OTHERS], ids=["names", "others"])
def test_each_file_is_explained_where_it_was_and_where_it_is(outcome: Outcome, paths: Iterable[str]) -> None:
    for path in paths:
        for place in {f"inbox/{path}", outcome.went.get(f"inbox/{path}", "")} - {""}:
            assert says(outcome, "explain", str(outcome.hostile.site.root / place))
