"""What Runway would cut off without a word is named, padded or refused; films are judged by their length."""

from typing import Any

import pytest

from runway_watch.catalogue import OPERATIONS, fitting, lengths, published, resolve
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts

CAT, CLIP = "file:cat.png", "file:clip.mp4"


def picture(width: int, height: int) -> MediaFacts:
    return MediaFacts("image", ".png", "image/png", 9000, width, height)


def clip(
    seconds: float | None = 5.0, *, fps: float | None = 25.0, size: tuple[int, int] = (1280, 720)
) -> MediaFacts:
    return MediaFacts("video", ".mp4", "video/mp4", 9000, *size, seconds, fps, "h264")


def sound(seconds: float) -> MediaFacts:
    return MediaFacts("audio", ".mp3", "audio/mpeg", 9000, seconds=seconds, codec="mp3")


def asked(width: int, height: int, *, fit: fitting.Fit = "crop", **given: Any) -> Any:
    params = {"prompt_text": "A cat", **given}
    return resolve("image_to_video", params, dropped="cat.png", media={CAT: picture(width, height)}, fit=fit)


@pytest.mark.parametrize(
    ("size", "ratio", "lost"),
    [
        ((1280, 720), (1280, 720), ""),
        ((4000, 3000), (1280, 720), "12 % top and bottom"),  # a quarter of its height, in two halves
        ((3000, 4000), (720, 1280), "12 % left and right"),
        ((4032, 3024), (1104, 832), ""),  # 4:3 as models round it
        ((2000, 1000), (1000, 1000), "25 % left and right"),
        ((1000, 2000), (1000, 1000), "25 % top and bottom"),
        ((1300, 720), (1280, 720), "1 % left and right"),
        ((1285, 720), (1280, 720), ""),
        ((1, 60_000), (60_000, 1), "50 % top and bottom"),
        ((0, 10), (16, 9), ""),
    ],
)
def test_what_is_lost_is_told_for_each_end(size: tuple[int, int], ratio: tuple[int, int], lost: str) -> None:
    assert fitting.loss(size, ratio) == lost


def test_a_picture_whose_shape_is_not_the_ratios_is_named() -> None:
    found = asked(4000, 3000, ratio="1280:720")
    assert (found.cropped, found.pads) == ({CAT: "12 % top and bottom"}, {})
    assert asked(1920, 1080).cropped == {}


def test_it_is_padded_where_the_drop_says_so_and_the_models_window_is_judged_after_that() -> None:
    found = asked(1000, 2500, fit="pad", ratio="1280:720")
    assert (found.cropped, found.pads) == ({}, {CAT: "16:9"})
    with pytest.raises(Refusal, match="too tall"):
        asked(1000, 2500, ratio="1280:720")
    assert asked(1920, 1080, fit="pad").pads == {}


def test_it_is_refused_where_the_drop_says_so_with_both_shapes_and_the_nearest_ratio() -> None:
    with pytest.raises(Refusal) as refused:
        asked(4000, 3000, fit="refuse", ratio="1280:720")
    assert refused.value.code == "params.invalid"
    (sentence,) = refused.value.problems
    assert sentence.startswith("`prompt_image`: cat.png is 4000x3000 (4:3), and the ratio is 1280:720 (16:9)")
    assert sentence.endswith(
        "cut off 12 % top and bottom, and [job] has `fit = \"refuse\"`; the nearest ratio is '1104:832'"
    )
    assert asked(1920, 1080, fit="refuse").cropped == {}


def test_a_ratio_that_follows_the_picture_crops_nothing() -> None:
    found = asked(4000, 3000, model="happyhorse_1_0", resolution="720p", duration=5)
    assert found.cropped == {}


def fitted(params: dict[str, Any], facts: dict[str, MediaFacts], fit: fitting.Fit = "crop") -> fitting.Fitted:
    return fitting.fitted({"ratio": "1280:720", **params}, facts, fit=fit)


def test_of_a_list_only_what_has_a_place_is_a_frame() -> None:
    facts = {"file:a.png": picture(100, 100), "file:b.png": picture(100, 200), "file:c.png": picture(9, 9)}
    entries = [
        {"uri": "file:a.png", "position": "first"},
        {"uri": "file:b.png", "position": "last"},
        {"uri": "file:c.png"},
    ]
    found = fitted({"prompt_image": entries, "references": [{"uri": "file:c.png"}]}, facts)
    assert found.cropped == {"file:a.png": "22 % top and bottom", "file:b.png": "36 % top and bottom"}


def generated(fit: fitting.Fit, list_name: str, role: str, facts: MediaFacts) -> Any:
    given = {"prompt_text": "A cat", "aspect_ratio": "16:9", list_name: [{"role": role, "uri": CAT}]}
    return resolve(
        "generate/video", {"config_id": "c", "input": given}, dropped="cat.png", media={CAT: facts}, fit=fit
    )


@pytest.mark.parametrize("role", ["first", "last", "reference"])
def test_where_runway_chooses_the_model_the_entrys_role_tells_whether_it_is_a_frame(role: str) -> None:
    lost = {} if role == "reference" else {CAT: "36 % top and bottom"}
    assert generated("crop", "reference_images", role, picture(1000, 2000)).cropped == lost
    assert generated("pad", "reference_images", role, picture(1000, 2000)).pads == dict.fromkeys(lost, "16:9")


def test_a_role_that_is_no_text_is_no_frame() -> None:
    entries = {"reference_images": [{"role": ["first"], "uri": CAT}], "aspect_ratio": "16:9"}
    assert fitting.fitted({"input": entries}, {CAT: picture(9, 9)}, fit="crop").cropped == {}


def test_where_runway_chooses_the_model_a_source_film_is_refused_by_its_shape_too() -> None:
    with pytest.raises(Refusal, match=r"and the ratio is 16:9: Runway would cut off .*; the nearest.*'9:16'"):
        generated("refuse", "reference_videos", "source", clip(size=(1000, 2000)))
    assert generated("refuse", "reference_videos", "reference", clip(size=(1000, 2000))).cropped == {}


@pytest.mark.parametrize("side", [480, 600, 720, 1000, 7990])
def test_a_picture_is_judged_by_the_sides_that_padding_gives_it(side: int) -> None:
    found = asked(side, side, fit="pad", model="gen4_turbo", ratio="1584:672")
    assert found.pads == {CAT: "33:14"}


@pytest.mark.parametrize("slot", ["prompt_video", "video_uri"])
def test_a_source_film_is_named_too_and_cannot_be_padded(slot: str) -> None:
    facts = {CLIP: clip(size=(720, 1280))}
    assert fitted({slot: CLIP}, facts).cropped == {CLIP: "34 % top and bottom"}
    (problem,) = fitted({slot: CLIP}, facts, "pad").problems
    assert "a film cannot be padded" in problem.text
    (problem,) = fitted({slot: CLIP}, facts, "refuse").problems
    assert problem.path == (slot,)


def test_a_character_is_a_frame_and_a_performance_is_none() -> None:
    params = {"character": {"type": "image", "uri": CAT}, "reference": {"type": "video", "uri": CLIP}}
    found = fitted(params, {CAT: picture(100, 100), CLIP: clip(size=(100, 100))})
    assert found.cropped == {CAT: "22 % top and bottom"}


def test_what_nobody_has_seen_is_not_judged() -> None:
    unseen = MediaFacts("video", ".mp4", "video/mp4", 9000)
    assert fitted({"prompt_video": CLIP, "prompt_image": "https://x.example/a.png"}, {CLIP: unseen}) == (
        fitting.Fitted(media={CLIP: unseen})
    )


# -- lengths -----------------------------------------------------------------------------------------------


def told(path: str, params: dict[str, Any], facts: dict[str, MediaFacts]) -> list[str]:
    spec = published.limits(path, params)
    assert spec is not None
    return [problem.sentence for problem in lengths.check(path, params, spec, facts)]


def source(seconds: float | None, **more: Any) -> list[str]:
    params = {"model": "aleph2", "video_uri": CLIP}
    return told("/v1/video_to_video", params, {CLIP: clip(seconds, **more)})


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (2.0, None),
        (30.03, None),  # 900 frames at 29.97 a second
        (None, None),
        (1.0, "`video_uri`: clip.mp4 lasts 1.0 s; at least 2 s are needed: take a longer one"),
        (31.0, "`video_uri`: clip.mp4 lasts 31.0 s; at most 30 s are allowed: shorten it to 30 s"),
    ],
)
def test_a_film_is_as_long_as_its_model_wants_it(seconds: float | None, sentence: str | None) -> None:
    assert source(seconds) == ([sentence] if sentence else [])


def test_a_film_has_no_more_frames_than_its_model_takes() -> None:
    assert source(5.0, fps=29.97) == source(5.0, fps=None) == []
    assert source(5.0, fps=60.0) == [
        "`video_uri`: clip.mp4 has 60 frames a second; at most 30 are allowed: save it with 30"
    ]


def test_everything_that_is_wrong_with_a_film_is_told() -> None:
    (sentence,) = source(31.0, fps=60.0)
    assert "lasts 31.0 s" in sentence
    assert "60 frames" in sentence


def test_films_and_sounds_that_count_together_are_added() -> None:
    entries = [{"type": "audio", "uri": f"file:{n}.mp3"} for n in range(3)]
    params = {"model": "seedance2", "prompt_video": CLIP, "reference_audio": entries}
    facts = {f"file:{n}.mp3": sound(4.0) for n in range(3)} | {CLIP: clip(5.0)}
    assert told("/v1/video_to_video", params, facts) == []
    facts["file:1.mp3"] = sound(8.0)
    (sentence,) = told("/v1/video_to_video", params, facts)
    listed = "(0.mp3 4.0 s, 1.mp3 8.0 s, 2.mp3 4.0 s)"
    assert sentence == f"`reference_audio`: all together last 16.0 s; at most 15 s are allowed {listed}"


def test_a_source_and_its_references_count_together_where_they_do() -> None:
    params = {
        "model": "seedance2_5",
        "prompt_video": CLIP,
        "reference_videos": [{"type": "video", "uri": "file:b.mp4"}],
    }
    facts = {CLIP: clip(20.0), "file:b.mp4": clip(15.0, size=(640, 360))}
    small, long = told("/v1/video_to_video", params, facts)
    assert small.startswith("`reference_videos[0].uri`: b.mp4 is too small: 640x360; each side needs")
    assert long.startswith("`reference_videos`: all together last 35.0 s; at most 30 s are allowed (clip.mp4")


def test_a_film_of_4k_is_too_large_for_ruby() -> None:
    params = {"model": "ruby", "video_uri": CLIP}
    (sentence,) = told("/v1/video_to_hdr", params, {CLIP: clip(size=(4096, 2160))})
    assert sentence == "`video_uri`: clip.mp4 is too large: 4096x2160; a side may have 4095 pixels at most"


@pytest.mark.parametrize(
    ("size", "factor", "sentence"),
    [
        ((1000, 1000), 4, None),
        ((2000, 2000), None, None),
        ((2000, 2000), 4, "the largest `scale_factor` for it is 2"),
        ((8000, 8000), 2, "use a smaller picture"),
    ],
)
def test_an_upscaled_picture_stays_below_what_is_made(
    size: tuple[int, int], factor: int | None, sentence: str | None
) -> None:
    params: dict[str, Any] = {"model": "magnific_precision_upscaler_v2", "image_uri": CAT}
    params |= {"scale_factor": factor} if factor else {}
    found = told("/v1/image_upscale", params, {CAT: picture(*size)})
    assert [each for each in found if (sentence or "nothing") not in each] == []
    assert bool(found) is (sentence is not None)


def test_every_limit_of_our_own_is_of_a_model_and_a_parameter_that_there_are() -> None:
    for (path, model), limits in lengths._MORE.items():
        known = published.models(path)[model]["params"]
        assert {published.camel(name) for name in limits} <= known.keys()
    for (path, model), (names, _) in lengths._TOGETHER.items():
        assert {published.camel(name) for name in names} <= published.models(path)[model]["params"].keys()
    assert OPERATIONS
