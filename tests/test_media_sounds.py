"""Sounds are sent without what recorders and programs wrote before, between and behind the samples."""

import io
import struct

import pytest

from runway_watch import media
from runway_watch.job import How
from tests.media_samples import SECRET, sound
from tests.test_media_films import played, sent

SAID = SECRET.encode()
ID3V1 = b"TAG" + SAID.ljust(125)[:125]
APE = SAID.ljust(64) + b"APETAGEX" + struct.pack("<IIII", 2000, 96, 1, 0) + bytes(8)
APE_WITH_HEAD = b"APETAGEX" + bytes(24) + APE[:-12] + struct.pack("<I", 0x8000_0000) + bytes(8)
LYRICS = b"LYRICSBEGIN" + SAID + b"%06dLYRICS200" % (11 + len(SAID))
OLD_LYRICS = b"LYRICSBEGIN" + SAID + b"LYRICSEND"
ID3V2 = b"3DI\x04\0\x10" + bytes(3) + b"\x40" + SAID.ljust(64) + b"3DI\x04\0\x10" + bytes(3) + b"\x40"
TAGS = (ID3V1, APE, APE_WITH_HEAD, LYRICS, OLD_LYRICS, ID3V2, b"TAG+" + SAID.ljust(223) + ID3V1)
KINDS = {".mp3": sound("mp3", "mp3"), ".flac": sound("flac", "flac"), ".aac": sound("adts", "aac")}


@pytest.mark.parametrize("extension", KINDS)
def test_tags_behind_a_sound_are_left_out_whatever_their_order(extension: str) -> None:
    bare = sent(KINDS[extension], f"a{extension}")
    for tags in (*TAGS, b"".join(TAGS), b"".join(reversed(TAGS))):
        assert sent(KINDS[extension] + tags, f"a{extension}") == bare
    for broken in (b"APETAGEX" + bytes(24), b"APETAGEX" + b"\xff" * 24, b"999999LYRICS200"):
        assert sent(KINDS[extension] + broken, f"a{extension}") == bare + broken


def test_any_number_of_tags_before_a_sound_is_left_out() -> None:
    bare = sent(KINDS[".mp3"], "a.mp3")
    tag = b"ID3\x04\0\0" + bytes([0, 18, 0, 0]) + SAID.ljust(18 << 14, b"\0")  # more than is looked through
    ends = b"\x04\0\x10" + bytes([0, 0, 0, 64])
    footed = b"ID3" + ends + SAID.ljust(64) + b"3DI" + ends
    for tags in (tag, footed, tag + footed, footed + tag, tag + tag):
        assert sent(tags + KINDS[".mp3"], "a.mp3") == bare


def test_text_in_the_padding_of_a_flac_is_not_sent() -> None:
    data = KINDS[".flac"]
    padded = data[:42] + b"\x01" + len(SAID).to_bytes(3, "big") + SAID + data[42:]
    found = sent(padded, "a.flac")
    assert SAID not in found
    assert played(found) == played(data)


def chunk(name: bytes, data: bytes, *, stated: int | None = None) -> bytes:
    length = len(data) if stated is None else stated
    return name + struct.pack("<I", length) + data + bytes(len(data) % 2)


FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16))
SAMPLES = bytes(range(1, 241)) * 40


def wav(*chunks: bytes, mark: bytes = b"RIFF") -> bytes:
    body = b"".join(chunks)
    return mark + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"bext", SAID) + chunk(b"iXML", SAID),
        chunk(b"LIST", SAID, stated=9999),
        chunk(b"JUNK", SAID) + ID3V1,
        b"\0" + SAID,
    ],
)
def test_nothing_behind_the_samples_of_a_wav_is_sent(behind: bytes) -> None:
    long = chunk(b"ds64", struct.pack("<QQQI", 0, len(SAMPLES), 0, 0))
    plain = wav(FORMAT, chunk(b"data", SAMPLES), behind)
    large = wav(long, FORMAT, chunk(b"data", SAMPLES, stated=0xFFFFFFFF), behind, mark=b"RF64")
    for data in (plain, large):
        found = sent(data, "a.wav")
        assert SAID not in found
        assert len(found) == len(data)
        assert found[: -len(behind)] == data[: -len(behind)]
        assert sent(found, "a.wav") == found


def test_when_a_peak_was_measured_is_not_sent_and_the_peak_is() -> None:
    peak = struct.pack("<IIfI", 1, 1_546_300_800, 0.5, 7)
    found = sent(wav(FORMAT, chunk(b"PEAK", peak), chunk(b"data", SAMPLES)), "a.wav")
    assert found == wav(FORMAT, chunk(b"PEAK", peak[:4] + bytes(4) + peak[8:]), chunk(b"data", SAMPLES))


def test_what_follows_in_a_recording_that_was_never_closed_is_sound() -> None:
    data = wav(FORMAT, chunk(b"data", SAMPLES, stated=0))
    how = media.prepare(
        io.BytesIO(data),
        media.look(io.BytesIO(data), name="a.wav", size=len(data)),
        name="a.wav",
        policy=media.Policy(),
    )
    assert how.how is How.AS_IT_IS
