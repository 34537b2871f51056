"""Every kind of picture that people have becomes one that Runway takes: upright, sRGB, and without a word of
where it was taken. What is fine already goes as it is."""

import io
import struct
from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops, ImageStat

from runway_watch import media
from runway_watch.errors import Refusal
from runway_watch.job import How, MediaFacts, Preparation
from runway_watch.media import icc
from tests.media_samples import (
    SECRET,
    TO_CONVERT,
    WIDE_GAMUT,
    camera,
    corners,
    lying,
    made_tiff,
    opened,
    phone_heic,
    phone_jpeg,
    saved,
    scene,
)

PLAIN = media.Policy()
KEEPING = media.Policy(keeps_metadata=True)


def looked_at(data: bytes, name: str) -> MediaFacts:
    return media.look(io.BytesIO(data), name=name, size=len(data), convert=True)


def prepared(data: bytes, name: str = "a.jpg", *, policy: media.Policy = PLAIN, pad: str = "") -> Preparation:
    return media.prepare(io.BytesIO(data), looked_at(data, name), name=name, policy=policy, pad=pad)


def sent(data: bytes, how: Preparation) -> bytes:
    """What is sent of a file that is prepared so."""
    file = io.BytesIO(data)
    if how.how is How.CONVERTED:
        with media.developed(file, how, name="a") as result:
            result.seek(0)
            return result.read()
    return media.after(media.left_out(file, how, len(data)), data, 0)


# -- converted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", TO_CONVERT)
def test_what_runway_would_not_take_or_not_show_rightly_is_converted(what: str) -> None:
    name, make, extension = TO_CONVERT[what]
    data = make()
    assert media.is_whole(io.BytesIO(data), looked_at(data, name).extension, len(data))
    how = prepared(data, name)
    assert (how.how, how.extension) == (How.CONVERTED, extension)
    found = sent(data, how)
    assert found == sent(data, how), "it is the same each time"
    picture = opened(found)
    assert (how.size, how.width, how.height) == (len(found), *picture.size)
    assert how.mime == {".jpg": "image/jpeg", ".png": "image/png"}[extension]
    assert picture.format == how.mime.removeprefix("image/").upper()
    assert picture.mode == ("RGBA" if "alpha" in what or "see-through" in what else "RGB")
    assert not set(picture.info) & {"exif", "icc_profile", "comment", "xmp", "dpi"}
    for secret in (b"Exif", b"Phone", SECRET.encode(), b"ICC_PROFILE"):
        assert secret not in found
    if "bits" not in what:
        assert corners(picture) == "rgb" or "other colours" in what
    again = prepared(found, f"b{extension}")
    assert again.how is How.AS_IT_IS, "what is sent is fine"


def test_a_phones_portrait_stands_upright_and_says_what_was_done_to_it() -> None:
    how = prepared(phone_heic(), "a.heic")
    assert (how.width, how.height) == (80, 120)
    assert how.steps == ("converted from HEIC to JPEG", "turned upright", "camera metadata left out")
    facts = looked_at(phone_heic(), "a.heic")
    assert (facts.width, facts.height, facts.mime) == (80, 120, "image/heic")


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_picture_that_lies_is_turned(orientation: int) -> None:
    data = phone_jpeg(orientation)
    how = prepared(data)
    assert "turned upright" in how.steps
    assert corners(opened(sent(data, how))) == "rgb"
    assert (how.width, how.height) == (looked_at(data, "a.jpg").width, looked_at(data, "a.jpg").height)


@pytest.mark.parametrize(
    ("what", "step"),
    [
        ("tiff of two pages", "only its first page"),
        ("animated gif", "only its first frame"),
        ("tiff in 16 bits", "made 8 bits deep"),
        ("jpeg in CMYK", "colours brought from CMYK to sRGB"),
        ("palette png", "its palette made colours"),
        ("jpeg in CMYK", "saved anew as JPEG"),
    ],
)
def test_what_was_done_is_told(what: str, step: str) -> None:
    name, make, _ = TO_CONVERT[what]
    assert step in prepared(make(), name).steps


def test_metadata_is_said_to_be_left_out_only_where_there_was_any() -> None:
    told = "camera metadata left out"
    lying_only = Image.Exif()
    lying_only[0x0112] = 6
    for name, data in (
        *((TO_CONVERT[what][0], TO_CONVERT[what][1]()) for what in ("tiff", "bmp", "gif", "palette png")),
        ("a.jpg", saved(lying(scene(), 6), "JPEG", exif=lying_only.tobytes())),
        ("a.jpg", saved(scene(), "JPEG", icc_profile=WIDE_GAMUT)),
    ):
        how = prepared(data, name)
        assert (how.how, told in how.steps) == (How.CONVERTED, False), name
    for name, data in (
        ("a.heic", phone_heic()),
        ("a.jpg", phone_jpeg()),
        ("a.tif", saved(scene(), "TIFF", description=SECRET)),
        ("a.gif", saved(scene().quantize(64), "GIF", comment=SECRET)),
    ):
        assert prepared(data, name).steps[-1] == told, name


def test_of_an_animation_it_is_told_that_its_first_frame_is_sent() -> None:
    data = saved(scene(), "PNG", save_all=True, append_images=[scene()])
    how = prepared(data, "a.png")
    assert (how.how, how.steps) == (How.STRIPPED, ("only its first frame",))
    assert getattr(opened(sent(data, how)), "n_frames", 1) == 1


def test_sixteen_bits_become_the_eight_that_look_the_same() -> None:
    name, make, _ = TO_CONVERT["png in 16 bits"]
    data = make()
    grey = opened(data).convert("I").point(lambda value: value * (1 / 256)).convert("L")
    assert _differ(opened(sent(data, prepared(data, name))).convert("L"), grey) < 1.5


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_zero_is_white_sixteen_bits_are_sent_as_no_negative(order: str) -> None:
    levels = [n * 65_535 // (90 * 70 - 1) for n in range(90 * 70)]
    for white, shown in ((1, levels), (0, [65_535 - level for level in levels])):
        pixels = struct.pack(f"{order}{len(levels)}H", *levels)
        data = made_tiff(pixels, (90, 70), order=order, bits=16, white=white)
        grey = Image.frombytes("L", (90, 70), bytes(round(level / 257) for level in shown))
        assert _differ(opened(sent(data, prepared(data, "a.tif"))).convert("L"), grey) < 1


def test_other_colours_become_srgbs_and_srgbs_stay() -> None:
    name, make, _ = TO_CONVERT["png in other colours"]
    data = make()
    how = prepared(data, name)
    assert any(step.startswith("colours brought from ") for step in how.steps)
    assert _differ(opened(sent(data, how)), opened(data)) > 5
    assert not icc.is_srgb(WIDE_GAMUT)


def test_a_picture_in_srgb_with_its_profile_stays_byte_for_byte() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert icc.is_srgb(profile)
    for kind, name in (("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp")):
        data = saved(scene(), kind, icc_profile=profile)
        how = prepared(data, name)
        assert (how.how, sent(data, how)) == (How.AS_IT_IS, data)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 128, WIDE_GAMUT[:200], WIDE_GAMUT[:-9]])
def test_a_profile_that_cannot_be_read_keeps_no_picture(damage: bytes) -> None:
    assert not icc.is_srgb(damage)
    data = saved(scene(), "JPEG", icc_profile=damage or None)
    assert prepared(data).how in (How.CONVERTED, How.AS_IT_IS)


def test_a_picture_that_is_too_large_is_made_smaller() -> None:
    data = saved(Image.linear_gradient("L").resize((9000, 450)).convert("RGB"), "JPEG")
    how = prepared(data)
    assert (how.width, how.height) == (8000, 400)
    assert "made smaller, from 9000 x 450 to 8000 x 400 pixels" in how.steps
    assert opened(sent(data, how)).size == (8000, 400)
    facts = looked_at(data, "a.jpg")
    assert (facts.width, facts.height) == (9000, 450)


def test_108_megapixels_of_a_phone_are_decoded_at_half_their_size() -> None:
    """Whole they would take a gigabyte; the limits of the process say that they do not."""
    data = saved(Image.new("L", (12_000, 9_000), 99), "JPEG", quality=30)
    how = prepared(data)
    assert (how.width, how.height, how.how) == (8000, 6000, How.CONVERTED)


@pytest.mark.parametrize(
    ("shape", "size"), [("16:9", (144, 81)), ("1:1", (120, 120)), ("9:16", (126, 224)), ("3:2", (120, 80))]
)
def test_a_picture_is_padded_to_exactly_a_shape(shape: str, size: tuple[int, int]) -> None:
    data = saved(scene(), "PNG")
    how = prepared(data, "a.png", pad=shape)
    wide, high = map(int, shape.split(":"))
    assert (how.width or 0) * high == (how.height or 0) * wide
    assert (how.width, how.height) == size
    picture = opened(sent(data, how))
    assert picture.size == size
    assert f"padded with black to {shape}" in how.steps
    if size != (120, 80):
        assert picture.getpixel((size[0] - 1, size[1] - 1)) == (0, 0, 0)
    assert picture.crop(_middle(size)).tobytes() == opened(data).tobytes()


def _middle(size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = (size[0] - 120) // 2, (size[1] - 80) // 2
    return left, top, left + 120, top + 80


def test_what_is_transparent_is_black_where_it_is_padded() -> None:
    name, make, _ = TO_CONVERT["tiff with alpha"]
    data = make()
    picture = opened(sent(data, prepared(data, name, pad="1:1")))
    assert picture.mode == "RGB"
    assert max(picture.crop((40, 21, 80, 23)).convert("L").tobytes()) < 20


def test_an_alpha_that_hides_nothing_is_left_out() -> None:
    data = saved(scene().convert("RGBA"), "TIFF")
    assert opened(sent(data, prepared(data, "a.tif"))).mode == "RGB"


def test_a_flat_picture_is_not_too_small_to_be_sent() -> None:
    data = saved(Image.new("RGB", (40, 40), (9, 9, 9)), "BMP")
    how = prepared(data, "a.bmp")
    assert how.size >= 512
    assert len(sent(data, how)) == how.size


def test_what_is_kept_on_demand_says_nothing_of_a_turn_that_was_made() -> None:
    for data, name in ((phone_heic(), "a.heic"), (phone_jpeg(), "a.jpg")):
        how = prepared(data, name, policy=KEEPING)
        assert how.keeps_metadata
        assert "camera metadata left out" not in how.steps
        picture = opened(sent(data, how))
        assert corners(picture) == "rgb"
        exif = picture.getexif()
        assert (exif.get(0x0112, 1), exif[0x013B]) == (1, SECRET)
        assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)


def _differ(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures are apart, on average, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


# -- without metadata --------------------------------------------------------------------------------------


def _with_second_picture() -> bytes:
    """As phones append it: an MPO, a motion photo."""
    return phone_jpeg(1) + phone_jpeg(1) + b"MotionPhoto" + SECRET.encode()


def _talkative_png() -> bytes:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", SECRET)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{SECRET}</x:xmpmeta>", zip=True)
    info.add(b"prVt", SECRET.encode())
    return saved(scene(), "PNG", pnginfo=info, exif=camera()) + SECRET.encode()


def _webp(**options: object) -> bytes:
    return saved(scene(), "WEBP", exif=camera(), xmp=SECRET.encode(), **options)


TALKATIVE = {
    "jpeg": ("a.jpg", phone_jpeg(1, comment=SECRET)),
    "progressive jpeg": ("a.jpg", phone_jpeg(1, progressive=True)),
    "jpeg with another": ("a.jpg", _with_second_picture()),
    "jpeg with gaps": ("a.jpg", phone_jpeg(1)[:20] + SECRET.encode() + phone_jpeg(1)[20:]),
    "png": ("a.png", _talkative_png()),
    "webp": ("a.webp", _webp()),
    "lossless webp": ("a.webp", _webp(lossless=True)),
    "webp with more behind": ("a.webp", _webp() + SECRET.encode()),
    "animated png": (
        "a.png",
        saved(scene(), "PNG", exif=camera(), save_all=True, append_images=[scene(40, 40).resize((120, 80))]),
    ),
}


@pytest.mark.parametrize("what", TALKATIVE)
def test_metadata_is_left_out_and_every_pixel_stays(what: str) -> None:
    name, data = TALKATIVE[what]
    how = prepared(data, name)
    found = sent(data, how)
    told = ("only its first frame",) if "animated" in what else ()
    assert (how.how, how.size, how.steps) == (How.STRIPPED, len(found), (*told, "camera metadata left out"))
    for secret in (b"Exif", b"eXIf", b"Phone", b"MotionPhoto", b"acTL", b"prVt", SECRET.encode()):
        assert secret not in found
    assert opened(found).tobytes() == opened(data).tobytes()
    assert media.is_whole(io.BytesIO(found), how.extension, len(found))
    assert prepared(found, name).how is How.AS_IT_IS
    assert prepared(data, name, policy=KEEPING).how is How.AS_IT_IS


def _segment(marker: bytes, data: bytes) -> bytes:
    return b"\xff" + marker + (len(data) + 2).to_bytes(2, "big") + data


@pytest.mark.parametrize(
    ("marker", "needed", "more"),
    [
        (b"\xe0", b"JFIF\0\1\1\0\0\1\0\1\0\0", SECRET.encode()),
        (b"\xe0", b"JFIF\0\1\1\0\0\1\0\1\x28\x1e", bytes(range(240)) * 15),  # a thumbnail
        (b"\xee", b"Adobe\0\x64\0\0\0\0\1", SECRET.encode()),
    ],
)
def test_of_what_tells_how_to_read_a_jpeg_no_more_is_sent_than_it_takes(
    marker: bytes, needed: bytes, more: bytes
) -> None:
    plain = saved(scene(), "JPEG", quality=92)
    data = plain[:2] + _segment(marker, needed + more) + plain[20:]
    clean = needed[:-2] + b"\0\0" if marker == b"\xe0" else needed
    how = prepared(data)
    assert how.how is How.STRIPPED
    assert sent(data, how) == plain[:2] + _segment(marker, clean) + plain[20:]


def test_metadata_of_a_webp_may_stand_before_its_header() -> None:
    data = _webp()
    at = data.index(b"EXIF")
    how = prepared(moved := data[:12] + data[at:] + data[12:at], "a.webp")
    assert (how.how, sent(moved, how)) == (How.STRIPPED, sent(data, prepared(data, "a.webp")))


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp")])
def test_where_nothing_is_converted_which_way_is_up_is_all_that_is_said(kind: str, name: str) -> None:
    data = saved(lying(scene(80, 120), 6), kind, exif=camera(6))
    policy = media.Policy(convert=False)
    how = prepared(data, name, policy=policy)
    found = sent(data, how)
    assert (how.how, how.size, how.width, how.height) == (How.STRIPPED, len(found), 80, 120)
    assert b"Phone" not in found
    assert dict(opened(found).getexif()) == {0x0112: 6}
    assert media.is_whole(io.BytesIO(found), how.extension, len(found))
    assert looked_at(found, name).width == 80


def test_a_plain_picture_goes_as_it_is_and_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere")
    for kind, name in (("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp")):
        data = saved(scene(), kind)
        how = prepared(data, name)
        assert (how.how, how.size, how.steps, sent(data, how)) == (How.AS_IT_IS, len(data), (), data)


def test_a_picture_that_is_nothing_without_its_metadata_is_too_small() -> None:
    data = saved(Image.new("RGB", (8, 8)), "PNG", exif=camera())
    with pytest.raises(Refusal) as refused:
        prepared(data, "a.png")
    assert refused.value.code == "asset.too_small"


@pytest.mark.parametrize("size", [1, 7, 4096, 262_144])
def test_it_does_not_matter_in_which_blocks_a_file_is_read(size: int) -> None:
    for name, data in TALKATIVE.values():
        how = prepared(data, name)
        cuts = media.left_out(io.BytesIO(data), how, len(data))
        pieces = [media.after(cuts, data[at : at + size], at) for at in range(0, len(data), size)]
        assert b"".join(pieces) == media.after(cuts, data, 0)
        assert media.size_after(cuts, len(data)) == len(b"".join(pieces))


def test_what_is_put_in_between_two_blocks_is_put_in_once() -> None:
    cuts: Sequence[media.Cut] = [media.Cut(4, 4, b"++"), media.Cut(6, 9, None), media.Cut(12, 12, b"!")]
    assert media.after(cuts, b"abcdefghijkl", 0) == b"abcd++ef\0\0\0jkl!"
    assert media.after(cuts, b"abcd", 0) + media.after(cuts, b"efghijkl", 4) == b"abcd++ef\0\0\0jkl!"


def test_without_conversion_what_runway_does_not_take_is_refused() -> None:
    data = phone_heic()
    with pytest.raises(Refusal) as refused:
        media.look(io.BytesIO(data), name="a.heic", size=len(data))
    assert refused.value.code == "asset.unsupported"
    assert "a .heic file" in refused.value.message
