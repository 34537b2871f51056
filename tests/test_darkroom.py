"""What a decoder may do - crash, hang, eat all memory - costs one file, and never the daemon."""

import io
import os
import random
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runway_watch import media
from runway_watch.errors import Exhausted, Refusal
from runway_watch.job import How
from runway_watch.media import darkroom
from runway_watch.media.darkroom import PICTURES, Order, process
from runway_watch.media.darkroom.process import Limits
from tests.media_samples import FILMS, SOUNDS, TO_CONVERT, film, noise, phone_heic, saved, scene, sound

CODES = {"asset.truncated", "asset.too_large", "asset.unsupported", "asset.too_small"}


def converted(data: bytes, extension: str, limits: Limits = PICTURES) -> darkroom.Print:
    return darkroom.convert(io.BytesIO(data), Order(extension), name="a", limits=limits)


def darkrooms() -> list[int]:
    """Those that this process has started and not seen the end of."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread, or a process, that has ended meanwhile
            children = (task / "children").read_text().split()
            found += [int(c) for c in children if b"darkroom" in Path("/proc", c, "cmdline").read_bytes()]
    return found


def test_a_bomb_of_memory_is_refused_as_too_large() -> None:
    """Ten kilobytes of black that are 400 MB when they are unpacked."""
    rows = zlib.compress(bytes(1 + 10_000) * 10_000, 9)
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with pytest.raises(Refusal) as refused:
        converted(data, ".png", Limits(memory=400 << 20, cpu=20, seconds=30.0))
    assert refused.value.code == "asset.too_large"
    assert "over 400 MiB" in refused.value.message


def test_a_jpeg_in_scans_that_takes_too_much_is_called_too_large_and_not_broken() -> None:
    data = saved(Image.new("RGB", (8000, 6000)), "JPEG", progressive=True, quality=20)
    with pytest.raises(Refusal, match="8000 x 6000 pixels in several scans") as refused:
        converted(data, ".jpg", Limits(memory=400 << 20, cpu=20, seconds=30.0))
    assert refused.value.code == "asset.too_large"


def test_a_picture_of_more_pixels_than_it_may_have_is_not_begun() -> None:
    data = struct.pack("<2sIIIIiiHH", b"BM", 0, 0, 54, 40, 20_000, 20_000, 1, 24) + bytes(2000)
    with pytest.raises(Refusal, match="20000 x 20000 pixels") as refused:
        converted(data, ".bmp")
    assert refused.value.code == "asset.too_large"


def test_a_decoder_that_does_not_come_to_an_end_is_ended() -> None:
    data = saved(scene(3000, 2000), "TIFF")
    with pytest.raises(Exhausted, match="it took too long"):
        converted(data, ".tif", Limits(memory=1 << 30, cpu=20, seconds=0.01))
    assert not darkrooms()


def test_a_decoder_that_only_computes_is_ended_by_the_kernel() -> None:
    data = saved(scene(6000, 5000), "PNG", compress_level=1)
    with pytest.raises(Refusal, match="took too long") as refused:
        converted(data, ".png", Limits(memory=2 << 30, cpu=0, seconds=60.0))
    assert refused.value.code == "asset.unsupported"


def test_a_process_that_somebody_kills_is_no_fault_of_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(scene(6000, 5000), "TIFF", compression="tiff_lzw")
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            converted(data, ".tif")
        except (Exhausted, Refusal) as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 30
    while not (found := darkrooms()):
        assert time.monotonic() < deadline
    os.kill(found[0], signal.SIGKILL)
    asking.join()
    assert isinstance(ended[0], Exhausted)


def test_it_is_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNWAYML_API_SECRET", "CREDENTIALS_DIRECTORY", "RUNWAY_WATCH_CONFIG"):
        monkeypatch.setenv(name, "a secret")
    assert "a secret" not in process._environment().values()


def test_it_has_nothing_open_but_its_file_and_what_it_says(tmp_path: Path) -> None:
    """What the daemon has open - the ledger, connections, the key - is not passed on."""
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\nls -l /proc/self/fd > {tmp_path}/seen\nenv > {tmp_path}/env\nexit 1\n")
    spy.chmod(0o755)
    with (tmp_path / "ledger").open("w") as ledger, pytest.MonkeyPatch.context() as patch:
        os.set_inheritable(ledger.fileno(), True)
        patch.setattr("sys.executable", str(spy))
        with pytest.raises(OSError, match="nothing can be converted here: its process broke down"):
            converted(phone_heic(), ".heic")
    seen = [line for line in (tmp_path / "seen").read_text().splitlines() if "->" in line]
    assert len([line for line in seen if "/proc/" not in line and "pipe" not in line]) <= 4
    assert str(tmp_path / "ledger") not in "".join(seen)


def test_a_decoder_that_is_not_there_is_no_fault_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pi_heif").mkdir()
    (tmp_path / "pi_heif/__init__.py").write_text("raise ImportError('half an upgrade')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OSError, match="nothing can be converted here: ImportError: half an upgrade"):
        converted(phone_heic(), ".heic")
    assert "half an upgrade" in media.try_darkroom()


def test_who_reads_on_finds_the_file_where_it_was(tmp_path: Path) -> None:
    data = saved(scene(400, 300), "BMP")
    path = tmp_path / "a.bmp"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert file.read(5000) == data[:5000]
        darkroom.convert(file, Order(".bmp"), name="a")
        assert file.read() == data[5000:]


def test_a_disk_that_is_full_is_no_fault_of_the_pictures() -> None:
    data = saved(scene(), "BMP")
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        darkroom.convert(io.BytesIO(data), Order(".bmp"), name="a", into=full)


def test_no_more_than_two_are_at_work_at_a_time() -> None:
    busy: list[int] = []
    data = saved(scene(600, 400), "TIFF")
    threads = [threading.Thread(target=converted, args=(data, ".tif")) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        busy.append(len(darkrooms()))
    assert 1 <= max(busy) <= 2


class Slow(io.BytesIO):
    """A file on a share that hangs for a while."""

    begun, goes_on, at_once, most = threading.Semaphore(0), threading.Event(), 0, 0

    def read(self, size: int | None = -1, /) -> bytes:
        Slow.at_once += 1
        Slow.most = max(Slow.most, Slow.at_once)
        Slow.begun.release()
        assert Slow.goes_on.wait(30)
        Slow.at_once -= 1
        return super().read(size)


def test_two_pictures_of_a_share_are_copied_at_a_time_and_one_that_hangs_holds_up_no_other() -> None:
    def copy() -> None:
        with media.copied(Slow(bytes(9)), 9) as copied:
            assert copied.seek(0, 2) == 9

    data = saved(scene(), "BMP")
    threads = [threading.Thread(target=copy, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert Slow.begun.acquire(timeout=30)
    assert Slow.begun.acquire(timeout=30)
    with TemporaryFile() as file:
        file.write(data)
        facts = media.look(file, name="a.bmp", size=len(data), convert=True)
        assert media.prepare(file, facts, name="a.bmp", policy=media.Policy()).how is How.CONVERTED
    assert Slow.most == 2
    Slow.goes_on.set()
    for thread in threads:
        thread.join(30)
    assert (Slow.most, Slow.at_once) == (2, 0)


def test_the_result_is_what_was_said_of_it() -> None:
    with TemporaryFile() as result:
        made = darkroom.convert(io.BytesIO(phone_heic()), Order(".heic"), name="a", into=result)
        result.seek(0)
        data = result.read()
    assert (made.size, made.extension) == (len(data), ".jpg")


# -- garbage -------------------------------------------------------------------------------------------------


def _samples() -> dict[str, tuple[str, bytes]]:
    found = {what: (name, make()) for what, (name, make, _) in TO_CONVERT.items()}
    found |= {end: (f"a{end}", film(container, codec)) for end, container, codec in FILMS}
    return found | {end: (f"a{end}", sound(container, codec)) for end, container, codec in SOUNDS}


SAMPLES = _samples()


def judged(data: bytes, name: str) -> object:
    """What is made of a file: how it would be sent, or why it is not."""
    file = io.BytesIO(data)
    try:
        facts = media.look(file, name=name, size=len(data), convert=True)
        if not media.is_whole(file, facts.extension, len(data)):
            return "not whole"
        facts = media.probed(file, facts, name=name)
        return media.prepare(file, facts, name=name, policy=media.Policy())
    except Refusal as refused:
        assert refused.code in CODES
        return refused.code


@pytest.mark.parametrize("what", SAMPLES)
def test_a_file_cut_short_or_blanked_or_of_noise_gets_an_answer(what: str) -> None:
    name, data = SAMPLES[what]
    noise = random.Random(1).randbytes(len(data))
    half = len(data) // 2
    for broken in (
        data[:half],
        data[:half] + bytes(len(data) - half),
        data[:half] + noise[half:],
    ):
        if len(broken) >= 512:
            judged(broken, name)


@settings(max_examples=15, deadline=None)
@given(drawn=st.data(), what=st.sampled_from(sorted(SAMPLES)))
def test_bytes_that_were_changed_crash_and_hold_up_nobody(drawn: st.DataObject, what: str) -> None:
    name, data = SAMPLES[what]
    broken = bytearray(data)
    for at in drawn.draw(st.lists(st.integers(0, min(len(broken), 4000) - 1), min_size=1, max_size=12)):
        broken[at] = drawn.draw(st.integers(0, 255))
    began = time.monotonic()
    judged(bytes(broken), name)
    assert time.monotonic() - began < 30


@settings(max_examples=150, deadline=None)
@given(drawn=st.data(), what=st.sampled_from(sorted(SAMPLES)))
def test_headers_that_were_changed_are_read_or_not(drawn: st.DataObject, what: str) -> None:
    """The walks in our own process: everything but the darkroom."""
    name, data = SAMPLES[what]
    broken = bytearray(data)
    for at in drawn.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=20)):
        broken[at] = drawn.draw(st.integers(0, 255))
    broken = broken[: drawn.draw(st.integers(0, len(broken)))]
    file = io.BytesIO(broken)
    media.is_whole(file, "." + name.rpartition(".")[2].lower(), len(broken))
    try:
        facts = media.look(file, name=name, size=len(broken), convert=True)
        policy = media.Policy(tries=False)
        how = media.prepare(file, facts, name=name, policy=policy)
        sent = media.after(media.left_out(file, how, len(broken)), bytes(broken), 0)
        assert how.how is How.CONVERTED or how.size == len(sent)
    except Refusal as refused:
        assert refused.code in CODES


@pytest.mark.parametrize("end", [".heic", ".avif", ".tif", ".bmp", ".gif"])
def test_a_file_that_lacks_its_end_is_not_whole(end: str) -> None:
    makers: dict[str, Callable[[], bytes]] = {
        ".heic": phone_heic,
        ".avif": lambda: saved(scene(), "AVIF"),
        ".tif": lambda: saved(noise((90, 70)), "TIFF", compression="tiff_lzw"),
        ".bmp": lambda: saved(scene(), "BMP"),
        ".gif": lambda: saved(scene().quantize(64), "GIF"),
    }
    data = makers[end]()
    assert media.is_whole(io.BytesIO(data), end, len(data))
    lacking = len(data) // 2
    assert not media.is_whole(io.BytesIO(data[:lacking]), end, lacking)
    if end not in (".tif", ".bmp"):  # which may be black at their lower edge
        blank = data[:lacking] + bytes(len(data) - lacking)
        assert not media.is_whole(io.BytesIO(blank), end, len(data))
