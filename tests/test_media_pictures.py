"""A picture that is not all there is found, a sound one never is, and no input keeps the walks busy."""

import io
import os
import random
import struct
import threading
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runway_watch import media
from runway_watch.errors import Refusal
from runway_watch.job import MEDIA_SUFFIXES
from runway_watch.media import decoding
from runway_watch.media.headers import Header

KINDS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
ALL = [*MEDIA_SUFFIXES, ".gif", ".ogg", ".zip", ".xyz"]


def noise(width: int = 90, height: int = 70, seed: int = 1) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


VARIANTS = {
    "png": (".png", saved(noise(), "PNG")),
    "palette png": (".png", saved(noise().quantize(16), "PNG")),
    "jpeg": (".jpg", saved(noise(), "JPEG")),
    "progressive jpeg": (".jpg", saved(noise(), "JPEG", progressive=True)),
    "jpeg with restarts": (".jpg", saved(noise(), "JPEG", restart_marker_blocks=2)),
    "grey jpeg": (".jpg", saved(noise().convert("L"), "JPEG")),
    "cmyk jpeg": (".jpg", saved(noise().convert("CMYK"), "JPEG", progressive=True)),
    "webp": (".webp", saved(noise(), "WEBP")),
    "lossless webp": (".webp", saved(noise(), "WEBP", lossless=True)),
    "webp with alpha": (
        ".webp",
        saved(noise().convert("RGBA"), "WEBP", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00"),
    ),
    "animated webp": (".webp", saved(noise(), "WEBP", save_all=True, append_images=[noise(seed=2)])),
}


def whole(data: bytes, extension: str) -> bool:
    return media.is_whole(io.BytesIO(data), extension, len(data))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sound_picture_is_whole_and_decodes(variant: str) -> None:
    extension, data = VARIANTS[variant]
    assert whole(data, extension)
    assert media.decodes(io.BytesIO(data), extension) is True


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_picture_cut_at_any_byte_is_not_whole(variant: str) -> None:
    extension, data = VARIANTS[variant]
    assert [cut for cut in range(len(data) - 1) if whole(data[:cut], extension)] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_picture_of_its_final_size_with_a_blank_end_is_not_whole(variant: str) -> None:
    extension, data = VARIANTS[variant]
    spare = 16 if extension == ".webp" else 2
    step = max(1, len(data) // 60)
    missed = [
        k for k in range(0, len(data) - spare, step) if whole(data[:k] + bytes(len(data) - k), extension)
    ]
    assert missed == []


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_what_follows_a_picture_does_not_matter(extension: str) -> None:
    assert whole(saved(noise(), KINDS[extension]) + b"appended by a phone" + bytes(99), extension)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_a_webp_with_a_plain_lower_edge_is_whole_though_it_ends_in_zeros(seed: int, lossless: bool) -> None:
    image = Image.new("RGB", (320, 900), (seed * 40,) * 3)
    image.paste(noise(320, 60, seed), (0, 0))
    assert whole(saved(image, "WEBP", lossless=lossless, quality=100, method=0), ".webp")


def test_a_large_webp_is_judged_by_its_last_eighth() -> None:
    data = saved(noise(1700, 1500), "WEBP", method=0, quality=50)
    assert media.decodes(io.BytesIO(data), ".webp") is None
    assert whole(data, ".webp")
    assert not whole(data[: len(data) // 2] + bytes(len(data) - len(data) // 2), ".webp")


def test_a_png_with_one_wrong_bit_is_not_whole() -> None:
    data = bytearray(saved(noise(), "PNG"))
    data[len(data) // 2] ^= 1
    assert not whole(bytes(data), ".png")


def test_a_jpeg_with_a_hole_does_not_decode() -> None:
    data = saved(noise(200, 200), "JPEG", progressive=True)
    assert media.decodes(io.BytesIO(data[: len(data) // 2]), ".jpg") is False


def test_a_marker_that_lies_across_two_blocks_is_found() -> None:
    data = saved(noise(), "JPEG")
    for size in range(4090, 4100):
        filled = data[:2] + b"\xff\xe5" + struct.pack(">H", size) + bytes(size - 2) + data[2:]
        assert whole(filled, ".jpg")
    start = data.index(b"\xff\xda")
    for length in range(262_130, 262_150):
        assert whole(data[: start + 14] + bytes(length) + b"\xff\xd9", ".jpg")


def test_a_run_of_fill_bytes_before_a_marker_is_skipped() -> None:
    data = saved(noise(), "JPEG")
    assert whole(data[:-2] + b"\xff" * 300_000 + data[-2:], ".jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".jpg", ".webp", ".png"])
def test_sides_are_given_as_the_picture_is_displayed(extension: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(noise(90, 70), KINDS[extension], exif=exif)
    facts = media.look(io.BytesIO(data), name=f"a{extension}", size=len(data))
    assert (facts.width, facts.height) == ((70, 90) if orientation > 4 else (90, 70))


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_sides_of_every_kind_of_webp_are_read(mode: str, lossless: bool) -> None:
    data = saved(noise(123, 45).convert(mode), "WEBP", lossless=lossless)
    facts = media.look(io.BytesIO(data), name="a.webp", size=len(data))
    assert (facts.width, facts.height) == (123, 45)


def test_a_jpeg_may_be_called_jpeg() -> None:
    data = saved(noise(), "JPEG")
    assert media.look(io.BytesIO(data), name="IMG.JPEG", size=len(data)).extension == ".jpg"


def test_a_picture_whose_head_alone_has_arrived_is_known_but_has_no_sides_yet() -> None:
    for extension, kind in KINDS.items():
        data = saved(noise(), kind)[:12] + bytes(3000)
        facts = media.look(io.BytesIO(data), name="a" + extension, size=len(data))
        assert (facts.extension, facts.width, facts.height) == (extension, None, None)
        assert not whole(data, extension)


def png_of(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tEXt", bytes(600)), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "size", "code"),
    [
        (saved(noise(), "PNG"), 511, "asset.too_small"),
        (saved(noise(), "PNG"), 200_000_001, "asset.too_large"),
        (png_of(30_000, 30_000), None, "asset.unsupported"),
        (png_of(0, 100), None, "asset.unsupported"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9" + bytes(1000), None, "asset.unsupported"),
        (bytes(1000), None, "asset.truncated"),
        (b"just some text " * 100, None, "asset.unsupported"),
    ],
)
def test_what_runway_would_not_take_is_refused(data: bytes, size: int | None, code: str) -> None:
    name = "a.jpg" if data[:2] == b"\xff\xd8" else "a.png"
    with pytest.raises(Refusal) as refused:
        media.look(io.BytesIO(data), name=name, size=len(data) if size is None else size)
    assert refused.value.code == code
    assert refused.value.hint


@pytest.mark.parametrize(
    ("header", "kind", "tried"),
    [
        (Header(12_000, 7_000, components=3), ".jpg", True),
        (Header(12_000, 7_000, components=3, scattered=True), ".jpg", False),
        (Header(2_000, 2_000, components=3, scattered=True), ".jpg", True),
        (Header(3_000, 2_700), ".png", True),
        (Header(3_000, 2_900), ".png", False),
        (Header(1_400, 1_400), ".webp", True),
        (Header(2_000, 1_400), ".webp", False),
    ],
)
def test_only_a_cheap_decode_is_tried(header: Header, kind: str, tried: bool) -> None:
    assert (decoding._estimate(header, kind, 100_000) <= decoding.MOST_MEMORY) is tried


def test_a_picture_that_would_take_too_much_is_not_tried() -> None:
    assert media.decodes(io.BytesIO(png_of(9_000, 9_000)), ".png") is None


def test_what_is_no_picture_is_not_tried() -> None:
    assert media.decodes(io.BytesIO(bytes(1000)), ".mp4") is None


def test_decodes_at_once_all_give_an_answer() -> None:
    answers: list[bool | None] = []
    data = saved(noise(400, 400), "PNG")
    threads = [
        threading.Thread(target=lambda: answers.append(media.decodes(io.BytesIO(data), ".png")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8


class Failing(io.BytesIO):
    """A file on a share that is gone: every read answers EIO."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_share_that_fails_is_not_taken_for_a_broken_picture() -> None:
    for question in (
        lambda file: media.decodes(file, ".png"),
        lambda file: media.is_whole(file, ".png", 1000),
        lambda file: media.look(file, name="a.png", size=1000),
    ):
        with pytest.raises(OSError, match="Input/output"):
            question(Failing(bytes(1000)))


SIGNATURES = [data[:n] for _, data in VARIANTS.values() for n in (4, 12, 30)] + [
    *(
        b"fLaC",
        b"OggS\x00\x02",
        b"ID3\x04\x00\x00\x00\x00\x00\x10",
        b"PK\x03\x04",
        b"GIF89a",
        b"RIFF\x00\x01\x00\x00WAVE",
    ),
    *(b"\x1a\x45\xdf\xa3\x84\x42\x82\x81w", b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"),
]


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from([b"", *SIGNATURES]), rest=st.binary(max_size=2000), extension=st.sampled_from(ALL)
)
def test_garbage_gets_an_answer(start: bytes, rest: bytes, extension: str) -> None:
    data = start + rest
    media.sniff(data[:4096])
    assert media.is_whole(io.BytesIO(data), extension, len(data)) in (True, False)
    assert media.decodes(io.BytesIO(data), extension) in (True, False, None)
    try:
        media.look(io.BytesIO(data), name="a" + extension, size=len(data))
    except Refusal as refused:
        assert refused.code in {"asset.unsupported", "asset.too_small", "asset.truncated"}


@settings(max_examples=300, deadline=None)
@given(data=st.data(), variant=st.sampled_from(sorted(VARIANTS)))
def test_a_damaged_picture_gets_an_answer(data: st.DataObject, variant: str) -> None:
    extension, sound = VARIANTS[variant]
    broken = bytearray(sound)
    for at in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=12)):
        broken[at] = data.draw(st.integers(0, 255))
    broken = broken[: data.draw(st.integers(0, len(broken)))]
    assert whole(bytes(broken), extension) in (True, False)
    assert media.decodes(io.BytesIO(broken), extension) in (True, False, None)
    try:
        media.look(io.BytesIO(broken), name="a" + extension, size=len(broken))
    except Refusal:
        return


@pytest.mark.parametrize(
    ("extension", "head", "unit"),
    [
        (".png", b"\x89PNG\r\n\x1a\n", bytes(4) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))),
        (".jpg", b"\xff\xd8", b"\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff"),
        (".jpg", b"\xff\xd8", b"\xff"),
        (".webp", b"RIFF\x00\x00\x20\x00WEBP", b"EXIF" + bytes(4)),
        (".mp4", b"", struct.pack(">I", 8) + b"moov"),
        (".flac", b"fLaC", bytes(4)),
        (".ogg", b"OggS\x00", b"OggS\x00"),
        (".wav", b"RIFF\x00\x00\x20\x00WAVE", b"junk" + bytes(4)),
        (".mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"\xff"),
    ],
)
def test_two_megabytes_of_the_smallest_parts_do_not_keep_it_busy(
    extension: str, head: bytes, unit: bytes
) -> None:
    parts = 2_000_000 // len(unit)
    data = head + unit * parts
    file = Counting(data)
    media.is_whole(file, extension, len(data))
    media.decodes(file, extension)
    assert file.reads < 3 * parts + 1000


class Counting(io.BytesIO):
    """Counts how often somebody reads."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".mp4", ".wav", ".ogg"])
def test_a_large_file_is_judged_in_a_small_memory(extension: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(
        {
            ".png": png_of(8, 8)[:33] + struct.pack(">I", 150_000_000) + b"prVt",
            ".jpg": saved(noise(), "JPEG"),
            ".webp": b"RIFF" + struct.pack("<I", 150_000_037) + b"WEBPjunk" + struct.pack("<I", 150_000_017),
            ".mp4": struct.pack(">I", 16) + b"ftypisom" + bytes(4) + struct.pack(">I", 150_000_029) + b"mdat",
            ".wav": b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x08",
            ".ogg": b"OggS\x00" + bytes(30) + b"OpusHead",
        }[extension]
    )
    size = 150_000_045
    os.truncate(path, size)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            media.is_whole(file, extension, size)
            media.decodes(file, extension)
            with suppress(Refusal):
                media.look(file, name="large" + extension, size=size)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_a_picture_of_very_many_pixels_is_no_damaged_one() -> None:
    """Telephones make JPEGs of 200 megapixels; Pillow takes them for bombs."""
    buffer = io.BytesIO()
    Image.new("L", (16_320, 12_240)).save(buffer, "JPEG", quality=10)
    size = len(buffer.getvalue())
    assert media.decodes(buffer, ".jpg") is None
    assert media.look(buffer, name="a.jpg", size=size, convert=True).width == 16_320
    with pytest.raises(Refusal, match="over 89 million") as caught:
        media.look(buffer, name="a.jpg", size=size)
    assert "smaller" in caught.value.hint
