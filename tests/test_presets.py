"""Defaults of watches and folders: who wins, what is left out, and whose fault it is when one is wrong."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runway_watch import catalogue, sidecar
from runway_watch.catalogue import shapes
from runway_watch.config import ApiSettings, WatchSettings
from runway_watch.drops import Group
from runway_watch.job import Generation, Job, Verdict
from runway_watch.report.effective import Effective, of
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.admit import admit
from runway_watch.stages.asking import ask, varied
from runway_watch.stages.desk import Findings, Waits
from runway_watch.stages.survey import ARRIVING, Known, Survey, survey
from runway_watch.stages.varying import unfold
from tests.harness import Runway, Site, picture, simulator
from tests.harness import sidecar as written
from tests.samples import JPEG, PNG, desk, drop, spool
from tests.wishes import named

PRESET = "_folder.prompt.toml"
PAIR = {"cat.png": PNG, "cat.prompt.toml": b'prompt_text = "x"'}
BARE = b'[job]\nsidecar = "optional"\n'


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


def looked(where: Spool, before: Survey | None = None, *, now: float = 100.0, **changes: Any) -> Survey:
    watch = WatchSettings(root=where.root, **changes)
    return survey(where, watch, before.known if before else Known(), now)


def judged(
    where: Spool, *, strict: bool = True, **defaults: Any
) -> tuple[Job, Sequence[Generation], Effective]:
    """The one drop in the inbox, by the daemon's own look and admission, and its request with the origins."""
    found = looked(where, settle_seconds=0.0, defaults=defaults)
    [candidate] = found.candidates
    findings = Findings()
    api = ApiSettings(strict_params=strict)
    admitted = admit(candidate, desk=desk(where, api=api), job_id="j1", findings=findings)
    assert not isinstance(admitted, Waits), admitted.why
    effective = of(findings)
    assert effective is not None
    return *admitted, effective


def accepted(where: Spool, **defaults: Any) -> tuple[Job, Effective]:
    job, _, effective = judged(where, **defaults)
    assert job.verdict is None, job.verdict
    assert dict(effective.params) == dict(job.params)  # what is told is what is sent
    assert set(effective.origins) == set(job.params)
    assert all(effective.origins.values())
    return job, effective


def refused(where: Spool, **defaults: Any) -> Verdict:
    job, _, _ = judged(where, **defaults)
    assert job.verdict is not None
    return job.verdict


# -- who wins -----------------------------------------------------------------------------------------------


def test_of_a_chain_three_deep_the_nearest_wins_and_the_sidecar_over_all(where: Spool) -> None:
    drop(where, {PRESET: b'prompt_text = "top"\nduration = 6\nseed = 1\n[job]\npriority = 1\ntag = "top"\n'})
    drop(where, {PRESET: b"duration = 7\nseed = 2\n[job]\npriority = 2\n"}, folder="a")
    drop(where, {PRESET: b"seed = 3\n"}, folder="a/b")
    drop(where, {"cat.png": PNG, "cat.prompt.toml": b'ratio = "960:960"\n'}, folder="a/b/c")
    job, told = accepted(where, seed=0, output_format="mp4", job={"priority": 9, "max_credits": 500})
    assert told.origins == {
        "prompt_text": "inbox/_folder.prompt.toml",
        "duration": "inbox/a/_folder.prompt.toml",
        "seed": "inbox/a/b/_folder.prompt.toml",
        "ratio": "cat.prompt.toml",
        "output_format": "[watch.defaults]",
        "model": "default of image_to_video",
        "prompt_image": "the dropped file",
    }
    assert (job.params["duration"], job.params["seed"], job.params["ratio"]) == (7, 3, "960:960")
    assert told.job_origins == {
        "operation": "what a dropped image asks for",
        "priority": "inbox/a/_folder.prompt.toml",
        "tag": "inbox/_folder.prompt.toml",
        "max_credits": "[watch.defaults]",
    }
    assert job.options == {"priority": 2, "tag": "top", "max_credits": 500}


def test_a_table_replaces_a_more_general_one_whole(where: Spool) -> None:
    drop(
        where, {PRESET: b'prompt_text = "x"\n[[prompt_image]]\nuri = "file:other.png"\nposition = "first"\n'}
    )
    drop(where, {"other.png": PNG}, folder="_refs")
    text = b'[[prompt_image]]\nuri = "file:cat.png"\nposition = "first"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text})
    job, told = accepted(where)
    assert job.params["prompt_image"] == [{"uri": "file:cat.png", "position": "first"}]
    assert told.origins["prompt_image"] == "cat.prompt.toml"


def test_a_preset_folder_makes_bare_pictures_drops_of_its_own_operation(where: Spool) -> None:
    preset = b"""
    prompt_text = "@image painted like @style"
    ratio = "1920:1080"
    [[reference_images]]
    uri = "file:_refs/style.jpg"
    tag = "style"
    [job]
    operation = "text_to_image"
    sidecar = "optional"
    """
    drop(where, {PRESET: preset}, folder="painted")
    drop(where, {"style.jpg": JPEG}, folder="painted/_refs")
    drop(where, {"cat.png": PNG}, folder="painted/today/early")
    job, told = accepted(where)
    assert (job.operation, job.media_suffix, len(job.inputs)) == ("text_to_image", ".png", 1)
    assert job.params["reference_images"] == [
        {"uri": "file:cat.png", "tag": "image"},
        {"uri": "file:../../_refs/style.jpg", "tag": "style"},
    ]
    assert [each.path for each in job.references.values()] == ["painted/_refs/style.jpg"]
    assert (
        told.origins["reference_images"]
        == "inbox/painted/_folder.prompt.toml: the dropped file is put into it"
    )
    assert told.job_origins["operation"] == "inbox/painted/_folder.prompt.toml"


def test_a_file_that_the_watchs_defaults_name_is_one_of_the_inbox(where: Spool) -> None:
    drop(where, {"style.jpg": JPEG}, folder="_refs")
    text = b'prompt_text = "@image like @style"\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text}, folder="a/b")
    job, _ = accepted(where, reference_images=[{"uri": "file:_refs/style.jpg", "tag": "style"}])
    assert [each.path for each in job.references.values()] == ["_refs/style.jpg"]


def test_a_default_leads_no_further_out_than_a_sidecar(where: Spool) -> None:
    drop(where, {PRESET: b'[[reference_images]]\nuri = "file:../secret.png"\n'})
    text = b'prompt_text = "x"\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text}, folder="a")
    (where.root / "secret.png").write_bytes(PNG)
    assert refused(where).code == "reference.outside"


# -- what is left out ---------------------------------------------------------------------------------------


def test_a_default_that_only_other_models_have_is_left_out_and_told(where: Spool) -> None:
    drop(where, {PRESET: b"duration = 8\nseed = 4\n"})
    text = b'prompt_text = "x"\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text})
    job, told = accepted(where, duration=9)
    assert "duration" not in job.params
    assert job.params["seed"] == 4
    assert told.left_out == (
        "duration, of [watch.defaults]: gen4_image has no such parameter",
        "duration, of inbox/_folder.prompt.toml: gen4_image has no such parameter",
    )


def test_what_the_sidecar_says_itself_is_never_left_out(where: Spool) -> None:
    text = b'prompt_text = "x"\nduration = 8\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text, PRESET: b"duration = 8\n"})
    verdict = refused(where)
    assert verdict.problems[0].startswith("`duration`: unknown")
    assert verdict.hint == "Mend the sidecar and save it."


def test_a_default_model_is_for_the_operations_that_have_it(where: Spool) -> None:
    drop(where, {PRESET: b'model = "gen4_turbo"\n'})
    text = b'prompt_text = "x"\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text})
    job, told = accepted(where, model="gen4_image_turbo")
    assert (job.model, told.origins["model"]) == ("gen4_image_turbo", "[watch.defaults]")
    assert told.left_out == ("model, of inbox/_folder.prompt.toml: text_to_image has no such model",)
    job, told = accepted(where)
    assert (job.model, told.origins["model"]) == ("gen4_image", "default of text_to_image")


@pytest.mark.parametrize("operation", catalogue.OPERATIONS)
def test_the_defaults_of_any_operation_can_stand_above_every_other(operation: str) -> None:
    """One watch for all: what is meant for one of them refuses no other."""
    layer = Sidecar(dict(catalogue.OPERATIONS[operation].defaults), {}, "above")
    for name, row in catalogue.OPERATIONS.items():
        kept = catalogue.sift(named(name), (layer,), sidecar.EMPTY).layers[0].params
        shape = shapes.shape_for(row.params, {**row.defaults, **kept})
        assert kept.keys() <= shapes.fields(shape).keys(), name


def test_of_a_model_that_nobody_knows_nothing_is_left_out(where: Spool) -> None:
    text = b'model = "gen9"\nprompt_text = "x"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text, PRESET: b"target_lang = 'en'\nduration = 3\n"})
    job, _, told = judged(where, strict=False)
    assert job.verdict is None
    assert (job.params["target_lang"], told.left_out) == ("en", ())


# -- whose fault it is --------------------------------------------------------------------------------------


def test_a_slip_in_the_defaults_is_refused_and_the_file_named(where: Spool) -> None:
    drop(where, {PRESET: b"duration = 5\n"})
    drop(
        where,
        {PRESET: b'ratoi = "auto"\n', "cat.png": PNG, "cat.prompt.toml": b'prompt_text = "x"'},
        folder="a",
    )
    verdict = refused(where)
    assert verdict.problems == ("`ratoi`: unknown; did you mean `ratio`?",)
    assert verdict.hint.startswith(
        "Mend inbox/a/_folder.prompt.toml, where it stands; then move the files back"
    )


def test_a_value_that_the_model_does_not_take_is_the_nearest_files_fault(where: Spool) -> None:
    drop(where, {PRESET: b"duration = 50\n"})
    drop(
        where,
        {PRESET: b"duration = 60\n", "cat.png": PNG, "cat.prompt.toml": b'prompt_text = "x"'},
        folder="a",
    )
    hint = refused(where, duration=70).hint
    assert "inbox/a/_folder.prompt.toml" in hint
    assert "inbox/_folder" not in hint
    assert "[watch.defaults]" not in hint


def test_unknown_defaults_pass_where_everything_may(where: Spool) -> None:
    drop(where, {PRESET: b'new_knob = "auto"\n', **PAIR})
    job, _, _ = judged(where, strict=False)
    assert job.verdict is None
    assert job.params["new_knob"] == "auto"


def test_a_bare_picture_without_a_prompt_is_not_told_to_mend_a_sidecar(where: Spool) -> None:
    drop(where, {PRESET: BARE, "cat.png": PNG})
    verdict = refused(where)
    assert verdict.problems == ("`prompt_text`: missing",)
    assert verdict.hint.startswith("Give cat.png a sidecar, or mend its folder's defaults")


# -- files that change --------------------------------------------------------------------------------------


def test_drops_wait_until_their_folders_defaults_have_settled(where: Spool) -> None:
    inbox = drop(where, {PRESET: b"seed = 1\n", **PAIR})
    first = looked(where, now=100.0)
    assert looked(where, first, now=102.0).candidates
    (inbox / PRESET).write_bytes(b"seed = 2\nduration = 5\n")
    second = looked(where, first, now=102.0)
    assert (second.candidates, second.soonest, set(second.waiting.values())) == ([], 2.0, {ARRIVING})
    [candidate] = looked(where, second, now=104.0).candidates
    assert candidate.layers[1].params["seed"] == 2


@pytest.mark.parametrize("broken", [b'[job]\nsidecar = "optionl"\n', b"[job]\nprio = 1\n", b"seed = \n"])
def test_defaults_that_cannot_be_used_hold_their_drops_until_they_are_mended(
    where: Spool, broken: bytes
) -> None:
    inbox = drop(where, {PRESET: broken}, folder="a")
    drop(where, {"cat.png": PNG}, folder="a/b")
    held = looked(where, settle_seconds=0.0)
    assert held.candidates == []
    assert "inbox/a/_folder.prompt.toml cannot be used" in held.waiting["a/b/cat.png"]
    (inbox / PRESET).write_bytes(BARE)
    assert looked(where, held, settle_seconds=0.0).candidates


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


def test_mended_defaults_let_what_waits_and_what_failed_go_on(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    site.put("slip/_folder.prompt.toml", b'prompt_text = "calm"\nratoi = 1\n' + BARE, counts=False)
    site.put("broken/_folder.prompt.toml", b'prompt_text = "calm', counts=False)
    site.put("slip/one.png", picture())
    site.put("broken/two.png", picture())
    site.put("broken/two.prompt.toml", written("storm"))
    assert site.cli("run", "--once").returncode == 1
    assert (site.root / "failed/slip/one.png").exists()
    assert (site.root / "inbox/broken/two.png").exists()
    asked = site.cli("explain", str(site.root / "failed/slip/one.png")).stdout
    assert "inbox/slip/_folder.prompt.toml" in asked
    assert "`ratoi`: unknown; did you mean `ratio`?" in asked
    for name, text in (("slip", b'prompt_text = "calm"\n' + BARE), ("broken", b"duration = 4\n")):
        (site.root / "inbox" / name / PRESET).write_bytes(text)
    assert site.cli("retry", "--all").returncode == 0
    assert site.cli("run", "--once").returncode == 0
    assert (site.root / "done/slip/one.out.mp4").exists()
    assert (site.root / "done/broken/two.out.mp4").exists()


TABLES = {"variation": [{"model": "gen4_turbo"}, {"model": "gen4.5"}]}


@pytest.mark.parametrize(
    ("folder", "own", "models"),
    [
        (Sidecar({}, {"variations": 4}), Sidecar(TABLES, {}), ["gen4_turbo", "gen4.5"]),
        (Sidecar(TABLES, {}), Sidecar({}, {"variations": 1}), ["gen4.5"]),
        (Sidecar(TABLES, {}), Sidecar({}, {}), ["gen4_turbo", "gen4.5"]),
        (Sidecar(TABLES, {}), Sidecar({"model": "veo3.1"}, {}), ["veo3.1", "veo3.1"]),
    ],
)
def test_the_nearest_variations_count_and_a_drop_wins_over_those_of_its_folder(
    folder: Sidecar, own: Sidecar, models: list[str]
) -> None:
    group = Group("cat", "cat.png", "cat.prompt.toml")
    asked = ask(group, [folder], own)
    table = sidecar.read_job(asked.job, name="cat.prompt.toml")
    wanted = unfold(asked.params, table, name="cat.prompt.toml", lay=partial(varied, asked, [folder]))
    found = [params.get("model", "gen4.5") for params in wanted.each] * (table.variations or 1)
    assert found == models
