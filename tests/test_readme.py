"""The README says what holds: its diagram is the state table, its commands are the ones that are judged."""

import re
from pathlib import Path

from runway_watch.cli import app
from runway_watch.job import State
from runway_watch.states import TABLE, diagram

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SET_UP = "python3 -m venv .venv && .venv/bin/pip install -q -e "


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without their fences."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    parts = re.split(r"^## +(.*)$", README, flags=re.MULTILINE)
    found = [text for name, text in zip(parts[1::2], parts[2::2], strict=True) if title in name]
    assert len(found) == 1, f"README.md has {len(found)} headings with {title!r}"
    return found[0]


def test_the_diagram_shows_every_row_of_the_table_and_nothing_else() -> None:
    lines = [line.strip() for line in diagram().splitlines()]
    assert lines[0] == "stateDiagram-v2"
    drawn = set()
    for line in lines[1:]:
        arrow = re.fullmatch(r"(\S+) --> (\S+?)(?:: (.+))?", line)
        assert arrow, line
        before, after, events = arrow.groups()
        if "[*]" not in (before, after):
            drawn |= {((State(before), event), State(after)) for event in events.split(", ")}
    assert drawn == set(TABLE.items())


def test_the_diagram_in_the_readme_is_drawn_from_the_table() -> None:
    assert blocks(README, "mermaid") == [diagram()], "put the output of runway_watch.states.diagram() there"


def test_the_two_commands_set_up_everything_by_themselves() -> None:
    demo, tests = (block.strip() for block in blocks(section("Two commands"), "sh"))
    assert demo == f"{SET_UP}'.[demo]' && .venv/bin/runway-watch demo"
    assert tests == f"{SET_UP}'.[test]' && .venv/bin/python -m pytest -q"


def test_the_judge_runs_the_tests_by_the_words_of_the_readme() -> None:
    """`.ci/run` takes the line that it runs out of the README, so it has to find that one and no other."""
    judge = (ROOT / ".ci/run").read_text()
    found = re.search(r"\$\(grep -E '([^']+)' README\.md\)", judge)
    assert found, ".ci/run does not look for its test command in README.md"
    pattern = re.compile(found[1])
    _, tests = blocks(section("Two commands"), "sh")
    assert [line for line in README.splitlines() if pattern.search(line)] == [tests.strip()]
    assert 'bash -c "$command"' in judge


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_that_the_readme_names_exists() -> None:
    known = {row.name or row.callback.__name__ for row in app.registered_commands if row.callback}
    named = set(re.findall(r"^\| `runway-watch (\w+)", section("Commands"), re.MULTILINE))
    assert named == known
