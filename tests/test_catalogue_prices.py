"""Prices by table: the most that a request may cost, in credits."""

from typing import Any

import pytest
from runwayml.types import VideoToAudioCreateParams, VideoToVideoCreateParams

from runway_watch.catalogue import Operation, is_by_length, price, prices
from runway_watch.job import MediaFacts

VIDEO = {"prompt_text": "x", "prompt_image": "file:cat.png", "duration": 5}
IMAGE = {"prompt_text": "x"}
TWO = [{"uri": "file:a.png"}, {"uri": "file:b.png"}]
UNKNOWN = "the price of {} is not published; the dearest known of {} is assumed"


@pytest.mark.parametrize(
    ("model", "given", "cost"),
    [
        ("gen4.5", {"ratio": "1280:720"}, 60),
        ("gen4.5", {"ratio": "1280:720", "output_format": "mp4"}, 60),
        ("gen4.5", {"ratio": "1280:720", "output_format": "prores"}, 85),
        ("gen4.5", {"ratio": "1280:720", "output_format": "hdr10"}, 160),
        ("gen4.5", {"output_format": "hdr10"}, 260),  # the size is open: it could be above 4 MP
        ("gen4_turbo", {}, 25),
        ("veo3.1", {"audio": False}, 100),
        ("veo3.1", {"audio": True}, 200),
        ("veo3.1", {}, 200),
        ("hailuo3", {"resolution": "768p"}, 52),
        ("hailuo3", {"resolution": "768P"}, 52),
        ("hailuo3", {"ratio": "16:9"}, 77),
        ("hailuo3", {"resolution": "768p", "prompt_image": TWO}, 54),
        ("happyhorse_1_0", {"resolution": "720p"}, 75),
        ("happyhorse_1_0", {}, 150),
        ("kling3.0_pro", {}, 85),
        ("kling3.0_pro", {"provider_settings": {"multi_prompt": [{"duration": 6}, {"duration": 4}]}}, 170),
        ("seedance2", {"ratio": "992:432"}, 180),
        ("seedance2", {"ratio": "2206:946"}, 200),
        ("seedance2", {"ratio": "3840:3840"}, 750),
        ("seedance2", {"ratio": "1280:720", "duration": "auto"}, 540),
        ("seedance2_mini", {"duration": 4}, 64),
        ("seedance2_mini", {"duration": 15}, 240),
        ("seedance2_5", {"ratio": "854:480", "duration": 4}, 80),
        ("seedance2_5", {"ratio": "1280:720", "duration": 10}, 300),
        ("gemini_omni_flash", {}, 51),
        ("gemini_omni_flash_1.1", {}, 150),
        ("grok_imagine_1_5", {"resolution": "480p"}, 51),
        ("grok_imagine_1_5_lite", {"ratio": "auto_720p"}, 16),
        ("wan3", {"ratio": "auto_1080p"}, 100),
        ("wan3_prime", {"ratio": "832:480"}, 34),
        ("h3_max", {}, 40),
    ],
)
def test_a_film_costs_by_the_second(model: str, given: dict[str, Any], cost: int) -> None:
    assert price("image_to_video", {**VIDEO, "model": model, **given}).credits == cost


@pytest.mark.parametrize(
    ("model", "given", "cost"),
    [
        ("gen4_image", {"ratio": "1280:720"}, 5),
        ("gen4_image", {"ratio": "1920:1080"}, 8),
        ("gen4_image", {"ratio": "720:720"}, 5),
        ("gen4_image", {"ratio": "1024:1024"}, 8),
        ("gen4_image", {}, 8),
        ("gen4_image_turbo", {"reference_images": TWO}, 2),
        ("gpt_image_2", {"ratio": "2560:2560", "quality": "medium"}, 5),
        ("gpt_image_2", {"ratio": "2880:2880", "quality": "medium"}, 11),
        ("gpt_image_2", {"ratio": "3840:1648", "quality": "low", "output_count": 3}, 6),
        ("gpt_image_2", {"ratio": "auto"}, 41),
        ("gpt_image_2_5_flare", {"ratio": "1920:1920", "quality": "high"}, 16),
        ("gpt_image_2_5_flare", {"ratio": "1920:1920", "quality": "high", "reference_images": TWO}, 18),
        (
            "gpt_image_2_5_flare",
            {"ratio": "1920:1920", "quality": "low", "reference_images": TWO, "output_count": 4},
            12,
        ),
        ("muse_image", {"output_count": 2}, 2),
        ("seedream5_pro", {"ratio": "1296:864"}, 5),
        ("seedream5_pro", {"ratio": "2720:1530"}, 9),
        ("seedream5_pro", {"ratio": "auto_1k"}, 5),
        ("seedream5_lite", {"output_count": 4}, 16),
        ("grok_imagine_image_2", {"ratio": "1280:720", "quality": "low"}, 4),
        ("grok_imagine_image_2", {"ratio": "3200:1440", "quality": "medium"}, 8),
        ("grok_imagine_image_2", {"ratio": "auto_1k", "reference_images": TWO}, 8),
        ("gemini_image3_pro", {"ratio": "3168:1344"}, 20),
        ("gemini_image3_pro", {"ratio": "4096:4096", "output_count": 4}, 160),
        ("bria_fibo_1_5", {"ratio": "1024:1024"}, 5),
        ("bria_fibo_1_5", {"ratio": "1536:2304"}, 10),
        ("ideogram_4_0", {"quality": "medium"}, 7),
        ("ideogram_4_5", {"quality": "low"}, 4),
        ("ideogram_4_5", {}, 25),
        ("gemini_2.5_flash", {}, 5),
    ],
)
def test_a_picture_costs_by_its_size_and_quality(model: str, given: dict[str, Any], cost: int) -> None:
    assert price("text_to_image", {**IMAGE, "model": model, **given}).credits == cost


def test_a_price_that_is_not_published_is_taken_as_the_dearest_and_said_so() -> None:
    film = price("image_to_video", {**VIDEO, "model": "kling_4", "ratio": "1280:720"})
    assert (film.credits, film.note) == (200, UNKNOWN.format("kling_4", "image_to_video"))
    image = price("text_to_image", {**IMAGE, "model": "made_up", "output_count": 2, "quality": "high"})
    assert (image.credits, image.note) == (82, UNKNOWN.format("made_up", "text_to_image"))


def test_a_film_that_goes_in_is_paid_for_at_the_length_that_it_may_have_at_most() -> None:
    row = Operation("video_to_video", VideoToVideoCreateParams, slots={})
    params = {"model": "seedance2_5", "prompt_video": "file:a.mp4", "ratio": "1280:720", "duration": 10}
    assert prices.price(row, params).credits == 10 * 30 + 30 * 15


def test_where_no_price_of_an_operation_is_published_there_is_none() -> None:
    row = Operation("video_to_audio", VideoToAudioCreateParams, slots={})
    found = prices.price(row, {"model": "mirelo_sfx_2_0", "duration": 5})
    assert (found.credits, found.note) == (None, "the price of mirelo_sfx_2_0 is not published")


def test_an_unconfirmed_price_says_so_and_a_published_one_says_nothing() -> None:
    assert "not confirmed" in price("image_to_video", {**VIDEO, "model": "kling3.0_pro"}).note
    assert price("image_to_video", {**VIDEO, "model": "gen4.5"}).note == ""


def film(seconds: float) -> MediaFacts:
    return MediaFacts("video", ".mp4", "video/mp4", 10_000, 1280, 720, seconds=seconds, fps=30.0)


def test_a_film_that_is_referred_to_costs_as_much_as_what_comes_out_where_the_list_says_so_in_words() -> None:
    asked = {"model": "hailuo3", "prompt_text": "x", "duration": 5, "resolution": "768p"}
    assert price("text_to_video", asked).credits == 50
    refers = {**asked, "reference_videos": [{"type": "video", "uri": "file:a.mp4"}]}
    assert price("text_to_video", refers, {"file:a.mp4": film(10)}).credits == 150
    assert price("text_to_video", refers, {"file:a.mp4": film(40)}).credits == 200
    assert price("text_to_video", refers).credits == 200, "of a length that nobody knows"
    assert is_by_length("text_to_video", refers)


def test_how_many_frames_a_boost_adds_is_not_published() -> None:
    asked = {"model": "magnific_video_upscaler_creative", "video_uri": "file:a.mp4", "resolution": "2k"}
    assert price("video_upscale", asked, {"file:a.mp4": film(10)}).credits == 270
    boosted = price("video_upscale", {**asked, "fps_boost": True}, {"file:a.mp4": film(10)})
    assert (boosted.credits, boosted.is_known) == (None, False)


@pytest.mark.parametrize(
    ("operation", "params", "depends"),
    [
        ("video_to_video", {"model": "klingO3_pro", "prompt_text": "x", "prompt_video": "file:a.mp4"}, True),
        ("generate/audio", {"config_id": "a", "input": {"type": "speech", "prompt_text": "x"}}, True),
        ("generate/audio", {"config_id": "a", "input": {"type": "audio", "prompt_text": "x"}}, False),
        ("image_to_video", {"model": "kling_4", "prompt_text": "x", "prompt_image": "file:a.png"}, False),
    ],
)
def test_where_no_price_is_published_it_may_depend_on_what_has_a_length(
    operation: str, params: dict[str, Any], depends: bool
) -> None:
    assert not price(operation, params).is_known
    assert is_by_length(operation, params) is depends
