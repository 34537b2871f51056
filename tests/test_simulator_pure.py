"""The simulator's rules as tables of values: queues, prices, bodies, media. No network."""

import io
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from runway_watch.simulator import Settings, tokens
from runway_watch.simulator.faults import Faults, parse_rule
from runway_watch.simulator.lanes import Lanes
from runway_watch.simulator.media import matches
from runway_watch.simulator.price import Price, output_count, price
from runway_watch.simulator.references import check_media, check_together
from runway_watch.simulator.render import render
from runway_watch.simulator.schema import Json, endpoints
from runway_watch.simulator.shape import Shape
from runway_watch.simulator.stamp import stamp
from runway_watch.simulator.task import Task
from runway_watch.simulator.validate import validate

URL = "https://example.com/a.png"
I2V = {"model": "gen4.5", "promptText": "x", "promptImage": URL, "ratio": "1280:720", "duration": 5}
T2I = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080"}


def a_task(name: str, seconds: float = 10.0, queue: str = "gen4.5") -> Task:
    return Task(
        id=name,
        route="/v1/text_to_video",
        queue=queue,
        kind="video",
        body={},
        price=Price(60, 60),
        seconds=seconds,
        outputs=1,
        created_at=0.0,
    )


def lanes_with(limit: int | None, *tasks: Task) -> Lanes:
    lanes = Lanes(lambda queue: limit)
    for task in tasks:
        lanes.submit(task, 0.0)
    return lanes


def test_a_queued_task_starts_when_a_slot_is_free_however_late_somebody_looks() -> None:
    tasks = [a_task(name) for name in "abcde"]
    lanes = lanes_with(2, *tasks)
    assert [task.status(0.0) for task in tasks] == [
        "PENDING",
        "PENDING",
        "THROTTLED",
        "THROTTLED",
        "THROTTLED",
    ]
    assert lanes.advance(1000.0) == tasks
    assert [task.started_at for task in tasks] == [0.0, 0.0, 10.0, 10.0, 20.0]
    assert [task.ended_at for task in tasks] == [10.0, 10.0, 20.0, 20.0, 30.0]
    assert (lanes.most_running, lanes.most_waiting) == (2, 3)


def test_models_do_not_wait_for_each_other() -> None:
    tasks = [a_task("a"), a_task("b", queue="veo3.1")]
    lanes_with(1, *tasks)
    assert [task.started_at for task in tasks] == [0.0, 0.0]


def test_a_cancelled_task_gives_its_slot_to_the_next() -> None:
    first, second, third = tasks = [a_task(name) for name in "abc"]
    lanes = lanes_with(1, *tasks)
    lanes.cancel(second, 1.0)
    lanes.cancel(first, 4.0)
    lanes.advance(100.0)
    assert (first.ended_at, second.started_at, third.started_at) == (4.0, None, 4.0)
    assert (first.settle(), second.settle(), third.settle()) == (0, 60, 0)  # running ones are not refunded


def test_progress_grows_evenly_after_a_moment_of_pending() -> None:
    task = a_task("a", seconds=10.5)
    lanes = lanes_with(1, task)
    lanes.advance(5.0)
    assert [task.status(moment) for moment in (0.0, 0.5, 0.6)] == ["PENDING", "PENDING", "RUNNING"]
    assert task.progress(0.525) == 0.0
    assert task.progress(5.5125) == 0.5
    assert task.progress(99.0) == 1.0


@pytest.mark.parametrize(
    ("route", "body", "estimate", "final"),
    [
        ("image_to_video", I2V, 60, 60),
        ("image_to_video", {**I2V, "model": "gen4_turbo"}, 25, 25),
        ("image_to_video", {**I2V, "model": "veo3.1", "duration": 4}, 160, 160),
        ("image_to_video", {**I2V, "model": "veo3.1", "duration": 4, "audio": False}, 80, 80),
        ("image_to_video", {**I2V, "model": "seedance2", "duration": "auto"}, 540, 180),
        ("image_to_video", {**I2V, "model": "hailuo3", "resolution": "768p"}, 50, 50),
        ("image_to_video", {**I2V, "model": "hailuo3"}, 75, 75),
        ("image_to_video", {**I2V, "model": "klingO3_4k"}, 10, 10),
        ("text_to_image", T2I, 8, 8),
        ("text_to_image", {**T2I, "ratio": "1280:720"}, 5, 5),
        ("text_to_image", {**T2I, "model": "gen4_image_turbo"}, 2, 2),
        ("text_to_image", {**T2I, "model": "gpt_image_2", "quality": "low", "outputCount": 3}, 3, 3),
        ("text_to_image", {**T2I, "model": "gemini_image3_pro", "ratio": "4096:4096"}, 40, 40),
        ("text_to_image", {**T2I, "model": "seedream5_pro", "ratio": "1024:1024"}, 5, 5),
        ("text_to_speech", {"model": "eleven_v3", "promptText": "x" * 101}, 3, 3),
        ("voice_isolation", {"model": "eleven_voice_isolation"}, 2, 2),
        ("recipes/product_campaign_image", {}, 144, 144),
        ("recipes/marketing_stock_image", {}, 88, 88),
        ("recipes/product_ugc", {"duration": 5, "ratio": "1080:1920"}, 248, 248),
    ],
)
def test_prices_are_the_published_ones(route: str, body: Json, estimate: int, final: int) -> None:
    endpoint = endpoints()[f"/v1/{route}"]
    branch = endpoint.branches.get(body.get("model", "")) or next(iter(endpoint.branches.values()))
    assert price(branch, body) == Price(estimate, final)


LEAST: dict[str, Callable[[Json], Any]] = {
    "string": lambda rule: "abc" if "pattern" in rule else "x" * max(1, rule.get("minLength", 1)),
    "integer": lambda rule: rule.get("min", 1),
    "number": lambda rule: rule.get("min", 1),
    "boolean": lambda rule: True,
    "array": lambda rule: [minimal(least_item(rule))] * max(1, rule.get("minItems", 1)),
    "object": lambda rule: {
        name: minimal(inner) for name, inner in rule.get("params", {}).items() if inner.get("required")
    },
}


def least_item(rule: Json) -> Json:
    inner: Json = rule.get("items", {"type": "string"})
    return {"media": rule["media"], **inner} if "media" in rule and inner.get("type") == "string" else inner


def minimal(rule: Json) -> Any:
    """The least value that a rule takes."""
    if "variants" in rule:
        return minimal({"type": "object", **rule["variants"][0]})
    if "media" in rule and rule.get("type", "").startswith("string"):
        return URL
    if "const" in rule:
        return rule["const"]
    if "enum" in rule or "orEnum" in rule:
        return (rule.get("enum") or rule["orEnum"])[0]
    return LEAST[rule.get("type", "object").split("|")[0]](rule)


BRANCHES = [(route, label) for route, endpoint in endpoints().items() for label in endpoint.branches]


@pytest.mark.parametrize(("route", "label"), BRANCHES)
def test_every_model_takes_its_least_body_and_misses_each_required_key(route: str, label: str) -> None:
    endpoint = endpoints()[route]
    wanted = endpoint.branches[label]
    body = minimal({"params": wanted.params})
    branch, found = validate(endpoint, body)
    uploads = check_media(found, lambda uri: None)
    assert (branch, found.issues, uploads) == (wanted, [], [])
    assert price(wanted, body).estimate > 0
    assert output_count(wanted, body) >= 1
    for name in body.keys() - {"model", "mode"}:
        _, found = validate(endpoint, {key: value for key, value in body.items() if key != name})
        assert [issue["path"] for issue in found.issues] == [[name]]


@pytest.mark.parametrize(
    ("route", "changes", "problems"),
    [
        ("image_to_video", {"duration": 1}, {("too_small", "duration")}),
        ("image_to_video", {"duration": 11}, {("too_big", "duration")}),
        ("image_to_video", {"duration": 5.0}, set()),
        ("image_to_video", {"duration": 5.5}, {("invalid_type", "duration")}),
        ("image_to_video", {"duration": "5"}, {("invalid_type", "duration")}),
        ("image_to_video", {"duration": True}, {("invalid_type", "duration")}),
        ("image_to_video", {"duration": None}, {("invalid_type", "duration")}),
        ("image_to_video", {"ratio": "1:1"}, {("invalid_enum_value", "ratio")}),
        ("image_to_video", {"ratoi": "1280:720"}, set()),  # gen4.5 swallows unknown keys
        ("image_to_video", {"model": "aleph2"}, {("invalid_union_discriminator", "model")}),
        ("image_to_video", {"model": ["gen4.5"]}, {("invalid_union_discriminator", "model")}),
        ("image_to_video", {"promptText": ""}, {("too_small", "promptText")}),
        ("image_to_video", {"promptText": "\U0001f600" * 500}, set()),
        ("image_to_video", {"promptText": "\U0001f600" * 501}, {("too_big", "promptText")}),
        ("image_to_video", {"seed": 4294967296}, {("too_big", "seed")}),
        ("image_to_video", {"seed": -1, "ratio": 3}, {("too_small", "seed"), ("invalid_type", "ratio")}),
        ("image_to_video", {"promptImage": "http://example.com/a.png"}, {("custom", "promptImage")}),
        ("image_to_video", {"promptImage": "https://127.0.0.1/a.png"}, {("custom", "promptImage")}),
        ("image_to_video", {"promptImage": "runway://nothing-there"}, {("custom", "promptImage")}),
        ("image_to_video", {"promptImage": "data:image/png;base64,AAAA"}, set()),
        ("image_to_video", {"promptImage": "data:image/gif;base64,AAAA"}, {("custom", "promptImage")}),
        ("image_to_video", {"promptImage": "data:image/png;base64,?"}, {("custom", "promptImage")}),
        ("image_to_video", {"promptImage": []}, {("too_small", "promptImage")}),
        ("image_to_video", {"promptImage": [{"uri": URL, "position": "first"}]}, set()),
        ("image_to_video", {"promptImage": [{"uri": URL}]}, {("invalid_type", "promptImage.0.position")}),
        ("image_to_video", {"promptImage": [{"uri": URL, "position": "last"}]},
         {("invalid_literal", "promptImage.0.position")}),
        ("image_to_video", {"contentModeration": {"publicFigureThreshold": "high"}},
         {("invalid_enum_value", "contentModeration.publicFigureThreshold")}),
        ("image_to_video", {"model": "seedance2", "duration": "auto"}, set()),
        ("image_to_video", {"model": "seedance2", "duration": "long"}, {("invalid_enum_value", "duration")}),
        ("image_to_video", {"model": "happyhorse_1_0", "promptText": "xy"}, {("unrecognized_keys", "")}),
        ("text_to_image", {"referenceImages": [{"uri": URL, "tag": "ok_1"}]}, set()),
        ("text_to_image", {"referenceImages": [{"uri": URL, "tag": "No"}]},
         {("too_small", "referenceImages.0.tag"), ("invalid_string", "referenceImages.0.tag")}),
        ("text_to_image", {"referenceImages": [{"uri": URL}] * 4}, {("too_big", "referenceImages")}),
        ("text_to_image", {"referenceImages": [{"uri": URL, "tag": "abc"}] * 2},
         {("custom", "referenceImages")}),
        ("text_to_image", {"model": "seedream5_lite", "ratio": "2000:2000"}, set()),
        ("text_to_image", {"model": "seedream5_lite", "ratio": "100:100"}, {("invalid_enum_value", "ratio")}),
        ("text_to_image", {"model": "gen4_image_turbo"}, {("invalid_type", "referenceImages")}),
    ],
)  # fmt: skip
def test_a_body_is_refused_for_every_reason_at_once(
    route: str, changes: Json, problems: set[tuple[str, str]]
) -> None:
    body = {**(I2V if route == "image_to_video" else T2I), **changes}
    branch, found = validate(endpoints()[f"/v1/{route}"], body)
    check_media(found, lambda uri: None)
    check_together(found, body, branch.params if branch else {})
    assert {(issue["code"], ".".join(map(str, issue["path"]))) for issue in found.issues} == problems


def test_frames_and_references_do_not_mix() -> None:
    images = [{"uri": URL, "position": "first"}, {"uri": URL}]
    branch, found = validate(endpoints()["/v1/image_to_video"], {"model": "seedance2", "promptImage": images})
    assert branch is not None
    check_together(found, {"promptImage": images}, branch.params)
    assert [issue["message"] for issue in found.issues] == ["Keyframes and references cannot be mixed."]


def test_an_unknown_model_is_answered_with_the_ids_that_exist() -> None:
    _, found = validate(endpoints()["/v1/image_to_video"], {"model": "gen3a_turbo"})
    assert {"gen4.5", "veo3.1", "kling_4"} <= set(found.issues[0]["options"])


@pytest.mark.parametrize(
    ("name", "head", "verdict"),
    [
        ("a.PNG", b"\x89PNG\r\n\x1a\n", True),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", False),
        ("a.jpeg", b"\xff\xd8\xff\xe0", True),
        ("a.webp", b"RIFF\0\0\0\0WEBP", True),
        ("a.wav", b"RIFF\0\0\0\0WEBP", False),
        ("a.mp4", b"\0\0\0\x20ftypisom", True),
        ("a.webm", b"\x1aE\xdf\xa3", True),
        ("a.mp3", b"ID3\x04", True),
        ("a.gif", b"GIF89a", False),
    ],
)
def test_the_first_bytes_must_be_what_the_extension_says(name: str, head: bytes, verdict: bool) -> None:
    assert matches(name, head) is verdict


def rendered(folder: Path, extension: str, mark: str = "a/0") -> bytes:
    path = folder / f"look.{extension}"
    if not path.exists():
        render(path, Shape(extension, 320, 180, 0.5), None, 7)
    return stamp(path.read_bytes(), extension, mark)


def frames(data: bytes) -> int:
    with av.open(io.BytesIO(data), "r") as film:
        return sum(1 for _ in film.decode(video=0))


def test_a_film_is_h264_that_a_browser_plays_from_its_first_byte(tmp_path: Path) -> None:
    data = rendered(tmp_path, "mp4")
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as film:
        video = film.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, float(video.average_rate or 0)) == (320, 180, 24.0)
        assert frames(data) == 12


@pytest.mark.parametrize(
    "extension", ["mp4", "mov", "png", "jpeg", "webp", "wav", "mp3", "flac", "ogg", "zip", "svg"]
)
def test_every_format_still_decodes_with_its_mark_and_differs_by_it(tmp_path: Path, extension: str) -> None:
    one, other = rendered(tmp_path, extension, "a/0"), rendered(tmp_path, extension, "b/11")
    assert one != other
    for data in (one, other):
        if extension in ("mp4", "mov"):
            assert frames(data) == 12
        elif extension in ("png", "jpeg", "webp"):
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                assert (image.format, image.size) == (extension.upper(), (320, 180))
        elif extension in ("mp3", "flac", "ogg"):
            with av.open(io.BytesIO(data), "r") as sound:
                assert sum(piece.samples for piece in sound.decode(audio=0)) >= 22_000
        elif extension == "wav":
            with wave.open(io.BytesIO(data)) as sound:
                assert sound.getnframes() == len(sound.readframes(10**6)) / 2 > 10_000
        elif extension == "zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None
                assert len(archive.namelist()) == 3


def test_a_picture_that_cannot_be_read_becomes_a_gradient(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 600)
    render(tmp_path / "out.png", Shape("png", 64, 64, 1.0), broken, 7)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (64, 64)


def test_a_token_opens_its_own_path_until_it_expires() -> None:
    token = tokens.sign("/out/a", 100.0, b"secret")
    assert tokens.opens(token, "/out/a", 99.0, b"secret")
    assert not tokens.opens(token, "/out/a", 100.0, b"secret")
    assert not tokens.opens(token, "/out/b", 99.0, b"secret")
    assert not tokens.opens("é.x", "/out/a", 99.0, b"secret")


def test_rules_are_counted_and_chance_can_be_repeated() -> None:
    faults = Faults(seed=1)
    faults.rules.append(parse_rule({"on": "create", "after": 1, "times": 2, "do": {"status": 503}}))
    assert [bool(faults.pick("create", {})) for _ in range(5)] == [False, True, True, False, False]
    assert faults.pick("task", {}) == {}
    picks = []
    for _ in range(2):
        chance = Faults(seed=3)
        chance.rules.append(parse_rule({"on": "*", "times": None, "probability": 0.5, "do": {"status": 500}}))
        picks.append([bool(chance.pick("task", {})) for _ in range(50)])
    assert picks[0] == picks[1]
    assert 10 < sum(picks[0]) < 40


@pytest.mark.parametrize(
    "rule", [{"on": "craete", "do": {}}, {"on": "create"}, {"on": "task", "do": {"stat": 1}}, 5]
)
def test_a_rule_with_a_typo_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="rule"):
        parse_rule(rule)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "example.com", "::"])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Settings(host=host)
