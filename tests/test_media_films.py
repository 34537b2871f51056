"""Films and sounds are sent without a word of where they were made; before that they are looked into."""

import io
import struct
from fractions import Fraction

import av
import pytest
from av.video.frame import VideoFrame

from runway_watch import catalogue, media
from runway_watch.errors import Refusal
from runway_watch.job import How, MediaFacts
from runway_watch.media import films, probing
from tests.media_samples import FILMS, SECRET, SOUNDS, film, noise, sound, with_positions

PLACE = b"+52.5200"
EVERY = {extension: film(container, codec) for extension, container, codec in FILMS} | {
    extension: sound(container, codec) for extension, container, codec in SOUNDS
}


def facts_of(data: bytes, name: str) -> MediaFacts:
    file = io.BytesIO(data)
    return media.probed(file, media.look(file, name=name, size=len(data)), name=name)


def sent(data: bytes, name: str) -> bytes:
    facts = media.look(io.BytesIO(data), name=name, size=len(data))
    how = media.prepare(io.BytesIO(data), facts, name=name, policy=media.Policy())
    found = media.after(media.left_out(io.BytesIO(data), how, len(data)), data, 0)
    assert how.size == len(found)
    assert how.how is (How.STRIPPED if found != data else How.AS_IT_IS)
    return found


def played(data: bytes) -> list[tuple[int | None, bytes]]:
    """Everything that a player gets out of it."""
    with av.open(io.BytesIO(data)) as container:
        assert isinstance(container, av.container.InputContainer)
        return [(packet.pts, bytes(packet)) for packet in container.demux() if packet.size]


@pytest.mark.parametrize("extension", EVERY)
def test_where_and_by_whom_it_was_made_is_not_sent_and_every_sample_is(extension: str) -> None:
    data = EVERY[extension]
    found = sent(data, f"a{extension}")
    assert SECRET.encode() not in found
    assert PLACE not in found
    assert played(found) == played(data)
    assert media.is_whole(io.BytesIO(found), extension, len(found))
    assert media.sniff(found[:4096]) == media.sniff(data[:4096])
    assert sent(found, f"a{extension}") == found, "there is nothing more to leave out"
    if extension not in (".mp3", ".aac"):
        assert len(found) == len(data)
    with av.open(io.BytesIO(found)) as container:
        assert not {"title", "artist", "location", "creation_time", "comment"} & container.metadata.keys()


def test_metadata_is_sent_where_it_is_wanted() -> None:
    data = EVERY[".mp4"]
    facts = media.look(io.BytesIO(data), name="a.mp4", size=len(data))
    policy = media.Policy(keeps_metadata=True)
    assert media.prepare(io.BytesIO(data), facts, name="a.mp4", policy=policy).how is How.AS_IT_IS


@pytest.mark.parametrize(
    "fragments",
    [
        "",
        "frag_keyframe+empty_moov",
        "frag_every_frame+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+omit_tfhd_offset",
    ],
)
def test_a_track_of_positions_goes_with_all_of_its_samples(fragments: str) -> None:
    data, pictures, positions = with_positions(fragments=fragments)
    found = sent(data, "a.mov")
    assert len(found) == len(data)
    assert all(sample in found for sample in pictures)
    assert not [sample for sample in positions if sample in found]
    assert [sample for _, sample in played(found)] == pictures


@pytest.mark.parametrize("name", [b"uuid", b"udta", b"meta", b"Xtra"])
def test_a_box_of_metadata_anywhere_becomes_free_space(name: bytes) -> None:
    secret = SECRET.encode() * 40
    box = struct.pack(">I4s", 8 + len(secret), name) + secret
    long = struct.pack(">I4sQ", 1, name, 16 + len(secret)) + secret
    for more in (box, long):
        found = sent(EVERY[".mp4"] + more, "a.mp4")
        assert SECRET.encode() not in found
        assert found[-len(more) + 4 : -len(more) + 8] == b"free"
        assert played(found) == played(EVERY[".mp4"])


@pytest.mark.parametrize(
    ("within", "kept"),
    [("moov", b"pssh"), ("moov trak mdia minf stbl", b"stsd"), ("moof", b"mfhd"), ("moof traf", b"trun")],
)
@pytest.mark.parametrize("name", [b"gps ", b"XMP_", b"IDIT", b"meta", b"free", b"moov"])
def test_what_plays_no_film_is_left_out_wherever_it_is(within: str, kept: bytes, name: bytes) -> None:
    def film_with(more: bytes) -> bytes:
        return _nest(within.encode().split(), _box(kept, b"0123456789") + more)

    data = film_with(_box(name, SECRET.encode()))
    found = media.after(films.iso_cuts(io.BytesIO(data), len(data)), data, 0)
    assert found == film_with(_box(b"free", bytes(len(SECRET))))
    assert not films.iso_cuts(io.BytesIO(found), len(found))


@pytest.mark.parametrize("name", [b"\x73\x84", b"\x7b\xa9", b"\x44\x61"])
def test_what_a_matroska_was_called_is_not_sent(name: bytes) -> None:
    data = EVERY[".mkv"].replace(b"\x7b\xa9", name, 1)
    assert SECRET.encode() not in sent(data, "a.mkv")


def test_what_is_left_over_in_free_space_is_not_sent_either() -> None:
    secret = SECRET.encode()
    found = sent(EVERY[".mp4"] + struct.pack(">I4s", 8 + len(secret), b"free") + secret, "a.mp4")
    assert secret not in found


def test_tags_behind_a_sound_are_left_out() -> None:
    data = EVERY[".mp3"]
    ape = b"x" * 30 + b"APETAGEX" + struct.pack("<IIII", 2000, 62, 1, 0) + bytes(8)
    found = sent(data + ape + b"TAG" + SECRET.encode().ljust(125), "a.mp3")
    assert found == sent(data, "a.mp3")


def test_boxes_without_end_do_not_keep_it_busy() -> None:
    moov = struct.pack(">I4s", 8 + 8 * 300_000, b"moov") + struct.pack(">I4s", 8, b"udta") * 300_000
    assert len(films.iso_cuts(io.BytesIO(moov), len(moov))) <= 2 * 200_000
    stsz = struct.pack(">I4sIII", 20, b"stsz", 0, 1, 0xFFFFFFFF)
    stsc = struct.pack(">I4sII", 28, b"stsc", 0, 1) + struct.pack(">III", 1, 0xFFFFFFFF, 1)
    stco = struct.pack(">I4sIII", 20, b"stco", 0, 1, 0)
    nest = _nest(
        [b"moov", b"trak", b"mdia"],
        _box(b"hdlr", bytes(8) + b"meta") + _nest([b"minf", b"stbl"], stsz + stsc + stco),
    )
    assert films.iso_cuts(io.BytesIO(nest), len(nest))[0].instead is None


def _positions_of(stsc: bytes, stco: bytes) -> bytes:
    """The `moov` of a film with a track of metadata, whose samples have a byte each."""
    table = _box(b"stsz", struct.pack(">III", 0, 1, 0)) + _box(b"stsc", stsc) + _box(b"stco", stco)
    held = _box(b"hdlr", bytes(8) + b"meta") + _nest([b"minf", b"stbl"], table)
    return _nest([b"moov", b"trak", b"mdia"], held)


def test_a_table_is_read_no_further_than_its_box_and_may_be_empty() -> None:
    one, rows = struct.pack(">IIIII", 0, 1, 1, 1, 1), struct.pack(">II", 0, 1_000_000)
    moov = _positions_of(one, rows + struct.pack(">III", 5000, 5001, 9000))
    file = io.BytesIO(moov + bytes(4_000_000))
    cuts = [(cut.start, cut.end) for cut in films.iso_cuts(file, len(moov)) if cut.start >= 5000]
    assert cuts == [(5000, 5002), (9000, 9001)]
    assert sent(EVERY[".mp4"] + _positions_of(bytes(8), rows), "a.mp4")


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), name) + data


def _nest(names: list[bytes], data: bytes) -> bytes:
    for name in reversed(names):
        data = _box(name, data)
    return data


# -- looked into -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("extension", "container", "codec"), FILMS)
def test_a_film_says_how_long_and_how_large_it_is_and_how_it_is_coded(
    extension: str, container: str, codec: str
) -> None:
    facts = facts_of(film(container, codec), f"a{extension}")
    assert (facts.width, facts.height, facts.fps) == (96, 64, 10)
    assert facts.seconds == pytest.approx(1.0, abs=0.01)
    assert facts.codec == {"libx264": "h264", "libvpx": "vp8"}[codec]
    assert catalogue.why_not(facts) == ""


@pytest.mark.parametrize(("extension", "container", "codec"), SOUNDS)
def test_a_sound_says_how_long_it_is_and_how_it_is_coded(extension: str, container: str, codec: str) -> None:
    facts = facts_of(sound(container, codec), f"a{extension}")
    assert facts.seconds == pytest.approx(1.0, abs=0.1)
    assert facts.codec == {"libmp3lame": "mp3"}.get(codec, codec)
    assert (facts.width, catalogue.why_not(facts)) == (None, "")


def test_a_film_that_is_held_upright_is_as_high_as_it_is_seen() -> None:
    facts = facts_of(film("mov", turned=90), "a.mov")
    assert (facts.width, facts.height) == (64, 96)


@pytest.mark.parametrize(
    ("container", "codec", "name", "told"),
    [
        (
            "mp4",
            "mpeg4",
            "a.mp4",
            "is coded as mpeg4, and Runway takes a .mp4 file with H.264 or H.265 or AV1",
        ),
        ("matroska", "mpeg2video", "a.mkv", ""),
        ("mov", "mjpeg", "a.mov", ""),
        ("mp4", "mjpeg", "a.mp4", "is coded as mjpeg"),
    ],
)
def test_codecs_that_runway_does_not_take_are_named_and_discouraged_ones_pass(
    container: str, codec: str, name: str, told: str
) -> None:
    data = _coded(container, codec)
    why = catalogue.why_not(facts_of(data, name))
    assert why.startswith(told) if told else why == ""


def _coded(container: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for n in range(5):
            frame = VideoFrame(96, 64, "rgb24")
            frame.planes[0].update(noise((96, 64)).convert("RGB").tobytes())
            frame.pts, frame.time_base = n, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("extension", EVERY)
def test_a_film_that_is_cut_is_refused_or_known_and_never_waited_for(extension: str) -> None:
    data = EVERY[extension]
    for cut in (len(data) // 2, len(data) - 10):
        try:
            facts = facts_of(data[:cut] + bytes(len(data) - cut), f"a{extension}")
        except Refusal as refused:
            assert refused.code in {"asset.truncated", "asset.unsupported"}
        else:
            assert facts.seconds is None or facts.seconds < 2


def test_without_the_library_nothing_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "can_probe", lambda: False)
    facts = facts_of(EVERY[".mp4"], "a.mp4")
    assert (facts.seconds, facts.codec, facts.width) == (None, "", None)
    assert catalogue.why_not(facts) == ""
