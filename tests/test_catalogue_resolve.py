"""What a drop asks for, in values: parameters in, a complete request or every problem out."""

import datetime as dt
from typing import Any

import pytest

from runway_watch.catalogue import OPERATIONS, Request, awaits_media, references, resolve
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts

Params = dict[str, Any]


def picture(width: int = 1920, height: int = 1080, kind: str = "image") -> MediaFacts:
    return MediaFacts(kind, ".png", "image/png", 10_000, width, height)


def ask(operation: str, params: Params, *, dropped: str | None = "cat.png", **rest: Any) -> Request:
    media = {"file:cat.png": picture(), **rest.pop("media", {})}
    return resolve(operation, params, dropped=dropped, media=media, **rest)


def refused(operation: str, params: Params, *, dropped: str | None = "cat.png", **rest: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask(operation, params, dropped=dropped, **rest)
    return caught.value


VIDEO = "image_to_video"
IMAGE = "text_to_image"
CAT = "file:cat.png"


def test_a_prompt_and_a_picture_are_a_complete_video_request() -> None:
    assert ask(VIDEO, {"prompt_text": "The scene comes to life"}) == Request(
        operation=VIDEO,
        model="gen4.5",
        params={
            "model": "gen4.5",
            "prompt_text": "The scene comes to life",
            "prompt_image": CAT,
            "ratio": "1280:720",
            "duration": 5,
        },
        credits=60,
        price_note="",
    )


def test_the_dropped_picture_goes_before_the_other_references() -> None:
    given = {"prompt_text": "@image as @style", "reference_images": [{"uri": "file:s.jpg", "tag": "style"}]}
    found = ask(IMAGE, given)
    assert found.model == "gen4_image"
    assert found.params["reference_images"] == [
        {"uri": CAT, "tag": "image"},
        {"uri": "file:s.jpg", "tag": "style"},
    ]
    assert given["reference_images"] == [{"uri": "file:s.jpg", "tag": "style"}]


@pytest.mark.parametrize(
    ("operation", "given", "slot", "expected"),
    [
        (VIDEO, {"prompt_image": [{"uri": CAT, "position": "first"}]}, "prompt_image", None),
        (IMAGE, {"reference_images": [{"uri": CAT, "tag": "hero"}]}, "reference_images", None),
        (
            VIDEO,
            {"model": "veo3.1", "prompt_image": [{"uri": "file:end.png", "position": "last"}]},
            "prompt_image",
            [{"uri": CAT, "position": "first"}, {"uri": "file:end.png", "position": "last"}],
        ),
        (
            VIDEO,
            {"model": "seedance2", "prompt_image": [{"uri": "file:b.png"}]},
            "prompt_image",
            [{"uri": CAT}, {"uri": "file:b.png"}],
        ),
        (IMAGE, {"model": "muse_image"}, "reference_images", [{"uri": CAT}]),
        (IMAGE, {"model": "gemini_image3_pro"}, "reference_images", [{"uri": CAT, "tag": "image"}]),
    ],
)
def test_the_dropped_picture_takes_the_form_that_its_slot_asks_for(
    operation: str, given: Params, slot: str, expected: object
) -> None:
    found = ask(operation, {"prompt_text": "x", **given})
    assert found.params[slot] == (given[slot] if expected is None else expected)


@pytest.mark.parametrize(
    ("operation", "given", "sentence"),
    [
        (VIDEO, {"prompt_image": "file:dog.png"}, "`prompt_image`: is set already"),
        (
            VIDEO,
            {
                "model": "veo3.1",
                "prompt_image": [{"uri": "file:a.png", "position": p} for p in ("first", "last")],
            },
            "`prompt_image`: has no place left",
        ),
        (IMAGE, {"model": "recraft_v4_1_vector"}, "`cat.png`: recraft_v4_1_vector takes no image"),
    ],
)
def test_a_dropped_picture_that_would_not_be_used_is_a_problem(
    operation: str, given: Params, sentence: str
) -> None:
    (problem,) = refused(operation, {"prompt_text": "x", **given}).problems
    assert problem.startswith(sentence)
    assert problem.endswith("so the dropped file would not be used")


@pytest.mark.parametrize(
    ("model", "duration"),
    [
        ("gen4.5", 5),
        ("gen4_turbo", 5),
        ("veo3.1", 4),
        ("kling2.5_turbo_pro", 5),
        ("hailuo3", 5),
        ("seedance2", 5),
        ("h3_max", 5),
    ],
)
def test_the_duration_is_always_sent_and_is_five_or_the_nearest_that_the_model_has(
    model: str, duration: int
) -> None:
    assert ask(VIDEO, {"prompt_text": "x", "model": model}).params["duration"] == duration


@pytest.mark.parametrize(
    ("operation", "model", "size", "ratio"),
    [
        (VIDEO, "gen4.5", (1920, 1080), "1280:720"),
        (VIDEO, "gen4.5", (1080, 1920), "720:1280"),
        (VIDEO, "gen4.5", (1600, 1200), "1104:832"),
        (VIDEO, "gen4.5", (2000, 1990), "960:960"),
        (VIDEO, "veo3.1", (1280, 720), "1280:720"),
        (VIDEO, "veo3.1", (1920, 1080), "1920:1080"),
        (VIDEO, "veo3.1", (4000, 2250), "1920:1080"),
        (VIDEO, "hailuo3", (1000, 1000), "1:1"),
        (VIDEO, "h3_max", (1000, 1000), None),  # it has no ratio: it follows the picture
        (VIDEO, "kling_4", (1000, 1000), None),  # it has no W:H that it could be given
        (IMAGE, "gen4_image", (720, 720), "720:720"),
        (IMAGE, "gpt_image_2", (1000, 1000), "auto"),  # it knows auto itself
        (IMAGE, "seedream5_lite", (1000, 1000), "2048:2048"),
    ],
)
def test_ratio_auto_is_the_allowed_one_nearest_to_the_picture(
    operation: str, model: str, size: tuple[int, int], ratio: str | None
) -> None:
    given = {"prompt_text": "x", "model": model, "ratio": "auto"}
    assert ask(operation, given, media={CAT: picture(*size)}).params.get("ratio") == ratio


def test_a_ratio_is_only_added_where_the_model_requires_one() -> None:
    assert "ratio" not in ask(VIDEO, {"prompt_text": "x", "model": "seedance2"}).params
    assert "ratio" in ask(VIDEO, {"prompt_text": "x", "model": "veo3.1"}).params


def test_without_a_dropped_picture_the_first_reference_gives_the_shape_and_else_it_is_wide() -> None:
    given = {"prompt_text": "x", "reference_images": [{"uri": "file:tall.png"}]}
    media = {"file:tall.png": picture(720, 1280)}
    assert ask(IMAGE, given, dropped=None, media=media).params["ratio"] == "720:1280"
    assert ask(IMAGE, {"prompt_text": "x"}, dropped=None).params["ratio"] == "1280:720"


GEN45_RATIOS = "(allowed: '1280:720', '720:1280', '1104:832', '960:960', '832:1104', '1584:672')"
SPELLINGS: list[tuple[str, Params, list[str]]] = [
    (VIDEO, {"ratoi": "1280:720"}, ["`ratoi`: unknown; did you mean `ratio`?"]),
    (VIDEO, {"outputFormat": "mp4"}, ["`outputFormat`: unknown; did you mean `output_format`?"]),
    (VIDEO, {"zzz": 1}, ["`zzz`: unknown"]),
    (VIDEO, {"priority": 3}, ["`priority`: unknown; did you mean it in the `[job]` table?"]),
    (
        VIDEO,
        {"ratio": "1280:721"},
        [f"`ratio`: '1280:721' is not allowed; the nearest is '1280:720' {GEN45_RATIOS}"],
    ),
    (VIDEO, {"ratio": "9:16"}, [f"`ratio`: '9:16' is not allowed; the nearest is '720:1280' {GEN45_RATIOS}"]),
    (VIDEO, {"duration": "5"}, ["`duration`: must be a whole number, not text '5'"]),
    (VIDEO, {"duration": True}, ["`duration`: must be a whole number, not true"]),
    (VIDEO, {"duration": 5.0}, ["`duration`: must be a whole number, not the number 5.0"]),
    (VIDEO, {"duration": 11}, ["`duration`: 11 is outside of what is allowed: 2 to 10"]),
    (VIDEO, {"seed": -1}, ["`seed`: -1 is outside of what is allowed: 0 to 4294967295"]),
    (VIDEO, {"prompt_text": ""}, ["`prompt_text`: empty"]),
    (
        VIDEO,
        {"prompt_text": "\N{CAT FACE}" * 501},
        ["`prompt_text`: 1002 characters; at most 1000 are allowed (an emoji counts as 2)"],
    ),
    (
        VIDEO,
        {"model": "veo3.1", "duration": 7},
        ["`duration`: 7 is not allowed; the nearest is 6 (allowed: 4, 6, 8)"],
    ),
    (VIDEO, {"model": "veo3.1", "duration": 4.0}, ["`duration`: must be one of 4, 6, 8, not the number 4.0"]),
    (
        VIDEO,
        {"model": "veo3.1", "seed": 2**32},
        ["`seed`: 4294967296 is outside of what is allowed: 0 to 4294967295"],
    ),
    (
        VIDEO,
        {"model": "seedance2", "duration": "six"},
        ["`duration`: must be a whole number or 'auto', not text 'six'"],
    ),
    (
        VIDEO,
        {"model": "kling3.0_pro", "cfg_scale": 2},
        ["`cfg_scale`: 2 is outside of what is allowed: 0 to 1"],
    ),
    (
        VIDEO,
        {"model": "kling3.0_pro", "cfg_scale": float("nan")},
        ["`cfg_scale`: must be a number, not the number nan"],
    ),
    (
        VIDEO,
        {"seed": dt.date(2026, 11, 20)},
        ["`seed`: must be a whole number, not the date or time 2026-11-20"],
    ),
    (
        VIDEO,
        {"content_moderation": {"publicFigureThreshold": "low"}},
        ["`content_moderation.publicFigureThreshold`: unknown; did you mean `public_figure_threshold`?"],
    ),
    (
        VIDEO,
        {"prompt_image": {"uri": "file:a.png"}},
        ["`prompt_image`: must be text or a list, not a table; write `[[prompt_image]]`"],
    ),
    (
        VIDEO,
        {"prompt_image": [{"uri": CAT, "position": "last"}]},
        ["`prompt_image[0].position`: 'last' is not allowed (allowed: 'first')"],
    ),
    (VIDEO, {"prompt_image": [{"uri": CAT}]}, ["`prompt_image[0].position`: missing"]),
    (
        VIDEO,
        {"model": "kling3.0_pro", "provider_settings": {"multi_prompt": [{"duration": 3}]}},
        ["`provider_settings.multi_prompt[0].prompt`: missing"],
    ),
    (
        IMAGE,
        {"reference_images": [{"uri": "file:b.png", "tag": "B-1"}]},
        [
            (
                "`reference_images[0].tag`: 'B-1' cannot be a tag: "
                "3 to 16 small letters, digits or underscores, a letter first"
            )
        ],
    ),
    (
        IMAGE,
        {"reference_images": [{"uri": "file:b.png", "tag": "image"}]},
        ["`reference_images[0].tag`: 'image' is the tag of another picture already"],
    ),
    (
        IMAGE,
        {"reference_images": [{"uri": f"file:{n}.png"} for n in range(3)]},
        ["`reference_images`: 4 entries; at most 3 (the dropped file is one of them)"],
    ),
]


@pytest.mark.parametrize(("operation", "given", "problems"), SPELLINGS)
def test_a_wrong_parameter_is_told_in_one_sentence_with_the_nearest_right_one(
    operation: str, given: Params, problems: list[str]
) -> None:
    error = refused(operation, {"prompt_text": "x", **given})
    assert error.code == "params.invalid"
    assert list(error.problems) == problems
    assert error.hint


def test_all_problems_are_told_at_once() -> None:
    error = refused(VIDEO, {"promptText": "x", "ratio": "1:2:3", "duration": "5", "seed": -1})
    assert {problem.split(":")[0] for problem in error.problems} == {
        "`promptText`",
        "`prompt_text`",
        "`ratio`",
        "`duration`",
        "`seed`",
    }
    assert error.message.startswith("5 things to mend")


def test_an_unknown_model_is_told_with_the_nearest_one_and_the_other_problems() -> None:
    error = refused(
        VIDEO, {"prompt_text": "x", "model": "gen45", "ratoi": 1, "prompt_image": "http://a.b/c.png"}
    )
    model, key, slot = error.problems
    assert model.startswith("`model`: 'gen45' is not served; did you mean 'gen4.5'?")
    assert key == "`ratoi`: unknown; did you mean `ratio`?"
    assert slot.startswith("`prompt_image`: is set already")


def test_an_unknown_operation_is_told_with_the_ones_that_are_served() -> None:
    error = refused("image_to_vidoe", {})
    assert error.problems == (
        (
            "`[job] operation`: 'image_to_vidoe' is not served; did you mean 'image_to_video'? "
            f"(served: {', '.join(OPERATIONS)})"
        ),
    )


def test_a_bad_tag_from_the_job_table_is_told_where_it_was_written() -> None:
    (problem,) = refused(IMAGE, {"prompt_text": "x"}, tag="A").problems
    assert problem.startswith("`[job] tag`: 'A' cannot be a tag")


def test_a_required_picture_that_was_not_dropped_is_told_as_such() -> None:
    (problem,) = refused(VIDEO, {"prompt_text": "x"}, dropped=None).problems
    assert problem.startswith("`prompt_image`: missing: no file was dropped")


def test_loose_checking_lets_unknown_keys_and_models_through_but_still_checks_the_known_ones() -> None:
    found = ask(VIDEO, {"prompt_text": "x", "new_key": [1]}, strict=False)
    assert found.params["new_key"] == [1]
    newer = ask(VIDEO, {"prompt_text": "x", "model": "gen9", "new_key": 1}, strict=False)
    assert (newer.model, newer.params["prompt_image"], newer.params["new_key"]) == ("gen9", CAT, 1)
    assert refused(VIDEO, {"prompt_text": 3, "new_key": 1}, strict=False).problems == (
        "`prompt_text`: must be text, not the number 3",
    )
    assert refused(VIDEO, {"prompt_text": "x", "model": 3}, strict=False).code == "params.invalid"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://media.example/a.png", None),
        ("https://MEDIA.example/a.png", None),
        ("runway://0123456789abcdef", None),
        ("file:b.png", None),
        ("http://media.example/a.png", "http: is not accepted"),
        ("data:image/png;base64,AAAA", "data: is not accepted"),
        ("ftp://media.example/a.png", "ftp: is not accepted"),
        ("b.png", "'b.png' is no address; did you mean `file:b.png`?"),
        ("_refs/b.JPG", "'_refs/b.JPG' is no address; did you mean `file:_refs/b.JPG`?"),
        ("nonsense", "'nonsense' is no media"),
        ("file:", "names no file"),
        ("runway://", "9 characters; such an address has 13 to 5000"),
    ],
)
def test_media_comes_from_files_uploads_and_allowed_hosts_only(text: str, sentence: str | None) -> None:
    given = {"prompt_text": "x", "prompt_image": text}
    if sentence is None:
        assert ask(VIDEO, given, dropped=None, allowed_hosts=["media.example"]).params["prompt_image"] == text
    else:
        error = refused(VIDEO, given, dropped=None, allowed_hosts=["media.example"])
        assert error.code == "params.invalid"
        assert error.problems[0].startswith(f"`prompt_image`: {sentence}")


@pytest.mark.parametrize(
    "text",
    [
        "https://other.example/a.png",
        "https://media.example@other.example/a.png",
        "https://other.example\\@media.example/a.png",
        "https://sub.media.example/a.png",
        "https://media.example.other.example/a.png",
        "https://[::1/a.png",
        "https:///media.example/a",
    ],
)
def test_a_host_that_is_not_allowed_has_its_own_code(text: str) -> None:
    error = refused(
        VIDEO, {"prompt_text": "x", "prompt_image": text}, dropped=None, allowed_hosts=["media.example"]
    )
    assert error.code == "reference.host"
    both = refused(
        VIDEO, {"prompt_text": "", "prompt_image": text}, dropped=None, allowed_hosts=["media.example"]
    )
    assert both.code == "params.invalid"


@pytest.mark.parametrize(
    ("model", "facts", "sentence"),
    [
        ("gen4.5", picture(4000, 1000), "`prompt_image`: cat.png is too wide: 4000x1000 is 4 wide to 1 high"),
        (
            "gen4.5",
            picture(1000, 2100),
            "`prompt_image`: cat.png is too tall: 1000x2100 is 0.476 wide to 1 high",
        ),
        (
            "h3_max",
            picture(300, 200),
            "`prompt_image`: cat.png is too small: 300x200; each side needs at least 256",
        ),
    ],
)
def test_a_picture_that_the_model_would_refuse_is_refused_before_it_costs_anything(
    model: str, facts: MediaFacts, sentence: str
) -> None:
    (problem,) = refused(VIDEO, {"prompt_text": "x", "model": model}, media={CAT: facts}).problems
    assert problem.startswith(sentence)


def test_a_shape_is_also_judged_inside_of_a_list_and_a_reference_must_be_of_the_right_kind() -> None:
    framed = {"prompt_text": "x", "prompt_image": [{"uri": CAT, "position": "first"}]}
    (problem,) = refused(VIDEO, framed, media={CAT: picture(4000, 1000)}).problems
    assert problem.startswith("`prompt_image[0].uri`: cat.png is too wide")
    film = {"prompt_text": "x", "reference_images": [{"uri": "file:film.mp4"}]}
    (problem,) = refused(IMAGE, film, media={"file:film.mp4": picture(kind="video")}).problems
    assert problem == "`reference_images[0].uri`: film.mp4 is of kind video; image is wanted here"


def test_a_dropped_film_has_no_place_in_image_to_video() -> None:
    (first, *_) = refused(VIDEO, {"prompt_text": "x"}, dropped="clip.mp4").problems
    assert first == "`clip.mp4`: gen4.5 takes no video, so the dropped file would not be used"


def test_only_strings_that_stand_for_media_are_references() -> None:
    params = {
        "prompt_text": "file:not-media.png",
        "prompt_image": "file:a.png",
        "reference_images": [{"uri": "file:b.png", "tag": "file"}, {"uri": "file:a.png"}],
        "mask_uri": "file:m.png",
        "seed": 1,
    }
    assert references(params) == ("file:a.png", "file:b.png", "file:m.png")


@pytest.mark.parametrize(
    ("operation", "given", "awaits"),
    [
        (VIDEO, {"prompt_text": "x"}, True),
        (VIDEO, {"prompt_text": "x", "prompt_image": "file:a.png"}, False),
        (VIDEO, {"prompt_text": "@image", "prompt_image": "file:a.png"}, False),
        (VIDEO, {"model": "no such"}, True),
        (VIDEO, {"model": []}, True),
        (IMAGE, {"prompt_text": "a cat"}, False),
        (IMAGE, {"prompt_text": "a cat like @image, but red"}, True),
        (IMAGE, {"prompt_text": "@imagery and me@image"}, False),
        (IMAGE, {"prompt_text": "@image", "reference_images": [{"uri": "file:a", "tag": "image"}]}, False),
        (IMAGE, {"prompt_text": "@image", "reference_images": [{"uri": "file:a", "tag": "style"}]}, True),
        (IMAGE, {"prompt_text": 5, "reference_images": "nonsense"}, False),
        (IMAGE, {"prompt_text": "a cat", "model": "gen4_image_turbo"}, True),
        ("no such", {}, False),
    ],
)
def test_a_sidecar_alone_waits_only_for_a_picture_that_it_needs_or_speaks_of(
    operation: str, given: Params, awaits: bool
) -> None:
    assert awaits_media(operation, given) is awaits


def test_a_tag_of_ones_own_is_waited_for_by_that_name() -> None:
    assert awaits_media(IMAGE, {"prompt_text": "@hero runs"}, tag="hero")
    assert not awaits_media(IMAGE, {"prompt_text": "@image runs"}, tag="hero")
