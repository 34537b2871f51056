"""`runway-watch demo`: without key, network or configuration to real files, in well under a minute."""

import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from PIL import Image

from runway_watch.demo.samples import drop_samples
from tests.cli_tools import cli, terminal

SECONDS = 60.0
KEY = re.compile(r"key_[0-9A-Za-z]{8}|Bearer")


@dataclass(frozen=True)
class Shown:
    """A demo that is over."""

    root: Path
    done: subprocess.CompletedProcess[str]
    seconds: float


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    base = tmp_path_factory.mktemp("demo")
    began = time.monotonic()
    done = cli("demo", "a demo", at=base)
    yield Shown(base / "a demo", done, time.monotonic() - began)


def files(root: Path, place: str) -> set[str]:
    top = root / place
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def test_it_ends_well_and_soon(shown: Shown) -> None:
    assert shown.done.returncode == 0, shown.done.stderr
    assert shown.seconds < SECONDS
    assert "Traceback" not in shown.done.stdout + shown.done.stderr


def test_every_file_is_where_it_belongs(shown: Shown) -> None:
    assert files(shown.root, "inbox") == files(shown.root, "processing") == set()
    assert files(shown.root, "done") == {
        *(f"hills{end}" for end in (".jpg", ".prompt.toml", ".out.mp4", ".result.toml")),
        *(f"portraits/boat{end}" for end in (".png", ".prompt.toml", ".out.png", ".result.toml")),
        *(f"lighthouse{end}" for end in (".prompt.toml", ".out.png", ".result.toml")),
    }
    assert files(shown.root, "failed") == {f"mistake{end}" for end in (".png", ".prompt.toml", ".error.toml")}


def test_the_film_plays_and_moves(shown: Shown) -> None:
    path = shown.root / "done/hills.out.mp4"
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        # PyAV has types, but not for this method.
        frames = [frame.to_image() for frame in film.decode(stream)]  # type: ignore[no-untyped-call]
    assert len(frames) > 10
    assert frames[0].tobytes() != frames[-1].tobytes()
    assert all(low < high for low, high in frames[0].getextrema())  # there is a picture in it
    head = path.read_bytes()
    assert head[4:8] == b"ftyp"
    assert head.index(b"moov") < head.index(b"mdat"), "a browser would load all of it before it plays"


@pytest.mark.parametrize("name", ["portraits/boat.out.png", "lighthouse.out.png"])
def test_the_pictures_open(name: str, shown: Shown) -> None:
    with Image.open(shown.root / "done" / name) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (1280, 720))


def test_the_records_tell_what_was_made_and_what_was_wrong(shown: Shown) -> None:
    result = tomllib.loads((shown.root / "done/hills.result.toml").read_text())
    assert (result["status"], result["credits"], result["input"]) == ("done", 60, "hills.jpg")
    assert result["generation"][0]["outputs"] == ["hills.out.mp4"]
    error = tomllib.loads((shown.root / "failed/mistake.error.toml").read_text())
    assert (error["status"], error["code"], error["charged"]) == ("failed", "params.invalid", "no")
    told = "\n".join(error["problems"])
    for part in ("`promt_text`: unknown; did you mean `prompt_text`?", "`ratio`: '16:9'", "`duration`: 60"):
        assert part in told


def test_it_tells_a_newcomer_where_to_look(shown: Shown) -> None:
    said = shown.done.stdout
    for path in ("done/hills.out.mp4", "done/hills.result.toml", "failed/mistake.error.toml"):
        assert str(shown.root / path) in said
    assert "3 generations, 70 credits. Nothing was really spent." in said
    assert "mistake.png" in said


def test_the_log_goes_to_standard_error_and_nothing_tells_the_key(shown: Shown) -> None:
    assert "job.done" in shown.done.stderr
    assert "job.done" not in shown.done.stdout
    for text in (shown.done.stdout, shown.done.stderr):
        assert not KEY.search(text)
        assert "\x1b" not in text  # no colours in a pipe
    written = [path.read_bytes() for path in shown.root.rglob("*") if path.is_file()]
    assert not any(KEY.search(content.decode("latin-1")) for content in written)


def test_every_sample_that_is_announced_is_dropped_and_counted_right(tmp_path: Path) -> None:
    told = drop_samples(tmp_path)
    for line in told:
        assert (tmp_path / line.split()[0]).is_file()
    assert len(list(tmp_path.rglob("*.prompt.toml"))) == len(told)


def test_a_second_demo_in_the_same_folder_works_too_and_overwrites_nothing(shown: Shown) -> None:
    before = {path: path.read_bytes() for path in (shown.root / "done").rglob("*") if path.is_file()}
    done = cli("demo", str(shown.root), at=shown.root.parent)
    assert done.returncode == 0, done.stdout
    assert {path: path.read_bytes() for path in before} == before
    assert (shown.root / "done/hills (2).out.mp4").is_file()
    assert str(shown.root / "done/hills (2).out.mp4") in done.stdout
    assert "0 generations, 0 credits. Nothing was really spent." in done.stdout
    assert "3 of the drops were made before in this folder" in done.stdout


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with terminal("demo", "films", at=tmp_path) as screen:
        screen.until(lambda seen: b"job.submitted" in seen)
        assert screen.interrupt() in (0, 1, 130)
        assert b"Traceback" not in screen.seen
        assert not KEY.search(screen.seen.decode())


def test_without_a_word_it_makes_a_folder_of_its_own_and_says_where(tmp_path: Path) -> None:
    with terminal("demo", at=tmp_path, env={"TMPDIR": str(tmp_path)}) as screen:
        screen.until(lambda seen: b"job.accepted" in seen)
        (folder,) = tmp_path.glob("runway-watch-demo-*")
        assert str(folder).encode() in screen.seen
        screen.interrupt()
