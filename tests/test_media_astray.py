"""Files whose numbers lead astray - far offsets, endless lists, sides in short - get an answer, soon."""

import errno
import io
import struct
import tracemalloc
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from runway_watch import media
from runway_watch.errors import Refusal
from runway_watch.media import darkroom, heif, tiff
from runway_watch.media.blocks import read_at, stretch
from runway_watch.media.darkroom import Order
from runway_watch.media.darkroom.__main__ import work
from runway_watch.media.headers import read_header
from tests.media_samples import made_tiff, saved, scene


def box(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4s", len(contents) + 8, name) + contents


def heic(widths: int, items: list[tuple[int, bytes]]) -> io.BytesIO:
    """A HEIC of nothing but places: how many bytes their numbers have, and each item's, with their count."""
    listed = b"".join(struct.pack(">HHH", n, 0, count) + data for n, (count, data) in enumerate(items))
    places = bytes(4) + bytes([widths, 0]) + struct.pack(">H", len(items)) + listed
    return io.BytesIO(box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + box(b"iloc", places)))


def test_a_heic_that_lists_more_places_than_it_has_bytes_for_takes_no_memory() -> None:
    file = heic(0, [(65_535, b"")] * 30)
    tracemalloc.start()
    still = heif.read_still(file, len(file.getvalue()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert still is not None
    assert (len(still.extents), peak < 1_000_000) == (30, True)


def test_a_heic_of_more_places_than_any_picture_has_is_none() -> None:
    file = heic(0x10, [(60_000, bytes(60_000))] * 2)
    assert heif.read_still(file, len(file.getvalue())) is None
    file = heic(0x10, [(60_000, bytes(60_000))])
    assert heif.read_still(file, len(file.getvalue())) is not None


FAR = [1 << 41, 0x7FFF_FFFF_FFFF_FF00, 0xFFFF_FFFF_FFFF_FF00, 1 << 70]


@pytest.mark.parametrize("offset", FAR)
def test_beyond_every_file_there_is_nothing_to_be_read(offset: int) -> None:
    with TemporaryFile() as file:
        file.write(b"abc")
        assert read_at(file, offset, 4) == b""
        assert list(stretch(file, offset, offset + 4)) == []
        assert read_at(file, 1, 4) == b"bc"


@pytest.mark.parametrize("end", FAR[:3])
def test_a_box_that_ends_nowhere_is_damage_and_no_trouble_of_the_daemons(end: int) -> None:
    far = struct.pack(">I4sQ", 1, b"mdat", end) + bytes(700)
    for name, data in (
        ("a.mp4", box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", bytes(500)) + far),
        ("a.heic", box(b"ftyp", b"heic\0\0\0\0mif1heic") + far),
    ):
        with TemporaryFile() as file:
            file.write(data)
            media.look(file, name=name, size=len(data), convert=True)
            assert not media.is_whole(file, Path(name).suffix, len(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [(1280, 720), (1600, 1200)])
def test_a_tiffs_sides_and_turn_are_read_whatever_their_order_and_width(
    order: str, size: tuple[int, int]
) -> None:
    data = made_tiff(bytes(size[0] * size[1]), size, order=order, orientation=6)
    header = read_header(io.BytesIO(data), ".tif", len(data))
    assert header is not None
    assert (header.width, header.height, header.orientation) == (*size, 6)
    assert header.upright == size[::-1]
    assert media.is_whole(io.BytesIO(data), ".tif", len(data))
    assert not media.is_whole(io.BytesIO(data[:-1]), ".tif", len(data) - 1)


@pytest.mark.parametrize("size", [(1280, 720), (1600, 1200)])
def test_a_packed_tiff_is_whole_to_its_last_byte_only(size: tuple[int, int]) -> None:
    data = saved(scene(*size), "TIFF", compression="tiff_lzw")
    facts = media.look(io.BytesIO(data), name="a.tif", size=len(data), convert=True)
    assert (facts.width, facts.height) == size
    assert media.is_whole(io.BytesIO(data), ".tif", len(data))
    page = tiff.first_page(io.BytesIO(data))
    assert page is not None
    assert page.number(io.BytesIO(data), 258) == 8


def test_a_picture_that_sends_its_decoder_nowhere_is_damaged_and_no_disk_is_in_trouble() -> None:
    entries = [(256, 4, 90), (257, 4, 70), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 16, 212)]
    entries += [(277, 3, 1), (278, 4, 70), (279, 16, 90 * 70)]
    page = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in entries)
    head = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(entries))
    data = head + page + struct.pack("<Q", 0x7FFF_FFFF_FFFF_FF00) + bytes(90 * 70)
    with TemporaryFile() as file:
        file.write(data)
        file.flush()
        with pytest.raises(Refusal) as refused:
            darkroom.convert(file, Order(".tif"), name="a.tif")
    assert refused.value.code == "asset.truncated"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EINVAL, "asset.truncated"),
        (errno.EOVERFLOW, "asset.truncated"),
        (errno.ENOMEM, "asset.too_large"),
        (errno.EIO, None),
        (errno.ENOSPC, None),
        (errno.ESTALE, None),
        (errno.EMFILE, None),
    ],
)
def test_only_what_disks_and_machines_have_is_told_as_their_trouble(number: int, told: str | None) -> None:
    def deed(_: object) -> dict[str, object]:
        raise OSError(number, "so it is")

    found = work({"memory": 1 << 30}, deed, io.BytesIO())
    assert (found.get("code"), found.get("errno")) == (told, None if told else number)


class Counted(io.BytesIO):
    """How many bytes are asked for."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.asked += len(data)
        return data


def test_a_gif_of_many_short_blocks_is_not_read_over_and_over() -> None:
    data = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + b"!\xfe\0" * 1000 + bytes(1 << 20)
    file = Counted(data)
    assert not media.is_whole(file, ".gif", len(data))
    assert file.asked < 1000 * 5000


def test_a_gif_of_long_rows_is_whole_to_its_last_byte_only() -> None:
    rows = b"".join(repeat(b"\xff" + bytes(255), 3000)) + b"\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + b"," + bytes(9) + b"\x08" + rows + b";"
    assert media.is_whole(io.BytesIO(data), ".gif", len(data))
    assert not media.is_whole(io.BytesIO(data[:-1]), ".gif", len(data) - 1)
