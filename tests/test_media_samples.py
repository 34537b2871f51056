"""Real files of every kind, made by the encoders that people use, are known, whole and looked at rightly."""

import io
from contextlib import suppress
from fractions import Fraction
from functools import cache

import av
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

from runway_watch import media
from runway_watch.errors import Refusal
from runway_watch.job import MEDIA_SUFFIXES

# extension, container, codec, the sniffed kind and MIME type
FILMS = [
    (".mp4", "mp4", "libx264", "video/mp4"),
    (".mov", "mov", "libx264", "video/quicktime"),
    (".3gp", "3gp", "libx264", "video/3gpp"),
    (".mkv", "matroska", "libx264", "video/x-matroska"),
    (".webm", "webm", "libvpx", "video/webm"),
]
SOUNDS = [
    (".mp3", "mp3", "libmp3lame", "audio/mpeg"),
    (".wav", "wav", "pcm_s16le", "audio/wav"),
    (".flac", "flac", "flac", "audio/flac"),
    (".m4a", "ipod", "aac", "audio/mp4"),
    (".aac", "adts", "aac", "audio/aac"),
    (".ogg", "ogg", "libopus", "audio/ogg"),
]
PICTURES = [
    (".jpg", "JPEG", "image/jpeg"),
    (".png", "PNG", "image/png"),
    (".webp", "WEBP", "image/webp"),
    (".gif", "GIF", "image/gif"),
]
DROPPABLE = set(MEDIA_SUFFIXES) - {".jpeg", ".ogv"}  # no encoder for Theora here


@cache
def film(container: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(5):
            pixels = Image.effect_noise((64, 48), 20 + shade).convert("RGB").tobytes()
            frame = VideoFrame(64, 48, "rgb24")
            frame.planes[0].update(pixels)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@cache
def sound(container: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        layout = stream.codec_context.format.name
        size = stream.codec_context.frame_size or 1024
        for n in range(20):
            frame = AudioFrame(format=layout, layout="mono", samples=size)
            for plane in frame.planes:
                plane.update(bytes((n * 7 + i * i) % 251 % 60 for i in range(plane.buffer_size)))
            frame.sample_rate, frame.pts, frame.time_base = 48_000, n * size, Fraction(1, 48_000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@cache
def picture(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((80, 60), 90).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def every_sample() -> list[tuple[str, str, bytes]]:
    return (
        [(extension, mime, film(container, codec)) for extension, container, codec, mime in FILMS]
        + [(extension, mime, sound(container, codec)) for extension, container, codec, mime in SOUNDS]
        + [(extension, mime, picture(kind)) for extension, kind, mime in PICTURES]
    )


SAMPLES = {extension: (mime, data) for extension, mime, data in every_sample()}


@pytest.mark.parametrize("extension", SAMPLES)
def test_a_real_file_is_known_by_its_first_bytes(extension: str) -> None:
    mime, data = SAMPLES[extension]
    assert media.sniff(data[:4096]) == (mime.partition("/")[0], extension, mime)


@pytest.mark.parametrize("extension", SAMPLES)
def test_a_real_file_is_whole(extension: str) -> None:
    data = SAMPLES[extension][1]
    assert media.is_whole(io.BytesIO(data), extension, len(data))


@pytest.mark.parametrize("extension", [e for e in SAMPLES if e not in {".mp3", ".aac", ".flac"}])
def test_a_file_cut_in_half_is_not_whole(extension: str) -> None:
    data = SAMPLES[extension][1]
    half = len(data) // 2
    assert not media.is_whole(io.BytesIO(data[:half]), extension, half)


@pytest.mark.parametrize("extension", sorted(DROPPABLE))
def test_a_file_with_its_right_name_is_accepted(extension: str) -> None:
    mime, data = SAMPLES[extension]
    facts = media.look(io.BytesIO(data), name=f"cat{extension.upper()}", size=len(data))
    assert (facts.extension, facts.mime, facts.size) == (extension, mime, len(data))
    assert (facts.width, facts.height) == ((80, 60) if mime.startswith("image") else (None, None))


@pytest.mark.parametrize("extension", sorted(set(SAMPLES) - DROPPABLE))
def test_what_runway_only_gives_out_is_refused_as_a_drop(extension: str) -> None:
    data = SAMPLES[extension][1]
    with pytest.raises(Refusal) as refused:
        media.look(io.BytesIO(data), name=f"cat{extension}", size=len(data))
    assert refused.value.code == "asset.unsupported"


@pytest.mark.parametrize("name", ["cat.jpg", "cat.webp", "cat.mp4", "cat"])
def test_a_file_under_a_wrong_name_is_refused_and_both_kinds_are_named(name: str) -> None:
    data = SAMPLES[".png"][1]
    with pytest.raises(Refusal) as refused:
        media.look(io.BytesIO(data), name=name, size=len(data))
    assert refused.value.code == "asset.unsupported"
    assert ".png" in refused.value.message
    assert name in refused.value.message


@pytest.mark.parametrize("name", ["clip.mov", "clip.mp4", "clip.3gp"])
def test_the_three_names_of_one_container_stand_for_each_other(name: str) -> None:
    data = SAMPLES[".mp4"][1]
    facts = media.look(io.BytesIO(data), name=name, size=len(data))
    assert name.endswith(facts.extension)


def test_sound_under_a_films_brand_is_sound_if_it_has_no_picture_track() -> None:
    song = sound("mp4", "aac")
    assert media.look(io.BytesIO(song), name="song.m4a", size=len(song)).kind == "audio"
    clip = SAMPLES[".mp4"][1]
    with pytest.raises(Refusal):
        media.look(io.BytesIO(clip), name="song.m4a", size=len(clip))


def test_a_film_that_begins_with_its_index_is_whole_and_one_without_is_not() -> None:
    data = SAMPLES[".mp4"][1]
    assert not media.is_whole(io.BytesIO(data.replace(b"moov", b"free")), ".mp4", len(data))


def test_a_film_whose_first_box_has_a_long_length_is_whole() -> None:
    data = SAMPLES[".mp4"][1]
    extra = (1).to_bytes(4, "big") + b"free" + (24).to_bytes(8, "big") + bytes(8)
    assert media.is_whole(io.BytesIO(data + extra), ".mp4", len(data) + 24)
    assert not media.is_whole(io.BytesIO(data + extra[:-1]), ".mp4", len(data) + 23)


def test_a_film_whose_last_box_reaches_to_the_end_is_whole() -> None:
    data = SAMPLES[".mp4"][1] + bytes(4) + b"free" + bytes(100)
    assert media.is_whole(io.BytesIO(data), ".mp4", len(data))


def test_a_film_that_ends_in_zeros_instead_of_boxes_is_not_whole() -> None:
    data = SAMPLES[".mp4"][1] + bytes(100)
    assert not media.is_whole(io.BytesIO(data), ".mp4", len(data))


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_whose_recorder_never_wrote_the_length_is_whole(length: int) -> None:
    data = bytearray(SAMPLES[".wav"][1])
    at = data.index(b"data") + 4
    data[at : at + 4] = length.to_bytes(4, "little")
    assert media.is_whole(io.BytesIO(data), ".wav", len(data))


def test_an_archive_is_known_and_its_end_is_looked_for() -> None:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("0001.exr", bytes(1000))
    data = buffer.getvalue()
    assert media.sniff(data) == ("archive", ".zip", "application/zip")
    assert media.is_whole(io.BytesIO(data), ".zip", len(data))
    assert not media.is_whole(io.BytesIO(data[:-5]), ".zip", len(data) - 5)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<html><body><svg xmlns='http://www.w3.org/2000/svg'></svg>",
        b"<?xml version='1.0'?><svgs>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\x00\x00\x00\x18ftypjxl \x00\x00\x00\x00jxl     ",
        b"BM" + bytes(60),
        b"\x1a\x45\xdf\xa3" + bytes(60),
        b"OggS\x00" + bytes(60),
        b"\x7fELF" + bytes(60),
        b"\xff\xff" * 40,
        b"RIFF\x00\x00\x00\x00AVI LIST",
    ],
)
def test_what_is_unknown_or_unsafe_has_no_type(head: bytes) -> None:
    assert media.sniff(head) is None


@pytest.mark.parametrize(
    ("named", "sniffed", "fits"),
    [
        (".jpeg", ".jpg", True),
        (".JPG", ".jpg", True),
        (".png", ".jpg", False),
        (".mov", ".mp4", True),
        (".3gp", ".mov", True),
        (".m4a", ".m4a", True),
        (".mp4", ".m4a", False),
        (".mkv", ".webm", False),
        (".webm", ".webm", True),
        (".ogv", ".ogg", False),
        ("", ".png", False),
    ],
)
def test_a_name_fits_its_bytes(named: str, sniffed: str, fits: bool) -> None:
    assert media.extension_fits(named, sniffed) is fits


@pytest.mark.parametrize("extension", SAMPLES)
def test_a_file_cut_anywhere_gets_an_answer(extension: str) -> None:
    data = SAMPLES[extension][1]
    for cut in [*range(200), *range(200, len(data), max(1, len(data) // 200))]:
        part = data[:cut]
        media.sniff(part[:4096])
        assert media.is_whole(io.BytesIO(part), extension, cut) in (True, False)
        with suppress(Refusal):
            media.look(io.BytesIO(part), name=f"cat{extension}", size=cut)


@pytest.mark.parametrize("extension", [".mp4", ".mov", ".3gp", ".m4a", ".mkv", ".webm", ".wav", ".ogg"])
def test_a_film_or_sound_that_lacks_one_byte_is_not_whole(extension: str) -> None:
    data = SAMPLES[extension][1]
    assert not media.is_whole(io.BytesIO(data[:-1]), extension, len(data) - 1)
