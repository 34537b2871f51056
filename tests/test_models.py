"""`models`: what can be written in a sidecar, told by what it is judged by."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runway_watch.catalogue import OPERATIONS, published, rates, shapes
from runway_watch.catalogue.sample import sample
from runway_watch.catalogue.sheets import sheets
from runway_watch.report.models import NotServed, choose, document, lines
from runway_watch.sidecar import parse
from tests.cli_tools import cli

SHEETS = {f"{sheet.row.name} {sheet.model}": sheet for row in OPERATIONS.values() for sheet in sheets(row)}

CREDITS = [
    (path, model, entry["credits"])
    for path in published.paths()
    for model, entry in published.models(path).items()
    if "credits" in entry
]


# -- prices in words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tariffs", "words"),
    [
        (None, "unknown"),
        ({"src": "x"}, "unknown"),
        ({"perOutputSecond": 12}, "12 credits per second"),
        ({"perImage": 1}, "1 credit per image"),
        ({"perOutputSecond": 17, "unconfirmed": True}, "17 credits per second (not confirmed)"),
        (
            {"perOutputSecond": {"audio": 40, "noAudio": 20}, "min": 64},
            "credits per second: with sound 40, silent 20; 64 credits at least",
        ),
        (
            {"perImage": {"low": [1, 2], "high": [20, 41]}},
            "credits per image: low 1 (4K: 2), high 20 (4K: 41)",
        ),
        ({"perOutputSecond": "3.4 to 30 by size"}, "credits per second: 3.4 to 30 by size"),
        (
            {"base": 2, "perOutputSeconds": {"seconds": 6, "credits": 2}},
            "2 credits; 2 credits for each 6 s that come out, or part of them",
        ),
        ({"perCharacters": {"chars": 50, "credits": 1}}, "1 credit for each 50 characters, or part of them"),
        ({"perMoon": 3}, "3 perMoon"),
    ],
)
def test_a_price_list_is_told_in_words(tariffs: Any, words: str) -> None:
    assert rates.in_words({} if tariffs is None else {"credits": tariffs}) == words


@pytest.mark.parametrize(("path", "model", "tariffs"), CREDITS)
def test_every_published_price_is_told_without_a_key_of_the_file(
    path: str, model: str, tariffs: dict[str, Any]
) -> None:
    told = rates.in_words(published.models(path)[model])
    assert told != rates.UNKNOWN
    assert not re.search(r"\b(per[A-Z]|noAudio|src|min)\w*", told)
    figures = {f"{n:g}" for key, value in tariffs.items() if key != "unconfirmed" for n in numbers(value)}
    assert figures <= set(re.findall(r"\d+(?:\.\d+)?", told))


def numbers(value: Any) -> list[float]:
    """Every number in a price list."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, int | float) else []


# -- what is meant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "model", "advice"),
    [
        ("image_to_vidoe", None, "did you mean image_to_video?"),
        ("gen4.5", None, "gen4.5 is a model, of image_to_video, text_to_video"),
        ("image_to_video", "gen45", "did you mean gen4.5?"),
        ("recipes/multi_shot_video", "mode=autom", "did you mean"),
        ("workflow", None, "there is no operation 'workflow'"),
        ("\x1b[31m", None, "there is no operation"),
    ],
)
def test_a_wrong_name_is_told_the_nearest_right_one(operation: str, model: str | None, advice: str) -> None:
    with pytest.raises(NotServed, match=re.escape(advice)):
        choose(operation, model)


def test_one_without_models_is_found_by_what_tells_its_forms_apart() -> None:
    [sheet] = choose("recipes/multi_shot_video", "mode=custom")
    assert sheet.given["mode"] == "custom"
    assert len(choose("recipes/multi_shot_video", None)) == 2
    assert choose("workflows/8f2c1d0e-5b7a-4c39-9e61-0a4d2f83b517", None)


# -- for people ---------------------------------------------------------------------------------------------


def test_all_is_a_line_for_each_model() -> None:
    told = list(lines(choose(None, None)))
    text = "\n".join(told)
    for name, row in OPERATIONS.items():
        assert any(line.startswith(f"{name}: ") for line in told)
        assert all(f"  {model}" in text for model in shapes.models(row.params))
    assert "image_to_video: image -> video" in text
    assert "  gen4.5 (default) " in text
    assert re.search(r"kling_4 +price unknown", text)


def test_one_is_told_in_full_within_the_width_of_the_terminal() -> None:
    told = list(lines(choose("image_to_video", "gen4.5"), width=80))
    head = told[: told.index("")]
    assert max(map(len, head)) <= 80
    text = "\n".join(head)
    assert re.search(r"\* prompt_text +text; 1 to 1000 characters", text)
    assert re.search(r"\* prompt_image\[\]\.uri +image", text)
    assert re.search(r"  content_moderation\.public_figure_threshold +text: \"auto\", \"low\"", text)
    assert re.search(r"filled by(\n# +| )a", text)


@pytest.mark.parametrize("name", SHEETS)
def test_what_is_told_of_one_is_its_sidecar_as_a_whole(name: str) -> None:
    told = "\n".join(lines([SHEETS[name]])).encode()
    assert parse(told, name="new.prompt.toml") == parse(
        sample(SHEETS[name]).text.encode(), name="new.prompt.toml"
    )


def test_of_two_forms_the_first_is_the_sidecar() -> None:
    told = "\n".join(lines(choose("recipes/multi_shot_video", None)))
    assert tomllib.loads(told)["mode"] == "auto"
    assert '# mode = "custom"' in told


def test_an_operation_without_models_is_told_in_full_at_once() -> None:
    told = "\n".join(lines(choose("recipes/product_ad", None)))
    assert 'operation = "recipes/product_ad"' in told
    assert "Runway's default 10" in told
    assert 'default "2026-06"' in told


# -- for programs -------------------------------------------------------------------------------------------


def test_programs_are_told_the_same() -> None:
    found = document(choose(None, None))
    assert found["schema"] == 1
    assert [each["operation"] for each in found["operations"]] == list(OPERATIONS)
    first = found["operations"][0]
    assert (first["needs"], first["makes"], first["default_for"]) == (["image"], ["video"], ["image"])
    model = first["models"][0]
    assert (model["model"], model["default"], model["drop"]) == ("gen4.5", True, "image")
    params = {param["path"]: param for param in model["parameters"]}
    assert params["duration"]["limits"] == ("2 to 10",)
    assert params["prompt_image"]["dropped"] == ["image"]
    assert tomllib.loads(model["sidecar"])["duration"] == 5
    json.dumps(found)


def test_the_command_needs_no_configuration_and_says_what_it_cannot_find(tmp_path: Path) -> None:
    told = cli("models", "voice_isolation", at=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines() == list(lines(choose("voice_isolation", None), width=110))
    program = cli("models", "image_to_video", "gen4.5", "--json", at=tmp_path)
    expected = json.loads(json.dumps(document(choose("image_to_video", "gen4.5"))))
    assert json.loads(program.stdout) == expected
    wrong = cli("models", "image_to_vidoe", at=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "image_to_video?" in wrong.stderr
    assert "\x1b" not in cli("models", "\x1b[31m", at=tmp_path).stderr
    assert list(tmp_path.iterdir()) == []
