"""What each operation makes of what is dropped: where the file goes, what is filled in, what it costs."""

from collections.abc import Mapping
from typing import Any

import pytest

from runway_watch.catalogue import (
    OPERATIONS,
    Request,
    awaits_media,
    find,
    price,
    price_kind,
    published,
    resolve,
    served,
    shapes,
)
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts
from tests.wishes import WORKFLOW, branches, named, wishes

Params = dict[str, Any]

FACTS = {
    "file:cat.png": MediaFacts("image", ".png", "image/png", 10_000, 1920, 1080),
    "file:clip.mp4": MediaFacts("video", ".mp4", "video/mp4", 10_000, 1280, 720, seconds=9.96, fps=24.0),
    "file:song.wav": MediaFacts("audio", ".wav", "audio/wav", 10_000, seconds=61.0),
    "file:jingle.wav": MediaFacts("audio", ".wav", "audio/wav", 10_000, seconds=6.0),
    "file:stamp.png": MediaFacts("image", ".png", "image/png", 10_000, 1300, 700),
}
CAT, CLIP, SONG, JINGLE, STAMP = FACTS
WORDS = {"prompt_text": "x" * 101}


def ask(operation: str, params: Params, dropped: str | None = None, **rest: Any) -> Request:
    name = None if dropped is None else dropped.removeprefix("file:")
    return resolve(named(operation), params, dropped=name, media=FACTS | rest.pop("media", {}), **rest)


def problems(operation: str, params: Params, dropped: str | None = None, **rest: Any) -> tuple[str, ...]:
    with pytest.raises(Refusal) as caught:
        ask(operation, params, dropped, **rest)
    return tuple(caught.value.problems)


PRESET = {"preset_id": "Maya", "type": "runway-preset"}
SWAP = {"original_product_image": {"uri": "runway://0000000000"}, "reference_video": {"uri": CLIP}}


@pytest.mark.parametrize(
    ("operation", "given", "dropped", "where", "expected"),
    [
        ("video_to_video", WORDS, CLIP, "video_uri", CLIP),
        ("video_to_video", {**WORDS, "model": "seedance2"}, CLIP, "prompt_video", CLIP),
        ("video_to_video", {**WORDS, "model": "kling_4"}, CLIP, "video_uri", CLIP),
        (
            "video_to_video",
            {"model": "seedance2", "prompt_video": "runway://0000000000"},
            CLIP,
            "reference_videos",
            [{"type": "video", "uri": CLIP}],
        ),
        (
            "video_to_video",
            {**WORDS, "model": "hailuo3", "prompt_video": CLIP},
            CAT,
            "references",
            [{"uri": CAT}],
        ),
        (
            "text_to_video",
            {**WORDS, "model": "seedance2"},
            JINGLE,
            "reference_audio",
            [{"type": "audio", "uri": JINGLE}],
        ),
        ("image_upscale", {}, CAT, "image_uri", CAT),
        ("video_to_audio", {}, CLIP, "video_uri", CLIP),
        (
            "character_performance",
            {"reference": {"type": "video", "uri": CLIP}},
            CAT,
            "character",
            {"type": "image", "uri": CAT},
        ),
        (
            "character_performance",
            {"character": {"type": "image", "uri": CAT}},
            CLIP,
            "reference",
            {"type": "video", "uri": CLIP},
        ),
        (
            "character_performance",
            {"reference": {"type": "video", "uri": "runway://0000000000"}},
            CLIP,
            "character",
            {"type": "video", "uri": CLIP},
        ),
        ("sound_effect", {**WORDS, "model": "seed_audio"}, SONG, "reference_audios", [SONG]),
        (
            "text_to_speech",
            {**WORDS, "model": "seed_audio"},
            SONG,
            "voice",
            {"type": "reference-audio", "audio_uri": SONG},
        ),
        ("speech_to_speech", {}, SONG, "media", {"type": "audio", "uri": SONG}),
        ("speech_to_speech", {}, CLIP, "media", {"type": "video", "uri": CLIP}),
        ("voice_isolation", {}, SONG, "audio_uri", SONG),
        (
            "avatar_videos",
            {"avatar": {"type": "custom", "avatar_id": "a"}},
            SONG,
            "speech",
            {"type": "audio", "audio": SONG},
        ),
        ("recipes/ad_localization", {"target_language": "de"}, CAT, "reference_image", {"uri": CAT}),
        ("recipes/multi_shot_video", {"prompt": "a film"}, CAT, "first_frame", {"uri": CAT}),
        ("recipes/product_ad", {}, CAT, "product_images", [{"uri": CAT}]),
        ("recipes/product_campaign_image", {"prompt": "a hat"}, CAT, "image", {"uri": CAT}),
        ("recipes/product_swap", SWAP, CAT, "new_product_images", [{"uri": CAT}]),
        (
            "recipes/product_swap",
            {"new_product_images": [{"uri": CAT, "view": "front"}], "reference_video": {"uri": CLIP}},
            "file:old.png",
            "original_product_image",
            {"uri": "file:old.png"},
        ),
        (
            "recipes/product_ugc",
            {"character_image": {"uri": "runway://0000000000"}},
            CAT,
            "product_image",
            {"uri": CAT},
        ),
        (
            "recipes/product_ugc",
            {"product_image": {"uri": CAT}},
            "file:old.png",
            "character_image",
            {"uri": "file:old.png"},
        ),
        (
            "workflows/{id}",
            {
                "node_outputs": {
                    "a": {"n": {"type": "primitive", "value": 3}},
                    "b": {"image": {"type": "image"}},
                }
            },
            CAT,
            "node_outputs",
            {
                "a": {"n": {"type": "primitive", "value": 3}},
                "b": {"image": {"type": "image", "uri": CAT}},
            },
        ),
    ],
)
def test_the_dropped_file_goes_where_the_operation_takes_it(
    operation: str, given: Params, dropped: str, where: str, expected: object
) -> None:
    media = {"file:old.png": FACTS[CAT]}
    assert ask(operation, given, dropped, media=media).params[where] == expected


@pytest.mark.parametrize(
    ("operation", "given", "dropped", "expected"),
    [
        ("generate/video", {"prompt_text": "x"}, CAT, {"reference_images": [{"uri": CAT, "role": "first"}]}),
        (
            "generate/video",
            {"prompt_text": "x"},
            CLIP,
            {"reference_videos": [{"uri": CLIP, "role": "source"}]},
        ),
        ("generate/video", {"prompt_text": "x"}, SONG, {"reference_audio": [{"uri": SONG}]}),
        (
            "generate/video",
            {"prompt_text": "x", "reference_images": [{"role": "last"}]},
            CAT,
            {"reference_images": [{"uri": CAT, "role": "last"}]},
        ),
        (
            "generate/video",
            {"prompt_text": "x", "reference_images": [{"uri": "runway://0000000000", "role": "first"}]},
            CAT,
            {
                "reference_images": [
                    {"uri": CAT, "role": "last"},
                    {"uri": "runway://0000000000", "role": "first"},
                ]
            },
        ),
        ("generate/image", {"prompt_text": "x"}, CAT, {"reference_images": [{"uri": CAT}]}),
        (
            "generate/audio",
            {"prompt_text": "x", "type": "audio"},
            SONG,
            {"reference_audios": [{"uri": SONG}]},
        ),
        (
            "generate/audio",
            {"prompt_text": "x", "type": "speech", "voice": {"type": "reference-audio"}},
            SONG,
            {"voice": {"type": "reference-audio", "audio_uri": SONG}},
        ),
    ],
)
def test_a_router_takes_the_dropped_file_within_its_input(
    operation: str, given: Params, dropped: str, expected: Params
) -> None:
    found = ask(operation, {"config_id": "mine", "input": given}, dropped)
    assert found.params["input"] == {**given, **expected}
    assert (found.model, found.credits) == (operation, None)


@pytest.mark.parametrize(
    ("operation", "given", "dropped", "expected"),
    [
        (
            "text_to_video",
            WORDS,
            CAT,
            "`cat.png`: gen4.5 takes no image, so the dropped file would not be used",
        ),
        ("text_to_speech", WORDS, SONG, "takes no audio"),
        ("voice_isolation", {}, CLIP, "takes no video"),
        ("workflows/{id}", {}, CAT, "`node_outputs`: say where the dropped file belongs: a place that is"),
        (
            "workflows/{id}",
            {"node_outputs": {"b": {"film": {"type": "video"}}}},
            CAT,
            "say where the dropped file belongs",
        ),
        ("video_to_audio", {}, "file:other.mp4", "`duration`: say how many seconds"),
        ("video_to_video", {"video_uri": "runway://0000000000"}, CLIP, "`video_uri`: is set already"),
        ("generate/image", {"config_id": "x", "input": 5}, CAT, "`input`: must be a table"),
    ],
)
def test_a_file_that_has_no_place_is_refused_with_what_to_do(
    operation: str, given: Params, dropped: str, expected: str
) -> None:
    media = {"file:other.mp4": MediaFacts("video", ".mp4", "video/mp4", 10_000)}
    assert any(expected in problem for problem in problems(operation, given, dropped, media=media))


@pytest.mark.parametrize(
    ("operation", "given", "waits"),
    [
        ("text_to_video", WORDS, False),
        ("text_to_speech", WORDS, False),
        ("sound_effect", WORDS, False),
        ("recipes/marketing_stock_image", {"prompt": "x"}, False),
        ("workflows/{id}", {}, False),
        ("workflows/{id}", {"node_outputs": {"b": {"image": {"type": "image"}}}}, True),
        ("workflows/{id}", {"node_outputs": {"b": {"image": {"type": "image", "uri": CAT}}}}, False),
        ("generate/video", {"config_id": "x", "input": {"prompt_text": "x"}}, False),
        ("generate/video", {"input": {"reference_images": [{"role": "last"}]}}, True),
        ("video_to_video", WORDS, True),
        ("voice_dubbing", {"target_lang": "de"}, True),
        ("avatar_videos", {}, True),
        ("avatar_videos", {"speech": {"type": "text", "text": "hello"}}, False),
        ("recipes/product_ugc", {"product_image": {"uri": CAT}}, True),
    ],
)
def test_a_sidecar_alone_waits_only_where_something_is_missing(
    operation: str, given: Params, waits: bool
) -> None:
    assert awaits_media(named(operation), given) is waits


@pytest.mark.parametrize(
    ("operation", "given", "dropped", "filled"),
    [
        ("text_to_video", WORDS, None, {"model": "gen4.5", "ratio": "1280:720", "duration": 5}),
        ("video_to_video", {}, CLIP, {"model": "aleph2"}),
        ("video_upscale", {}, CLIP, {"resolution": "2k"}),
        ("video_to_audio", {}, CLIP, {"duration": 9.96}),
        ("text_to_speech", WORDS, None, {"voice": PRESET}),
        (
            "recipes/multi_shot_video",
            {"prompt": "a film"},
            None,
            {"mode": "auto", "version": "2026-06", "duration": 5},
        ),
        (
            "recipes/multi_shot_video",
            {
                "shots": [
                    {"duration": 2, "prompt": "one"},
                    {"duration": 2, "prompt": "two"},
                    {"duration": 1, "prompt": "end"},
                ]
            },
            None,
            {"mode": "custom"},
        ),
        ("recipes/product_ad", {}, CAT, {"version": "2026-06", "duration": 5}),
        ("recipes/ad_localization", {"target_language": "de"}, CAT, {"version": "2026-06"}),
    ],
)
def test_what_a_sidecar_leaves_out_is_filled_in(
    operation: str, given: Params, dropped: str | None, filled: Params
) -> None:
    params = ask(operation, given, dropped).params
    assert {key: params[key] for key in filled} == filled


def test_a_default_is_for_models_that_have_the_parameter_and_need_it() -> None:
    assert "voice" not in ask("text_to_speech", {**WORDS, "model": "seed_audio"}).params
    assert "duration" not in ask("recipes/ad_localization", {"target_language": "de"}, CAT).params
    given = {"model": "enhance_frame_rate", "target_framerate": "60"}
    assert "resolution" not in ask("video_upscale", given, CLIP).params


def test_a_workflow_is_named_by_its_id() -> None:
    row = served(f"workflows/{WORKFLOW}")
    assert (row.path, row.listed) == (f"/v1/workflows/{WORKFLOW}", "/v1/workflows/{id}")
    assert (row.poll, row.stops) == ("/v1/workflow_invocations/{id}", False)
    for name in (
        "workflows/{id}",
        "workflows/",
        "workflows",
        "workflows/a/b",
        "workflows/../x",
        "recipes/x",
        "",
    ):
        assert find(name) is None
        with pytest.raises(KeyError):
            served(name)
    with pytest.raises(Refusal, match="is not served"):
        resolve("workflows", {}, dropped=None, media={})


def cost(operation: str, given: Params, dropped: str | None = None) -> tuple[int | None, str]:
    found = ask(operation, given, dropped)
    return found.credits, found.price_note


UPSCALED = {CAT: MediaFacts("image", ".png", "image/png", 10_000, 3000, 1000)}


@pytest.mark.parametrize(
    ("operation", "given", "dropped", "expected"),
    [
        ("text_to_video", WORDS, None, 60),
        ("video_to_video", {}, CLIP, 279),  # 28 a second
        ("video_to_video", {"output_format": "prores"}, CLIP, 329),
        ("video_to_video", {**WORDS, "model": "gemini_omni_flash"}, CLIP, 110),
        ("image_upscale", {}, CAT, 25),
        ("image_upscale", {"scale_factor": 4}, STAMP, 150),
        ("video_upscale", {}, CLIP, 216),  # 0.9 a picture, 24 pictures a second
        ("video_upscale", {"resolution": "720p"}, CLIP, 168),
        ("video_upscale", {"model": "enhance_frame_rate", "target_framerate": "60"}, CLIP, 5),
        ("video_to_hdr", {}, CLIP, 200),
        ("character_performance", {"character": {"type": "image", "uri": CAT}}, CLIP, 50),
        ("sound_effect", WORDS, None, 2),
        ("sound_effect", {**WORDS, "duration": 7.5}, None, 8),
        ("text_to_speech", WORDS, None, 3),  # 1 for every 50 letters
        ("speech_to_speech", {}, SONG, 21),
        ("voice_isolation", {}, SONG, 11),
        ("voice_dubbing", {"target_lang": "de"}, SONG, 31),
        ("avatar_videos", {"avatar": {"type": "custom", "avatar_id": "a"}}, SONG, 24),
        ("recipes/ad_localization", {"target_language": "de"}, CAT, 21),
        ("recipes/marketing_stock_image", {"prompt": "x"}, None, 88),
        ("recipes/marketing_stock_image", {"prompt": "x", "output_count": 1}, None, 28),
        ("recipes/multi_shot_video", {"prompt": "a film", "ratio": "1920:1080"}, None, 85),
        ("recipes/product_ad", {"duration": 6, "ratio": "1280:720"}, CAT, 272),
        ("recipes/product_ad", {"duration": 4, "ratio": "1920:1080"}, CAT, 216),
        ("recipes/product_campaign_image", {"prompt": "a hat"}, CAT, 144),
        ("recipes/product_swap", {**SWAP, "resolution": "1080p"}, CAT, 268),
        ("recipes/product_swap", SWAP, CAT, 248),
        ("recipes/product_ugc", {"character_image": {"uri": CAT}, "ratio": "720:1280"}, "file:old.png", 228),
    ],
)
def test_every_published_price_is_told_at_once(
    operation: str, given: Params, dropped: str | None, expected: int
) -> None:
    found = ask(operation, given, dropped, media={"file:old.png": FACTS[CAT]})
    assert (found.credits, found.price_note) == (expected, "")


@pytest.mark.parametrize(
    ("operation", "given", "expected"),
    [
        ("text_to_speech", {**WORDS, "model": "seed_audio"}, 5),
        ("sound_effect", {**WORDS, "model": "seed_audio"}, 15),
        (
            "avatar_videos",
            {
                "avatar": {"type": "custom", "avatar_id": "a"},
                "speech": {"type": "text", "text": "x" * 130},
            },
            8,  # 13 s, of which 6 cost 2 each time that they begin
        ),
    ],
)
def test_a_length_that_nobody_can_know_is_estimated_and_said_so(
    operation: str, given: Params, expected: int
) -> None:
    assert cost(operation, given) == (expected, "how long it will be is estimated")


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("video_to_audio", {"duration": 5}),
        ("generate/video", {"config_id": "x", "input": {"prompt_text": "x"}}),
        ("generate/image", {"config_id": "x", "input": {"prompt_text": "x"}}),
        ("generate/audio", {"config_id": "x", "input": {"prompt_text": "x", "type": "audio"}}),
        ("workflows/{id}", {}),
    ],
)
def test_a_price_that_nobody_publishes_is_unknown(operation: str, given: Params) -> None:
    found = price(named(operation), given)
    assert (found.credits, found.is_known) == (None, False)
    assert "is not published" in found.note


def test_what_is_paid_by_a_length_that_is_not_known_has_no_price() -> None:
    unseen = {"file:song.wav": MediaFacts("audio", ".wav", "audio/wav", 10_000)}
    found = resolve("voice_isolation", {}, dropped="song.wav", media=unseen)
    assert found.credits is None
    assert found.price_note == "eleven_voice_isolation is paid for by a length that is not known"
    film = {"file:clip.mp4": MediaFacts("video", ".mp4", "video/mp4", 10_000)}
    longest = resolve(
        "character_performance",
        {"character": {"type": "video", "uri": "runway://0000000000"}},
        dropped="clip.mp4",
        media=film,
    )
    assert longest.credits is None  # the other film's length has no limit that anybody publishes


def test_what_costs_by_length_is_another_kind_with_another_length() -> None:
    params = ask("voice_isolation", {}, SONG).params
    assert price_kind("voice_isolation", params, 11) != price_kind("voice_isolation", params, 12)
    assert price_kind("nothing", params, 12) == ""


LONG = {"file:a.png": MediaFacts("video", ".mp4", "video/mp4", 10_000, 1280, 720, seconds=10.0, fps=24.0)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_published_price_list_comes_to_a_price(operation: str) -> None:
    """Whatever the request, smallest or fullest: as long as the lengths are known, the price is."""
    for model, shape in branches(operation).items():
        for wish in wishes(shape, model):
            if "duration" in shapes.fields(shape):
                wish.setdefault("duration", 5)  # as every drop has it
            entry = published.entry(OPERATIONS[operation].listed, wish)
            assert entry is not None
            found = price(named(operation), wish, LONG)
            if wish.get("fps_boost"):
                assert found.credits is None, "by how much it raises the number of frames is not published"
            elif "credits" in entry:
                assert (found.credits or 0) > 0, (model, wish)
                assert found.is_known
            else:
                assert not found.is_known


def test_the_tables_name_nothing_that_the_sdk_does_not_have() -> None:
    """A slot or a default that no model has would be a slip of the pen."""
    for name, row in OPERATIONS.items():
        fields: Mapping[str, shapes.Field] = {}
        for shape in shapes.branches(row.params):
            fields = {**fields, **shapes.fields(shape)}
            if "input" in fields:
                inner = shapes.fields(fields["input"].hint)
                fields = {**fields, **{f"input.{key}": field for key, field in inner.items()}}
        slots = {slot for each in row.slots.values() for slot in each}
        assert slots <= fields.keys(), name
        own = row.defaults.keys() - ({"duration"} if name.startswith("recipes/") else set())
        assert own <= fields.keys(), name


# -- what is published in words, or beside the types -----------------------------------------------------

LAST = {"uri": "file:_refs/b.png", "position": "last"}
FIRST = {"uri": "file:_refs/a.png", "position": "first"}
REFERENCE = {"uri": "file:_refs/c.png"}


@pytest.mark.parametrize("model", ["wan3", "wan3_prime", "hailuo3"])
def test_lists_that_the_sdk_does_not_describe_are_judged_and_filled_like_others(model: str) -> None:
    def sent(*entries: object) -> object:
        given = {"prompt_text": "x", "model": model, "prompt_image": list(entries)}
        return ask("image_to_video", given, CAT).params["prompt_image"]

    assert sent({"position": "first"}) == [{"uri": CAT, "position": "first"}]
    assert sent(LAST) == [{"uri": CAT, "position": "first"}, LAST]
    assert sent(REFERENCE) == [{"uri": CAT}, REFERENCE]
    given = {"prompt_text": "x", "model": model, "prompt_image": [{"uri": CAT, "positon": "first"}]}
    assert problems("image_to_video", given) == (
        "`prompt_image[0].positon`: unknown; did you mean `position`?",
    )
    given["prompt_image"] = ["file:_refs/a.png"]
    [told] = problems("image_to_video", given)
    assert told.startswith("`prompt_image[0]`: must be a table")


@pytest.mark.parametrize(
    ("model", "entries", "told"),
    [
        ("veo3.1", [FIRST, FIRST], "more than one has the position 'first'"),
        ("veo3.1", [LAST], "a last frame needs a first one"),
        (
            "seedance2",
            [FIRST, REFERENCE],
            "frames, which have a `position`, and references, without one, do not mix",
        ),
    ],
)
def test_frames_that_do_not_go_together_are_refused(model: str, entries: list[object], told: str) -> None:
    given = {"prompt_text": "x", "model": model, "prompt_image": entries}
    assert f"`prompt_image`: {told}" in problems("image_to_video", given)


def test_a_draft_is_finished_with_nothing_said_beside_it() -> None:
    draft = {"model": "seedance2_5", "draft_task_id": "00000000-0000-4000-8000-000000000000"}
    assert ask("text_to_video", draft).params == draft
    assert problems("text_to_video", {**draft, "duration": 5}) == (
        "`duration`: cannot be said beside `draft_task_id`, which stands alone",
    )


def test_a_film_is_as_long_as_its_shots() -> None:
    shots = [{"prompt": "one shot", "duration": seconds} for seconds in (4, 3, 3)]
    given: dict[str, Any] = {"mode": "custom", "shots": shots}
    assert ask("recipes/multi_shot_video", given).params["duration"] == 10
    assert problems("recipes/multi_shot_video", {**given, "duration": 5}) == (
        "`shots`: 10 s together, and `duration` is 5",
    )
    shots[0]["duration"] = 5
    assert problems("recipes/multi_shot_video", given) == ("`shots`: 11 s together, and `duration` is 10",)


def test_what_keeps_the_dropped_file_out_hides_nothing_else() -> None:
    given = {"prompt_text": "x", "prompt_image": "https://elsewhere.example/a.png"}
    told = problems("image_to_video", given, CAT)
    assert told[0] == "`prompt_image`: is set already, so the dropped file would not be used"
    assert any("elsewhere.example" in each for each in told[1:])


def test_a_sound_alone_is_told_what_can_be_done_with_it() -> None:
    [told] = problems("", {}, SONG)
    assert "speech_to_speech" in told
    assert "voice_isolation" in told
