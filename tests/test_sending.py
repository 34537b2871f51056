"""From a dropped file to the bytes that Runway receives: converted, stripped, or as it is, and told."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runway_watch.api import Api, Courier
from runway_watch.job import Done, How, Job, Later, Never, Outcome, Preparation, Verdict
from runway_watch.media import preparing
from runway_watch.spool import Spool
from runway_watch.stages.desk import Waits
from runway_watch.stages.upload import Parcel, parcels, upload
from tests.harness import Runway, Site, eventually, sidecar, simulator
from tests.media_samples import SECRET, camera, corners, film, opened, phone_heic, phone_jpeg, saved, scene
from tests.samples import SIDECAR, drop, judged, spool
from tests.test_api_loopback import KEY, Seen, loopback, run
from tests.test_api_wire import parts
from tests.test_wire import like_runway

PORTRAIT = phone_heic()
TALL = b'prompt_text = "x"\nratio = "720:1280"\n'
WITH_CLIP = b"""
model = "wan3"
prompt_text = "x"
ratio = "auto_720p"
[[reference_videos]]
type = "video"
uri = "file:_refs/clip.mov"
"""


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


def accepted(where: Spool, **changes: Any) -> Job:
    found = judged(where, **changes)
    assert not isinstance(found, Waits), found.why
    assert found[0].verdict is None, found[0].verdict
    return found[0]


def refused(where: Spool, **changes: Any) -> Verdict:
    found = judged(where, patient=False, **changes)
    assert not isinstance(found, Waits), found.why
    assert found[0].verdict is not None
    return found[0].verdict


def brought(job: Job, where: Spool) -> tuple[list[Outcome], list[Seen]]:
    """Every file of a job uploaded to a server here: what came of it, and the forms that it got."""

    async def work() -> tuple[list[Outcome], list[Seen]]:
        async with (
            loopback(like_runway) as server,
            Api(base_url=server.url, key=KEY) as api,
            Courier(allow_http=True) as courier,
        ):
            outcomes = [
                await upload(parcel, api=api, courier=courier, hands=where.hands)
                for parcel in parcels(job, where)
            ]
            return outcomes, [seen for seen in server.seen if seen.path == "/storage"]

    return run(work())


def received(job: Job, where: Spool) -> list[tuple[str, str, bytes]]:
    """The name, the type and the bytes of everything that the server got."""
    outcomes, forms = brought(job, where)
    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    return [(name or "", mime or "", data) for _, name, mime, data in (parts(form)[-1] for form in forms)]


def test_a_phones_portrait_arrives_upright_and_without_its_place(where: Spool) -> None:
    inbox = drop(where, {"IMG 1.heic": PORTRAIT, "IMG 1.prompt.toml": TALL})
    job = accepted(where)
    [(name, mime, data)] = received(job, where)
    assert (name, mime) == ("IMG 1.jpg", "image/jpeg")
    picture = opened(data)
    assert (picture.size, corners(picture)) == ((80, 120), "rgb")
    assert not [each for each in (b"Exif", b"GPS", b"Phone", SECRET.encode()) if each in data]
    how = job.prepared["file:IMG 1.heic"]
    assert (how.size, how.width, how.height) == (len(data), 80, 120)
    assert how.cropped == "8 % left and right" == job.cropped
    assert (inbox / "IMG 1.heic").read_bytes() == PORTRAIT


def test_a_picture_is_stripped_and_a_plain_one_is_sent_byte_for_byte(where: Spool) -> None:
    text = b'model = "gen4_image"\nprompt_text = "@image"\nratio = "1920:1080"\n[[reference_images]]\n'
    text += b'uri = "file:_refs/plain.png"\ntag = "style"\n[job]\noperation = "text_to_image"\n'
    plain, talkative = saved(scene(), "PNG"), phone_jpeg(1)
    drop(where, {"cat.jpg": talkative, "cat.prompt.toml": text})
    drop(where, {"plain.png": plain}, folder="_refs")
    job = accepted(where)
    [first, second] = received(job, where)
    assert first[:2] == ("cat.jpg", "image/jpeg")
    assert (b"Exif" in first[2], opened(first[2]).tobytes()) == (False, opened(talkative).tobytes())
    assert second == ("plain.png", "image/png", plain)
    hows = {written: how.how for written, how in job.prepared.items()}
    assert hows == {"file:cat.jpg": How.STRIPPED, "file:_refs/plain.png": How.AS_IT_IS}


def test_a_film_is_sent_without_its_place_and_with_its_length(where: Spool) -> None:
    clip = film("mov", seconds=3.0)
    drop(where, {"cat.png": saved(scene(), "PNG"), "cat.prompt.toml": WITH_CLIP})
    drop(where, {"clip.mov": clip}, folder="_refs")
    job = accepted(where)
    name, mime, data = received(job, where)[1]
    assert (name, mime, len(data)) == ("clip.mov", "video/quicktime", len(clip))
    assert SECRET.encode() not in data
    assert b"+52.5" not in data


def test_a_film_that_is_too_long_is_refused_before_it_is_sent(where: Spool) -> None:
    drop(where, {"cat.png": saved(scene(), "PNG"), "cat.prompt.toml": WITH_CLIP})
    drop(where, {"clip.mov": film("mov", seconds=16.0, fps=1)}, folder="_refs")
    verdict = refused(where)
    assert verdict.code == "params.invalid"
    assert "`reference_videos`: all together last 16.0 s; at most 15 s are allowed" in verdict.problems[0]


def test_a_film_of_a_codec_that_runway_does_not_take_is_refused_with_the_right_ones(
    where: Spool,
) -> None:
    drop(where, {"cat.png": saved(scene(), "PNG"), "cat.prompt.toml": WITH_CLIP})
    drop(where, {"clip.mov": film("mov", "mpeg4", fps=25)}, folder="_refs")
    verdict = refused(where)
    assert verdict.code == "asset.unsupported"
    assert verdict.message.startswith("_refs/clip.mov is coded as mpeg4, and Runway takes a .mov file with")


def test_a_padded_picture_is_another_wish_and_is_sent_in_the_shape_of_the_ratio(where: Spool) -> None:
    data = saved(scene(120, 80), "PNG")
    inbox = drop(where, {"cat.png": data, "cat.prompt.toml": SIDECAR + b'ratio = "1280:720"\n'})
    cropped = accepted(where)
    assert cropped.cropped == "8 % top and bottom"
    (inbox / "cat.prompt.toml").write_bytes(SIDECAR + b'ratio = "1280:720"\n[job]\nfit = "pad"\n')
    job = accepted(where)
    [(_, _, found)] = received(job, where)
    assert opened(found).size == (144, 81)
    assert (job.cropped, job.prepared["file:cat.png"].size) == ("", len(found))
    assert job.wish != cropped.wish
    assert refused(where, convert=False).code == "params.invalid"


def test_limits_are_those_of_what_is_sent_and_not_of_the_larger_original(where: Spool) -> None:
    text = b'prompt_text = "x"\nmodel = "h3_max"\n'
    drop(
        where, {"cat.jpg": saved(Image.new("RGB", (9600, 300), (9, 90, 9)), "JPEG"), "cat.prompt.toml": text}
    )
    for decodes in (True, False):
        assert "too small: 8000x250;" in refused(where, decodes=decodes).problems[0]


def test_a_picture_of_the_wrong_shape_is_refused_where_the_drop_wants_that(where: Spool) -> None:
    text = SIDECAR + b'ratio = "1280:720"\n[job]\nfit = "refuse"\n'
    drop(where, {"cat.heic": PORTRAIT, "cat.prompt.toml": text})
    assert "the nearest ratio is '832:1104'" in refused(where).problems[0]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("cat.heic", PORTRAIT[: len(PORTRAIT) // 2], "asset.truncated"),
        ("cat.heic", PORTRAIT[:-400] + bytes(400), "asset.truncated"),
        ("cat.heic", saved(scene(), "AVIF"), "asset.unsupported"),
        ("cat.tif", saved(scene(), "BMP"), "asset.unsupported"),
        ("cat.tif", saved(Image.new("F", (90, 70)), "TIFF"), "asset.unsupported"),
        ("cat.gif", b"GIF89a" + bytes(2000) + b";", "asset.truncated"),
        ("cat.bmp", b"BM" + bytes(range(250)) * 9, "asset.unsupported"),
    ],
)
def test_what_cannot_be_converted_is_refused_when_it_is_dropped(
    where: Spool, name: str, data: bytes, code: str
) -> None:
    drop(where, {name: data, "cat.prompt.toml": SIDECAR})
    assert refused(where).code == code


def test_a_picture_that_is_still_arriving_is_waited_for(where: Spool) -> None:
    data = PORTRAIT[: len(PORTRAIT) // 2] + bytes(len(PORTRAIT) - len(PORTRAIT) // 2)
    inbox = drop(where, {"cat.heic": data, "cat.prompt.toml": TALL})
    found = judged(where)
    assert isinstance(found, Waits)
    assert found.why == "cat.heic is still arriving"
    (inbox / "cat.heic").write_bytes(PORTRAIT)
    assert accepted(where).mime == "image/heic"


def test_without_conversion_such_a_file_is_refused_as_reference_too(where: Spool) -> None:
    text = b'model = "gen4_image"\nprompt_text = "@style"\nratio = "1920:1080"\n[[reference_images]]\n'
    text += b'uri = "file:_refs/a.heic"\ntag = "style"\n[job]\noperation = "text_to_image"\n'
    drop(where, {"cat.prompt.toml": text})
    drop(where, {"a.heic": PORTRAIT}, folder="_refs")
    assert accepted(where).references["file:_refs/a.heic"].mime == "image/heic"
    assert refused(where, convert=False).code == "asset.unsupported"


# -- when it is uploaded -----------------------------------------------------------------------------------


@pytest.fixture
def ready(where: Spool) -> Job:
    drop(where, {"cat.heic": PORTRAIT, "cat.prompt.toml": TALL})
    return accepted(where)


def test_a_picture_that_is_another_one_by_then_is_not_sent(ready: Job, where: Spool) -> None:
    other = bytearray(PORTRAIT)
    other[-200] ^= 1
    (where.inbox / "cat.heic").write_bytes(other)
    [outcome], forms = brought(ready, where)
    assert isinstance(outcome, Never)
    assert (outcome.verdict.code, forms) == ("asset.changed", [])
    (where.inbox / "cat.heic").unlink()
    [outcome], forms = brought(ready, where)
    assert isinstance(outcome, Never)
    assert (outcome.verdict.code, forms) == ("asset.changed", [])


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        ("kill -ABRT $$", "asset.unsupported"),
        ("kill -KILL $$", "exhausted"),
    ],
)
def test_a_conversion_that_fails_at_last_costs_this_file_and_nothing_else(
    ready: Job, where: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, expected: str
) -> None:
    broken = tmp_path / "python"
    broken.write_text(f"#!/bin/sh\n{does}\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    [outcome], forms = brought(ready, where)
    assert forms == []
    if isinstance(outcome, Never):
        assert (outcome.verdict.stage, outcome.verdict.code) == ("upload", expected)
    else:
        assert isinstance(outcome, Later)
        assert (outcome.reason, outcome.counts) == (expected, True)


def test_a_disk_that_is_full_meanwhile_is_waited_for(
    ready: Job, where: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = partial(Path("/dev/full").open, "w+b", buffering=0)
    monkeypatch.setattr(preparing, "TemporaryFile", full)
    [outcome], forms = brought(ready, where)
    assert isinstance(outcome, Later)
    assert (outcome.reason, outcome.counts, forms) == ("disk", False, [])


def test_an_upload_is_named_by_what_is_sent(ready: Job, where: Spool) -> None:
    [parcel] = parcels(ready, where)
    same = Parcel(*(getattr(parcel, name) for name in Parcel.__dataclass_fields__))
    assert parcel.key == same.key != parcel.sha256
    keys = {parcel.key}
    for changes in ({"pad": "16:9"}, {"keeps_metadata": True}, {"extension": ".png"}, {"how": How.AS_IT_IS}):
        how = Preparation(**{**_fields(parcel.prepared), **changes})
        keys.add(Parcel("", parcel.name, parcel.sha256, parcel.size, how, parcel.reading).key)
    assert len(keys) == 5
    told = Preparation(**{**_fields(parcel.prepared), "cropped": "1 %", "steps": ()})
    assert Parcel("", "b", parcel.sha256, parcel.size, told, parcel.reading).key == parcel.key


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


# -- by a daemon -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runway() -> Iterator[Runway]:
    with simulator() as running:
        yield running


def configured(site: Site, line: str) -> None:
    """Write the configuration with one more line for its watch."""
    site.configure()
    text = site.config.read_text().replace("settle_seconds", f"{line}\nsettle_seconds", 1)
    site.config.write_text(text)


def sent_to(runway: Runway) -> list[tuple[str, str]]:
    return [(upload["filename"], upload["sha256"]) for upload in runway.bill()["uploads"]]


def test_everything_that_people_drop_is_made_and_told_and_filed_as_it_was(
    runway: Runway, tmp_path: Path
) -> None:
    site, before = Site(tmp_path, runway), len(sent_to(runway))
    dropped: dict[str, Callable[[], bytes]] = {
        "phone.heic": lambda: PORTRAIT,
        "jpeg.jpg": lambda: phone_jpeg(1),
        "scan.tif": lambda: saved(scene(), "TIFF", compression="tiff_lzw"),
        "old.bmp": lambda: saved(scene(100, 100), "BMP"),
        "art.gif": lambda: saved(scene(90, 90).quantize(32), "GIF"),
        "web.avif": lambda: saved(scene(), "AVIF", quality=90, exif=camera()),
        "plain.png": lambda: saved(scene(128, 72), "PNG"),
    }
    made = {name: make() for name, make in dropped.items()}
    for name, data in made.items():
        site.put(f"a/{name}", data)
        site.put(f"a/{Path(name).stem}.prompt.toml", sidecar(name, 'ratio = "1280:720"'))
    for n in range(10):  # the same picture in ten that begin in the same instant
        site.put(f"b/{n}.heic", PORTRAIT)
        site.put(f"b/{n}.prompt.toml", sidecar(f"again {n}", 'ratio = "720:1280"'))
    plan = site.cli("plan").stdout
    assert "a/phone.heic" in plan
    assert "(cropped 31 % top and bottom)" in plan
    with site.daemon() as daemon:
        site.reaches(done=17)
        log = daemon.lines()
        assert daemon.stop() == 0
    for name, data in made.items():
        assert (site.root / "done/a" / name).read_bytes() == data
    record = site.record("done", "a/phone.result.toml")
    [sent] = record["sent"]
    assert record["cropped"] == sent["cropped"] == "31 % top and bottom"
    assert (sent["file"], sent["mime"], sent["width"], sent["height"]) == (
        "phone.heic",
        "image/jpeg",
        80,
        120,
    )
    assert sent["changes"][:2] == ["converted from HEIC to JPEG", "turned upright"]
    [as_it_is] = site.record("done", "a/plain.result.toml")["sent"]
    assert (as_it_is["bytes"], as_it_is["changes"]) == (len(made["plain.png"]), [])
    assert "cropped" not in site.record("done", "a/plain.result.toml")
    lines = {line["path"]: line for line in log if line["event"] == "job.accepted"}
    assert lines["a/phone.heic"]["cropped"] == "31 % top and bottom"
    assert "cropped" not in lines["a/plain.png"]
    uploads = sent_to(runway)[before:]
    assert len(uploads) == len({digest for _, digest in uploads}) == 7, "each content once, also of the ten"
    assert ("plain.png", hashlib.sha256(made["plain.png"]).hexdigest()) in uploads
    assert not {Path(name).suffix for name, _ in uploads} - {".jpg", ".png"}
    site.verify()


def test_what_is_sent_is_uploaded_anew_only_when_it_is_something_else(runway: Runway, tmp_path: Path) -> None:
    site, data = Site(tmp_path, runway), saved(scene(64, 64), "TIFF", exif=camera())
    counts = []
    for n, (line, text) in enumerate(
        [
            ("keep_metadata = false", ""),
            ("keep_metadata = false", ""),
            ("keep_metadata = true", ""),
            ("keep_metadata = true", '[job]\nfit = "pad"'),
            ("keep_metadata = false", ""),
        ]
    ):
        configured(site, line)
        site.put(f"{n}.tif", data)
        site.put(f"{n}.prompt.toml", sidecar(f"x {n}", f'ratio = "1280:720"\n{text}'))
        assert site.cli("run", "--once").returncode == 0
        counts.append(len(sent_to(runway)))
    assert [count - counts[0] for count in counts] == [0, 0, 1, 2, 2]
    assert site.record("done", "3.result.toml")["sent"][0]["width"] == 128


def test_where_nothing_is_converted_such_files_stay_and_status_says_why(
    runway: Runway, tmp_path: Path
) -> None:
    site = Site(tmp_path, runway)
    configured(site, "convert = false")
    site.put("cat.heic", PORTRAIT)
    site.put("cat.prompt.toml", sidecar("x"))
    site.drop("dog.png")
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 1}
    assert site.files("inbox") == ["cat.heic", "cat.prompt.toml"]
    told = json.loads(site.cli("status", "--json").stdout)["waiting"]
    why = {Path(each["path"]).name: each["why"] for each in told}
    assert why["cat.heic"].startswith("unsupported: a kind of picture that Runway does not take")
    assert why["cat.prompt.toml"] == "waits for its picture"
    assert "convert = false" in site.cli("explain", str(site.root / "inbox/cat.heic")).stdout


def test_a_ledger_that_is_lost_knows_again_what_was_sent(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    site.put("cat.heic", PORTRAIT)
    site.put("cat.prompt.toml", sidecar("lost", 'ratio = "1280:720"'))
    site.cli("run", "--once")
    query = "SELECT prepared FROM jobs"
    [(before,)] = site.rows(query)
    for path in site.ledger.parent.glob("ledger.sqlite3*"):
        path.unlink()
    site.cli("run", "--once")
    [(after,)] = site.rows(query)
    assert json.loads(after) == json.loads(before)
    assert json.loads(after)["file:cat.heic"]["cropped"] == "31 % top and bottom"


def test_a_daemon_that_is_killed_while_it_converts_begins_anew(runway: Runway, tmp_path: Path) -> None:
    site = Site(tmp_path, runway)
    for n in range(3):
        large = scene(1600 + n, 1200)
        site.put(f"{n}.tif", saved(large, "TIFF", compression="tiff_lzw"))
        site.put(f"{n}.prompt.toml", sidecar(f"killed {n}"))
    with site.daemon() as daemon:
        eventually(lambda: _darkrooms(daemon.process.pid), what="a picture that is being converted")
        daemon.kill()
    with site.daemon() as daemon:
        site.reaches(done=3)
        assert daemon.stop() == 0
    site.verify()


def _darkrooms(parent: int) -> list[str]:
    done = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if "darkroom" in line]
