"""What `models` shows can be written: the sidecar of every model is accepted, and so is each of its lines."""

import io
import re
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

from runway_watch import media
from runway_watch.catalogue import OPERATIONS, find, resolve, served, wire
from runway_watch.catalogue.describing import Param, describe
from runway_watch.catalogue.rules import DRAFT
from runway_watch.catalogue.sample import Sample, sample
from runway_watch.catalogue.sheets import Sheet, sheets
from runway_watch.catalogue.values import toml
from runway_watch.drops import Group
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts
from runway_watch.sidecar import parse
from runway_watch.simulator.schema import endpoints
from runway_watch.simulator.validate import validate
from runway_watch.spool import Spool
from runway_watch.stages.desk import Waits
from tests.samples import drop, judged, picture, spool
from tests.test_oracle import Uploads

SHEETS = {f"{sheet.row.name} {sheet.model}": sheet for row in OPERATIONS.values() for sheet in sheets(row)}
COMMENTED = re.compile(r"# [a-z_.]+ = ")
RATE = 8000


@cache
def film() -> bytes:
    """Four seconds, wide, with a picture that is not all alike."""
    buffer = io.BytesIO()
    pixels = Image.effect_noise((1280, 720), 40).convert("RGB").tobytes()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=4, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        frame = VideoFrame(1280, 720, "rgb24")
        frame.planes[0].update(pixels)
        for n in range(16):
            frame.pts = n
            frame.time_base = Fraction(1, 4)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@cache
def sound() -> bytes:
    """Eleven seconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=RATE)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        for n in range(11):
            frame = AudioFrame(format="s16p", layout="mono", samples=RATE)
            frame.sample_rate, frame.pts = RATE, n * RATE
            frame.planes[0].update(bytes([n, 1] * RATE))
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@cache
def medium(name: str) -> bytes:
    match name.rpartition(".")[2]:
        case "png":
            return picture(width=1280, height=720)
        case "mp4":
            return film()
    return sound()


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


@cache
def facts(name: str) -> MediaFacts:
    """What is found in such a file."""
    data, ending = medium(name), name.rpartition(".")[2]
    found = media.look(io.BytesIO(data), name=f"a.{ending}", size=len(data))
    return media.probed(io.BytesIO(data), found, name=name)


def dropped(given: Sample) -> str | None:
    """The file that a sidecar is meant for."""
    ending = {"image": ".png", "video": ".mp4", "audio": ".mp3", "": ""}[given.kind]
    return f"new{ending}" if ending else None


def problems(where: Spool, given: Sample) -> tuple[str, ...]:
    """What admission says against a sidecar that lies beside the file that it is meant for."""
    main = dropped(given)
    drop(where, {"new.prompt.toml": given.text.encode()} | ({main: medium(main)} if main else {}))
    found = judged(where, group=Group("new", main, "new.prompt.toml"))
    if isinstance(found, Waits):
        return (f"it waits: {found.why}",)
    verdict = found[0].verdict
    return () if verdict is None else verdict.problems or (verdict.message,)


def refused(text: str, given: Sample) -> tuple[str, ...]:
    """What is said against a text in place of a sidecar's: by the catalogue, else by Runway.

    Runway is the simulator's validation, which knows nothing of ours.
    """
    written, main = parse(text.encode(), name="new.prompt.toml"), dropped(given)
    known = {f"file:_refs/{name}": facts(name) for name in re.findall(r"file:_refs/([\w.]+)", text)}
    known |= {f"file:{main}": facts(main)} if main else {}
    try:
        found = resolve(given.operation, written.params, dropped=main, media=known)
    except Refusal as refusal:
        return tuple(refusal.problems)
    body = wire(found.operation, found.params, Uploads())
    branch, there = validate(endpoints()[served(found.operation).listed], body)
    return tuple(str(issue) for issue in there.issues) if branch else ("no such model",)


def one_by_one(text: str) -> Iterator[tuple[str, str]]:
    """Each commented line, and the text in which it is none."""
    lines = text.splitlines()
    for n, line in enumerate(lines):
        if COMMENTED.match(line):
            mended = line.removeprefix("# ")
            yield line, "\n".join([*lines[:n], mended, *lines[n + 1 :]])


@pytest.mark.parametrize("name", SHEETS)
def test_every_sidecar_to_copy_is_accepted_and_so_is_each_of_its_lines(name: str, where: Spool) -> None:
    given = sample(SHEETS[name])
    files = {file: medium(file) for file in re.findall(r"file:_refs/([\w.]+)", given.text)}
    drop(where, files, folder="_refs")
    assert problems(where, given) == ()
    assert refused(given.text, given) == ()
    wrong = {line: told for line, text in one_by_one(given.text) if (told := refused(text, given))}
    assert wrong == {}


@pytest.mark.parametrize("name", SHEETS)
def test_every_parameter_of_a_model_stands_in_its_sidecar_or_is_what_is_dropped(name: str) -> None:
    given, params = sample(SHEETS[name]), describe(SHEETS[name])
    every = "\n".join(
        line.removeprefix("# ") if COMMENTED.match(line) else line for line in given.text.splitlines()
    )
    written = tomllib.loads(every)
    model = SHEETS[name].given.get("model")
    assert written.get("model") == model
    top = {param.path for param in params if "." not in param.path and "[" not in param.path}
    missing = top - written.keys()
    assert missing == {param.path for param in params if is_left(param, given, missing)}


def is_left(param: Param, given: Sample, missing: set[str]) -> bool:
    """Whether a parameter need not stand there: what is dropped, what is outdated, what stands alone."""
    is_filled = given.kind in param.dropped and param.required
    return param.path in missing and (is_filled or "deprecated" in param.note or param.path == DRAFT)


def test_there_is_a_sidecar_for_every_model_that_the_sdk_publishes() -> None:
    assert len(SHEETS) >= 111
    assert {sheet.row.name for sheet in SHEETS.values()} == set(OPERATIONS)


def test_what_is_sent_anyway_stands_in_the_sidecar(where: Spool) -> None:
    given = tomllib.loads(sample(SHEETS["image_to_video gen4.5"]).text)
    assert given == {
        "model": "gen4.5",
        "duration": 5,
        "prompt_text": "Slow dolly in, dust in the light",
        "ratio": "auto",
    }


def test_files_are_named_after_what_they_are_for() -> None:
    text = sample(SHEETS["recipes/product_swap (no model)"]).text
    assert 'original_product_image.uri = "file:_refs/original_product_image.png"' in text
    assert 'reference_video.uri = "file:_refs/reference_video.mp4"' in text


def test_a_workflow_is_shown_with_a_place_for_its_id() -> None:
    given = sample(SHEETS["workflows/{id} (no model)"])
    row = find(given.operation)
    assert row is not None
    assert row.listed == "/v1/workflows/{id}"


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, {"b c": "d"}]}, 'say "so"\n\t\\', "ü☃", True, [], {"x.y": {}}, "\x7f", "\u2028"],
)
def test_a_value_reads_as_what_it_was(value: object) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value


# -- what is told of parameters -----------------------------------------------------------------------------


def param(name: str, path: str) -> Param:
    [found] = [each for each in describe(SHEETS[name]) if each.path == path]
    return found


def test_a_parameter_is_told_with_all_that_is_known_of_it() -> None:
    duration = param("image_to_video gen4.5", "duration")
    assert (duration.required, duration.kind, duration.limits, duration.default) == (
        True,
        "a whole number",
        ("2 to 10",),
        5,
    )
    ratio = param("image_to_video gen4.5", "ratio")
    assert (ratio.default, len(ratio.allowed)) == ("auto", 6)
    dropped = param("image_to_video gen4.5", "prompt_image")
    assert (dropped.dropped, dropped.media) == (["image"], "image")
    assert dropped.limits == ("1 entry", "0.5 to 2 wide to 1 high")
    audio = param("recipes/multi_shot_video (no model) mode=auto", "audio")
    assert (audio.theirs, audio.default) == (True, None)


@pytest.mark.parametrize(
    ("name", "path", "when"),
    [
        ("avatar_videos gwm1_avatars", "avatar.preset_id", 'with type = "runway-preset"'),
        ("avatar_videos gwm1_avatars", "avatar.type", ""),
        ("video_to_video aleph2", "keyframes[].at", "instead of seconds"),
        ("video_to_video aleph2", "keyframes[].uri", ""),
        ("workflows/{id} (no model)", "node_outputs.*.*.uri", 'with type = "image" or "video" or "audio"'),
    ],
)
def test_of_several_forms_each_key_says_to_which_it_belongs(name: str, path: str, when: str) -> None:
    assert param(name, path).when == when


def test_what_the_sdk_leaves_open_is_told_by_what_is_published() -> None:
    assert param("image_to_video hailuo3", "prompt_image[].position").allowed == ("first", "last")


def sheet(name: str) -> Sheet:
    return SHEETS[name]


def test_the_default_model_comes_first() -> None:
    assert sheets(OPERATIONS["image_to_video"])[0] == sheet("image_to_video gen4.5")
    assert [each.is_default for each in sheets(OPERATIONS["image_to_video"])].count(True) == 1
