"""Every endpoint, from a drop in the inbox to its files in done/, against the simulator.

One daemon does all of them. Each sidecar is one that a person would write: what it leaves out is the
operation's default, what it names with `file:` lies in `_refs/`.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runway_watch.catalogue import OPERATIONS
from tests import samples
from tests.harness import Site, eventually, picture, simulator
from tests.wishes import WORKFLOW, named

CAT, CLIP, SONG = "cat.png", "clip.mp4", "song.wav"
REFERENCES = [f"_refs/{name}" for name in (CAT, CLIP, SONG)]


@dataclass(frozen=True)
class Case:
    """What is dropped with which sidecar, and which kinds of files come of it."""

    sidecar: str
    drop: str | None = CAT
    outputs: tuple[str, ...] = (".mp4",)


SHOTS = [f'{{duration = {n}, prompt = "shot {n}"}}' for n in (1, 2, 2)]
WORDS = 'prompt_text = "a lighthouse in the rain"'
CASES = {
    "image_to_video": Case(WORDS),
    "text_to_video": Case(WORDS, drop=None),
    "video_to_video": Case(WORDS, CLIP),
    "text_to_image": Case(WORDS, outputs=(".png",)),
    "image_upscale": Case("", outputs=(".png",)),
    "video_upscale": Case("", CLIP),
    "video_to_hdr": Case('output_format = "hdr_exr_sequence"', CLIP, (".zip",)),
    "video_to_audio": Case('num_variants = 2\nformat = "flac"', CLIP, (".flac", ".flac")),
    "character_performance": Case('character = {type = "image", uri = "file:_refs/cat.png"}', CLIP),
    "sound_effect": Case(f'model = "seed_audio"\noutput_format = "ogg_opus"\n{WORDS}', SONG, (".ogg",)),
    "text_to_speech": Case(WORDS, None, (".mp3",)),
    "speech_to_speech": Case("", SONG, (".mp3",)),
    "voice_isolation": Case("", SONG, (".mp3",)),
    "voice_dubbing": Case('target_lang = "de"', SONG, (".mp3",)),
    "avatar_videos": Case('avatar = {type = "runway-preset", preset_id = "cat-character"}', SONG),
    "generate/video": Case(f'config_id = "mine"\n[input]\n{WORDS}\nduration = 5'),
    "generate/image": Case(f'config_id = "mine"\n[input]\n{WORDS}', outputs=(".png",)),
    "generate/audio": Case(f'config_id = "mine"\n[input]\n{WORDS}\ntype = "audio"', SONG, (".wav",)),
    "recipes/ad_localization": Case('target_language = "de"', outputs=(".png",)),
    "recipes/marketing_stock_image": Case('prompt = "x"\noutput_count = 2', None, (".png", ".png")),
    "recipes/multi_shot_video": Case(f"shots = [{', '.join(SHOTS)}]"),
    "recipes/product_ad": Case('product_info = "a hat"'),
    "recipes/product_campaign_image": Case('prompt = "x"', outputs=(".png",) * 4),
    "recipes/product_swap": Case(
        'original_product_image.uri = "file:_refs/cat.png"\nreference_video.uri = "file:_refs/clip.mp4"'
    ),
    "recipes/product_ugc": Case('character_image.uri = "file:_refs/cat.png"'),
    "workflows/{id}": Case('[node_outputs.start.image]\ntype = "image"', outputs=(".mp4", ".mp4")),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A watch in which all of them have been dropped, and have come to their end."""
    with simulator(seconds=0.1, film_seconds=0.1) as runway:
        site = Site(tmp_path_factory.mktemp("operations"), runway)
        drop_all(site)
        with site.daemon() as daemon:
            eventually(lambda: site.files("inbox") == REFERENCES and not site.files("processing"), seconds=90)
            daemon.stop()
        yield site


def drop_all(site: Site) -> None:
    for name, data in files().items():
        site.put(f"_refs/{name}", data)
    for operation, case in CASES.items():
        name = stem(operation)
        if case.drop:
            site.put(name + Path(case.drop).suffix, files()[case.drop])
        job = f'[job]\noperation = "{named(operation)}"\n'
        site.put(f"{name}.prompt.toml", f"{case.sidecar}\n{job}".encode())


def files() -> dict[str, bytes]:
    return {CAT: picture((640, 360)), CLIP: samples.film(4.0), SONG: samples.sound(4.0)}


def stem(operation: str) -> str:
    return operation.replace("/", "-").replace("{", "").replace("}", "")


def test_there_is_a_case_for_every_operation() -> None:
    assert list(CASES) == list(OPERATIONS)
    assert len(CASES) == 26


@pytest.mark.parametrize("operation", CASES)
def test_its_files_lie_beside_what_was_dropped(done: Site, operation: str) -> None:
    name, case = stem(operation), CASES[operation]
    assert f"{name}.error.toml" not in done.files("failed"), done.record("failed", f"{name}.error.toml")
    result = done.record("done", f"{name}.result.toml")
    (call,) = result["generation"]
    assert (result["status"], result["operation"], call["status"]) == ("done", named(operation), "SUCCEEDED")
    assert [Path(output).suffix for output in call["outputs"]] == list(case.outputs)
    assert all((done.root / "done" / output).stat().st_size > 100 for output in call["outputs"])
    assert result["credits"] == call["credits"] > 0


def test_nothing_was_refused_and_nothing_but_the_references_is_left(done: Site) -> None:
    bill = done.runway.bill()
    assert bill["refused"] == []
    assert done.files("inbox") == REFERENCES


def test_the_files_of_a_workflow_are_told_by_its_nodes(done: Site) -> None:
    (call,) = done.record("done", f"{stem('workflows/{id}')}.result.toml")["generation"]
    assert call["nodes"] == {"Draft": [call["outputs"][0]], "Final cut": [call["outputs"][1]]}
    assert WORKFLOW in done.record("done", f"{stem('workflows/{id}')}.result.toml")["operation"]


def test_a_file_that_many_use_was_uploaded_once(done: Site) -> None:
    uploads = done.runway.bill()["uploads"]
    assert len(uploads) == len({upload["sha256"] for upload in uploads})


def test_the_plan_tells_the_price_of_each_or_that_it_is_unknown(done: Site, tmp_path: Path) -> None:
    site = Site(tmp_path, done.runway)
    drop_all(site)
    told = site.cli("plan").stdout
    prices = {line.split()[0].split(".")[0]: line for line in told.splitlines() if line.startswith("  ")}
    unknown = {operation for operation in CASES if "unknown" in prices[stem(operation)]}
    assert unknown == {
        *("video_to_audio", "generate/video", "generate/image", "generate/audio", "workflows/{id}")
    }
    assert "5 of unknown price" in told
    assert tomllib.loads((site.root / "inbox/image_to_video.prompt.toml").read_text())
