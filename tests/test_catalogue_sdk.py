"""The SDK's types are the truth: every model is served, the wire form is its own, a new model is data."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Any, Literal, Required, TypedDict

import pytest
import runwayml.types
from runwayml._utils import PropertyInfo, maybe_transform

from runway_watch.catalogue import OPERATIONS, Operation, check, published, resolve, resolving, shapes, wire
from runway_watch.catalogue.body import body
from runway_watch.catalogue.judging import Drop
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts
from tests import wishes

CAT = MediaFacts("image", ".png", "image/png", 10_000, 1600, 1200)
BRANCHES = [(name, model) for name, row in OPERATIONS.items() for model in shapes.models(row.params)]
OF_PICTURES = [each for each in BRANCHES if each[0] in ("image_to_video", "text_to_image")]
PARAMETER_TYPES = {
    name: getattr(runwayml.types, name) for name in dir(runwayml.types) if name.endswith("Params")
}


LAST = 99
MEDIA = "`file:NAME`, `runway://` or `https://` from an allowed host"


class Uris(dict[str, str]):
    """Every file has an upload."""

    def __missing__(self, key: str) -> str:
        return key.replace("file:", "runway://uploads/")


def sample_table(shape: Any, *, full: bool) -> dict[str, Any]:
    """The smallest table that is valid, or the one with the most in it."""
    return wishes.table(shape, full=full, arm=LAST if full else 0)


def shape_of(operation: str, model: str) -> Any:
    return shapes.shape_for(OPERATIONS[operation].params, {"model": model})


def uploaded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: uploaded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [uploaded(each) for each in value]
    return Uris()[value] if isinstance(value, str) and value.startswith("file:") else value


def test_both_operations_have_all_their_models() -> None:
    counts = {name: len(shapes.models(row.params)) for name, row in OPERATIONS.items()}
    assert counts["image_to_video"] >= 25
    assert counts["text_to_image"] >= 21


@pytest.mark.parametrize(("operation", "model"), OF_PICTURES)
def test_every_model_serves_a_dropped_picture_with_a_prompt_or_says_why_not(
    operation: str, model: str
) -> None:
    given = {"model": model, "prompt_text": "a cat"}
    try:
        found = resolve(operation, given, dropped="cat.png", media={"file:cat.png": CAT})
    except Refusal as refusal:
        (problem,) = refusal.problems
        assert problem == f"`cat.png`: {model} takes no image, so the dropped file would not be used"
        assert model in ("recraft_v4_1_flash", "recraft_v4_1_vector")
        return
    assert found.model == model
    assert found.credits is not None
    sent = wire(operation, found.params, {"file:cat.png": "runway://uploads/cat"})
    assert "runway://uploads/cat" in json.dumps(sent)
    assert "file:" not in json.dumps(sent)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("operation", "model"), BRANCHES)
def test_the_wire_form_is_what_the_sdk_would_send(operation: str, model: str, full: bool) -> None:
    params = sample_table(shape_of(operation, model), full=full) | {"model": model}
    expected = maybe_transform(uploaded(params), OPERATIONS[operation].params)
    assert wire(operation, params, Uris()) == expected


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", PARAMETER_TYPES)
def test_the_wire_form_is_right_for_every_type_that_the_sdk_publishes(name: str, full: bool) -> None:
    row = Operation(name, PARAMETER_TYPES[name], slots={})
    for shape in shapes.branches(row.params):
        params = uploaded(sample_table(shape, full=full))
        assert body(row, params, {}) == maybe_transform(params, row.params)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", PARAMETER_TYPES)
def test_every_type_that_the_sdk_publishes_can_be_judged(name: str, full: bool) -> None:
    for shape in shapes.branches(PARAMETER_TYPES[name]):
        assert (
            check.check(shape, sample_table(shape, full=full) | {"no_such_key": 1}, strict=True)[-1].text
            == "unknown"
        )


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("image_to_video", {"model": "gen9", "prompt_text": "x", "prompt_image": "runway://a", "newKey": 1}),
        ("image_to_video", {"model": "gen4.5", "negative_prompt": "x", "new_key": {"inner_key": 1}}),
        ("text_to_image", {"model": "gen9", "reference_images": [{"uri": "runway://a", "new_key": 1}]}),
        ("text_to_image", {}),
    ],
)
def test_what_the_sdk_does_not_know_is_sent_as_the_sdk_would_send_it(
    operation: str, params: dict[str, Any]
) -> None:
    assert wire(operation, params, {}) == maybe_transform(params, OPERATIONS[operation].params)


def test_a_file_without_an_upload_is_an_error_and_the_parameters_stay_as_they_were() -> None:
    params = {"prompt_image": [{"uri": "file:a.png"}]}
    with pytest.raises(KeyError, match=re.escape("file:a.png")):
        wire("image_to_video", params, {})
    wire("image_to_video", params, {"file:a.png": "runway://a"})
    assert params == {"prompt_image": [{"uri": "file:a.png"}]}


class OldModel(TypedDict, total=False):
    model: Required[Literal["gen4.5"]]
    prompt_image: Required[Annotated[str, PropertyInfo(alias="promptImage")]]


class NewPicture(TypedDict, total=False):
    uri: Required[str]
    new_tag: Annotated[str, PropertyInfo(alias="newTag")]


class NewModel(TypedDict, total=False):
    model: Required[Literal["gen9", "gen9_fast"]]
    prompt_image: Required[Annotated[list[NewPicture], PropertyInfo(alias="promptImage")]]
    ratio: Required[Literal["1000:1000", "1600:900"]]
    duration: Required[Literal[3, 8]]
    wildness: float


NEWER = Operation(
    "image_to_video",
    OldModel | NewModel,
    slots={"image": ("prompt_image",)},
    defaults={"model": "gen4.5", "ratio": "auto", "duration": 5},
)


def drop(file: str | None = "file:cat.png", facts: Mapping[str, MediaFacts] | None = None) -> Drop:
    return Drop(file=file, media=facts or {"file:cat.png": CAT}, tag="image", strict=True, hosts=())


def test_a_model_of_a_newer_sdk_is_served_without_new_code() -> None:
    found = resolving.request(NEWER, {"model": "gen9_fast", "wildness": 1}, drop())
    assert found.params == {
        "model": "gen9_fast",
        "prompt_image": [{"uri": "file:cat.png"}],
        "ratio": "1600:900",
        "duration": 3,
        "wildness": 1,
    }
    assert "not published" in found.price_note
    assert body(NEWER, found.params, {"file:cat.png": "runway://a"})["promptImage"] == [{"uri": "runway://a"}]


def test_a_model_of_a_newer_sdk_is_judged_without_new_code() -> None:
    wrong = {
        "model": "gen9",
        "wildnes": 1,
        "duration": 4,
        "prompt_image": [{"newTag": "x", "uri": "http://a"}],
    }
    with pytest.raises(Refusal) as caught:
        resolving.request(NEWER, wrong, drop(None))
    assert list(caught.value.problems) == [
        "`prompt_image[0].newTag`: unknown; did you mean `new_tag`?",
        "`duration`: 4 is not allowed; the nearest is 3 (allowed: 3, 8)",
        "`wildnes`: unknown; did you mean `wildness`?",
        "`prompt_image[0].uri`: http: is not accepted; use " + MEDIA,
    ]


@pytest.mark.parametrize(
    ("row", "given", "slot", "expected"),
    [
        (
            Operation(
                "ad_localization",
                PARAMETER_TYPES["RecipeAdLocalizationParams"],
                slots={"image": ("reference_image",)},
                defaults={"version": "2026-06"},
            ),
            {"target_language": "de"},
            "reference_image",
            {"uri": "file:cat.png"},
        ),
        (
            Operation(
                "multi_shot_video",
                PARAMETER_TYPES["RecipeMultiShotVideoParams"],
                slots={"image": ("first_frame",)},
                defaults={"version": "2026-06", "duration": 7},
            ),
            {"mode": "auto", "prompt": "x"},
            "first_frame",
            {"uri": "file:cat.png"},
        ),
        (
            Operation(
                "character_performance",
                PARAMETER_TYPES["CharacterPerformanceCreateParams"],
                slots={"image": ("character",), "video": ("reference",)},
                defaults={"model": "act_two"},
            ),
            {"reference": {"type": "video", "uri": "file:act.mp4"}},
            "character",
            {"uri": "file:cat.png", "type": "image"},
        ),
        (
            Operation(
                "image_upscale",
                PARAMETER_TYPES["ImageUpscaleCreateParams"],
                slots={"image": ("image_uri",)},
                defaults={"model": "magnific_precision_upscaler_v2"},
            ),
            {},
            "image_uri",
            "file:cat.png",
        ),
    ],
)
def test_an_operation_to_come_is_a_row(
    row: Operation, given: dict[str, Any], slot: str, expected: object
) -> None:
    found = resolving.request(row, given, drop())
    assert found.params[slot] == expected
    assert found.model == row.defaults.get("model", row.name)
    assert set(row.defaults) <= set(found.params)
    missing_key = {key: value for key, value in given.items() if key != "target_language"} | {"zzz": 1}
    with pytest.raises(Refusal):
        resolving.request(row, missing_key, drop())


def strings_of(
    spec: Mapping[str, Any], key: str, media: str | None = None
) -> Iterator[tuple[str, str | None]]:
    """(key, media kind) of every string in a published spec."""
    kind = spec.get("media") or media
    if "string" in spec.get("type", ""):
        yield key, kind
    for name, inner in spec.get("params", {}).items():
        yield from strings_of(inner, name)
    for inner in [*spec.get("variants", []), *([spec["items"]] if "items" in spec else [])]:
        yield from strings_of(inner, key, kind if "items" in spec else None)
    if "values" in spec:
        yield from strings_of(spec["values"], "key")


def snake(name: str) -> str:
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


def test_the_rule_by_name_finds_exactly_the_strings_that_are_published_as_media() -> None:
    data = json.loads(files("runway_watch.catalogue").joinpath("runway-models.json").read_text("utf-8"))
    found = [
        (key, kind)
        for path, operation in data.items()
        if path != "_meta"
        for model in operation["models"].values()
        for name, spec in model["params"].items()
        for key, kind in strings_of(spec, name)
    ]
    assert len(found) > 700
    assert [key for key, kind in found if (kind is not None) != published.is_media_name(snake(key))] == []


@pytest.mark.parametrize(("operation", "model"), BRANCHES)
def test_the_published_limits_are_found_for_every_parameter_of_the_sdk(operation: str, model: str) -> None:
    params = sample_table(shape_of(operation, model), full=True) | {"model": model}
    spec = published.limits(OPERATIONS[operation].listed, params)
    unknown = [node.path for node in published.walk(params, spec) if node.spec is None]
    assert unknown == []


def test_types_made_of_every_kind_of_hint_are_read() -> None:
    assert shapes.branches(int | None) == (int,)
    assert shapes.takes(int | Literal["auto"], int)
    assert shapes.takes(Literal[4, 6], int)
    assert not shapes.takes(Literal["4"], int)
    assert shapes.walk(NewModel, ("prompt_image", 0, "uri"), {"prompt_image": [{"uri": "x"}]}) == (str, "x")
    assert shapes.walk(NewModel, ("nothing",), {}) == (None, None)
