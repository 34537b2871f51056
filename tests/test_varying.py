"""What each of several generations asks for: their seeds, their tables, and what is wrong with them."""

from collections.abc import Mapping
from typing import Any

import pytest

from runway_watch import catalogue
from runway_watch.errors import Refusal
from runway_watch.job import Generation, asked
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.desk import Waits
from runway_watch.stages.varying import Wanted, apart, requests
from runway_watch.wish import together
from tests.samples import JPEG, PNG, call, drop, job, judged_all, picture, spool

NAME = "cat.prompt.toml"
TWICE: Any = {"count": 2, "contents": {}}


@pytest.fixture
def where(tmp_path: Any) -> Spool:
    return spool(tmp_path)


def admitted(where: Spool, text: str, **more: Any) -> tuple[Any, list[Generation]]:
    """The job of a sidecar beside a picture, and its generations."""
    drop(where, {"cat.png": PNG, NAME: text.encode(), **more.pop("files", {})})
    found = judged_all(where, **more)
    assert not isinstance(found, Waits)
    return found[0], list(found[1])


def seeds(text: str, where: Spool) -> list[int]:
    there, calls = admitted(where, f'prompt_text = "x"\n{text}')
    assert there.verdict is None
    return [each.asks["seed"] for each in calls]


# -- seeds ---------------------------------------------------------------------------------------------------


def test_seeds_follow_the_one_that_is_given_and_begin_anew_after_the_last(where: Spool) -> None:
    assert seeds("seed = 41\n[job]\nvariations = 3", where) == [41, 42, 43]
    assert seeds("seed = 4294967294\n[job]\nvariations = 3", where) == [4294967294, 4294967295, 0]


def test_seeds_follow_from_what_is_asked_for(where: Spool) -> None:
    first = seeds("[job]\nvariations = 100", where)
    assert len(set(first)) == 100
    assert all(0 <= seed < 2**32 for seed in first)
    assert seeds("[job]\nvariations = 100\npriority = 3", where) == first, "the same drop asks for the same"
    assert seeds("duration = 8\n[job]\nvariations = 100", where) != first


@pytest.mark.parametrize("text", ["", "[job]\nvariations = 1", "[[variation]]\nduration = 8"])
def test_a_single_generation_is_given_no_seed_and_is_a_drop_like_any_other(where: Spool, text: str) -> None:
    there, calls = admitted(where, f'prompt_text = "x"\n{text}')
    assert ("seed" in there.params, [each.asks for each in calls]) == (False, [{}])
    plain, _ = admitted(where, 'prompt_text = "x"\n' + ("duration = 8" if "8" in text else ""))
    assert (there.wish, there.params, there.price) == (plain.wish, plain.params, plain.price)


def test_a_model_without_seeds_is_asked_for_the_same_several_times(where: Spool) -> None:
    text = 'prompt_text = "x"\nmodel = "kling3.0_pro"\nduration = 5\n[job]\nvariations = 3'
    there, calls = admitted(where, text)
    assert there.verdict is None
    assert [each.asks for each in calls] == [{}] * 3
    assert there.price == sum(each.price or 0 for each in calls) > 0


def test_a_seed_that_is_none_is_told_once(where: Spool) -> None:
    there, calls = admitted(where, 'prompt_text = "x"\nseed = 4294967296\n[job]\nvariations = 4')
    assert (len(there.verdict.problems), len(calls)) == (1, 1)
    assert there.verdict.problems[0].startswith("`seed`")


# -- tables --------------------------------------------------------------------------------------------------

TWO = """
prompt_text = "for all"
duration = 5
[[variation]]
model = "gen4_turbo"
ratio = "960:960"
[[variation]]
prompt_text = "of its own"
"""


def test_a_table_replaces_keys_of_the_top_level_for_one_generation(where: Spool) -> None:
    there, calls = admitted(where, TWO)
    views = [asked(there, each) for each in calls]
    assert [view.model for view in views] == ["gen4_turbo", "gen4.5"]
    assert [view.params["prompt_text"] for view in views] == ["for all", "of its own"]
    assert [view.params["ratio"] for view in views] == ["960:960", "1280:720"]
    assert [view.params["duration"] for view in views] == [5, 5]
    assert [view.price for view in views] == [25, 60]
    assert (there.price, there.model, there.params["duration"]) == (85, "gen4_turbo, gen4.5", 5)
    assert there.params.keys().isdisjoint(calls[0].asks)
    assert (calls[0].n, calls[1].n) == (1, 2)


def test_the_references_of_all_tables_are_looked_at_once(where: Spool) -> None:
    text = """
    model = "gen4_image"
    prompt_text = "@image like @style"
    ratio = "1920:1080"
    [job]
    operation = "text_to_image"
    [[variation]]
    reference_images = [{ uri = "file:_refs/one.jpg", tag = "style" }]
    [[variation]]
    reference_images = [{ uri = "file:_refs/two.jpg", tag = "style" }]
    [[variation]]
    reference_images = [{ uri = "file:_refs/one.jpg", tag = "style" }]
    seed = 5
    """
    drop(where, {"one.jpg": JPEG, "two.jpg": picture("JPEG", seed=2)}, folder="_refs")
    there, calls = admitted(where, text)
    assert there.verdict is None
    assert list(there.references) == ["file:_refs/one.jpg", "file:_refs/two.jpg"]
    slots = [[entry["uri"] for entry in asked(there, each).params["reference_images"]] for each in calls]
    assert slots[0] == ["file:cat.png", "file:_refs/one.jpg"]
    assert slots[1] == ["file:cat.png", "file:_refs/two.jpg"]


def test_a_folder_can_have_tables_and_the_nearest_win_whole(where: Spool) -> None:
    far = Sidecar({"variation": [{"duration": 5}] * 3}, {}, "_folder.prompt.toml")
    near = Sidecar({"variation": [{"seed": 1}, {"seed": 2}]}, {}, "near/_folder.prompt.toml")
    _, calls = admitted(where, 'prompt_text = "x"', layers=(far, near))
    assert [each.asks for each in calls] == [{"seed": 1}, {"seed": 2}]
    there, calls = admitted(where, 'prompt_text = "x"\nvariation = []', layers=(far, near))
    assert (there.verdict, len(calls)) == (None, 1), "an empty list wants none of them"


def test_a_default_counts_for_the_variations_whose_model_has_it(where: Spool) -> None:
    text = '[[variation]]\nmodel = "veo3.1_fast"\n[[variation]]\nmodel = "gen4_turbo"\n'
    layer = Sidecar({"audio": False}, {}, "_folder.prompt.toml")
    there, calls = admitted(where, f'prompt_text = "x"\n{text}', layers=[layer])
    assert there.verdict is None
    assert [each.asks.get("audio") for each in calls] == [False, None]


def test_everything_that_is_wrong_in_any_table_is_told_at_once_and_where(where: Spool) -> None:
    text = """
    prompt_text = "x"
    contrast = 3
    duration = 7
    [[variation]]
    ratoi = "16:9"
    [[variation]]
    model = "veo3.1"
    [[variation]]
    model = "veo9"
    seed = "five"
    """
    there, calls = admitted(where, text)
    told = there.verdict.problems
    assert (there.verdict.code, len(calls)) == ("params.invalid", 1)
    starts = [problem.partition(":")[0] for problem in told]
    assert starts.count("`contrast`") == 1, "what is wrong for all is told once"
    assert "`variation[0].ratoi`" in starts
    assert "did you mean `ratio`?" in next(p for p in told if p.startswith("`variation[0]"))
    assert "`variation[2].model`" in starts
    [duration] = [problem for problem in told if problem.startswith("`duration`")]
    assert duration.endswith("(in variation[1])"), "gen4.5 takes 7 seconds, veo3.1 does not"


def test_a_table_of_the_folder_that_is_wrong_is_blamed_on_the_folder(where: Spool) -> None:
    layer = Sidecar({"variation": [{"duration": 5}, {"ratoi": "16:9"}]}, {}, "_folder.prompt.toml")
    there, _ = admitted(where, 'prompt_text = "x"', layers=(layer,))
    assert there.verdict.problems[0].startswith("`variation[1].ratoi`")
    assert "Mend _folder.prompt.toml" in there.verdict.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("variation = 4", "must be tables, each written as [[variation]]"),
        ("variation = [1, 2]", "must be tables, each written as [[variation]]"),
        ("[variation]\nseed = 1", "must be tables, each written as [[variation]]"),
        (
            "[[variation]]\nseed = 1\n[variation.job]\npriority = 1",
            "`variation[0].job`: stands at the top",
        ),
        ("[[variation]]\nseed = 1\n[job]\nvariations = 2", "keep one of both"),
        ("[[variation]]\n" * 101, "101 tables; at most 100 are allowed"),
        ("[job]\nvariations = 0", "`job.variations`"),
        ("[job]\nvariations = 101", "`job.variations`"),
        ("[job]\nvariations = true", "`job.variations`"),
    ],
)
def test_variations_that_are_none_are_refused(where: Spool, text: str, told: str) -> None:
    there, _ = admitted(where, f'prompt_text = "x"\n{text}')
    assert there.verdict.code == "sidecar.invalid"
    assert any(told in problem for problem in there.verdict.problems)


def test_a_sidecar_alone_waits_for_a_picture_that_any_of_its_tables_needs(where: Spool) -> None:
    text = b'prompt_text = "x"\n[[variation]]\nseed = 1\n[[variation]]\nprompt_image = "runway://abc"\n'
    drop(where, {NAME: text})
    found = judged_all(where)
    assert isinstance(found, Waits)


# -- values in, values out -----------------------------------------------------------------------------------


def test_what_is_not_sent_the_same_is_not_in_common() -> None:
    common, own = apart([{"a": 5, "b": [1, {"c": 2}], "d": 1}, {"a": 5.0, "b": [1, {"c": 2}], "e": True}])
    assert (common, own) == ({"b": [1, {"c": 2}]}, [{"a": 5, "d": 1}, {"a": 5.0, "e": True}])


def test_of_an_unknown_model_only_a_seed_that_is_given_is_varied() -> None:
    def resolve(params: Mapping[str, Any]) -> catalogue.Request:
        return catalogue.Request("image_to_video", "unheard_of", params, None, "")

    given: list[dict[str, Any]] = [{}, {"seed": 9}, {"seed": True}]
    wanted = [{"model": "unheard_of", **each} for each in given]
    drawn = [
        [each.params.get("seed") for each in requests(Wanted([params]), resolve, **TWICE)]
        for params in wanted
    ]
    assert drawn == [[None, None], [9, 10], [True, True]]


def test_several_wishes_are_told_apart_by_number_and_order() -> None:
    wishes = [together(each) for each in (["a"], ["a", "a"], ["a", "b"], ["b", "a"])]
    assert len(set(wishes)) == 4
    assert wishes[0] == "a"


def test_a_generation_sees_its_job_with_its_own_parameters() -> None:
    own = call(asks={"seed": 3, "duration": 8}, model="veo3.1", price=320)
    view = asked(job(), own)
    assert (view.params["seed"], view.params["duration"], view.model, view.price) == (3, 8, "veo3.1", 320)
    assert view.kind == "image_to_video/veo3.1/8"
    assert asked(job(), call()) == job()


def test_a_refusal_for_foreign_hosts_alone_stays_one() -> None:
    def resolve(_: Mapping[str, Any]) -> catalogue.Request:
        raise Refusal("reference.host", "no", hint="Allow it.", problems=["`uri`: not allowed"])

    with pytest.raises(Refusal) as caught:
        requests(Wanted([{}, {"uri": 1}], tables=[{}, {"uri": 1}]), resolve, **TWICE)
    assert (caught.value.code, caught.value.hint) == ("reference.host", "Allow it.")
    assert list(caught.value.problems) == [
        "`uri`: not allowed (in variation[0])",
        "`variation[1].uri`: not allowed",
    ]
