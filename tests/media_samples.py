"""Real files of every kind that people have, made by the encoders that they are made with."""

import io
import random
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import av
import pillow_heif
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image, ImageCms

pillow_heif.register_heif_opener(thumbnails=False)

_CHANCE = random.Random(1)
SECRET = "Wichtelstein 7"
"""Where it was taken, and by whom: never to be sent."""


def noise(size: tuple[int, int]) -> Image.Image:
    """Grey noise, unlike any before it: Pillow's own would change what other samples look like."""
    grey = Image.frombytes("L", size, _CHANCE.randbytes(size[0] * size[1]))
    return grey.point(lambda value: 96 + value // 4)


def scene(width: int = 120, height: int = 80) -> Image.Image:
    """A picture whose corners tell which way is up: red above left, green above right, blue below left."""
    picture = noise((width, height)).convert("RGB")
    for at, colour in (
        ((0, 0), (220, 20, 20)),
        ((width - 24, 0), (20, 200, 20)),
        ((0, height - 24), (20, 20, 220)),
    ):
        picture.paste(colour, (*at, at[0] + 24, at[1] + 24))
    return picture


def corners(picture: Image.Image) -> str:
    """The colours of three corners in reading order: "rgb" stands upright."""
    seen = picture.convert("RGB")
    places = (12, 12), (seen.width - 12, 12), (12, seen.height - 12)
    found = ""
    for at in places:
        pixel = seen.getpixel(at)
        assert isinstance(pixel, tuple)
        found += "rgb"[max(range(3), key=lambda n: pixel[n])]
    return found


def camera(orientation: int = 1) -> bytes:
    """What a phone writes into a picture."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Phone", orientation, SECRET
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5), 3: "E", 4: (13.0, 24.0, 17.25)})
    return exif.tobytes()


_TURNS = {
    6: Image.Transpose.ROTATE_90,
    3: Image.Transpose.ROTATE_180,
    8: Image.Transpose.ROTATE_270,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
}


def lying(picture: Image.Image, orientation: int) -> Image.Image:
    """A picture as a sensor sees it that is held so."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """A picture, decoded."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def made_tiff(
    pixels: bytes,
    size: tuple[int, int],
    *,
    order: str = "<",
    bits: int = 8,
    white: int = 1,
    orientation: int = 1,
) -> bytes:
    """A grey TIFF in one strip, its numbers as short as they may be; `white` is 0 where 0 is white."""
    sides = ((256, 3, size[0]), (257, 3, size[1]), (258, 3, bits), (259, 3, 1), (262, 3, white))
    rest = ((273, 4, 134), (274, 3, orientation), (277, 3, 1), (278, 3, size[1]), (279, 4, len(pixels)))
    head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 10)
    forms = {3: "HHIHxx", 4: "HHII"}
    page = b"".join(struct.pack(order + forms[kind], tag, kind, 1, n) for tag, kind, n in (*sides, *rest))
    return head + page + bytes(4) + pixels


@cache
def phone_heic() -> bytes:
    """A portrait, held upright, as a phone stores it: on its side, with a turn, and with where it was."""
    picture = lying(scene(80, 120), 6)
    return saved(picture, "HEIF", exif=camera(6), quality=90)


def phone_jpeg(orientation: int = 6, **options: Any) -> bytes:
    """The same as JPEG."""
    side = (80, 120) if orientation >= 5 else (120, 80)
    return saved(lying(scene(*side), orientation), "JPEG", exif=camera(orientation), quality=92, **options)


def _deep(mode: str) -> Image.Image:
    grey = noise((120, 80)).convert("I")
    return grey.point(lambda value: value * 257).convert(mode)


def _see_through(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def _wide_gamut() -> bytes:
    """A colour profile that is not sRGB: sRGB's own with red and green in each other's place."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


WIDE_GAMUT = _wide_gamut()

TO_CONVERT: dict[str, tuple[str, Callable[[], bytes], str]] = {
    # what it is: its name, how it is made, what is sent
    "heic": ("a.heic", phone_heic, ".jpg"),
    "heif": ("a.HEIF", phone_heic, ".jpg"),
    "avif": ("a.avif", lambda: saved(scene(), "AVIF", quality=90), ".jpg"),
    "tiff": ("a.tif", lambda: saved(scene(), "TIFF"), ".png"),
    "packed tiff": ("a.tiff", lambda: saved(scene(), "TIFF", compression="tiff_lzw"), ".png"),
    "tiff with alpha": ("a.tif", lambda: saved(_see_through(scene()), "TIFF"), ".png"),
    "tiff in CMYK": ("a.tif", lambda: saved(scene().convert("CMYK"), "TIFF"), ".png"),
    "tiff of two pages": (
        "a.tif",
        lambda: saved(scene(), "TIFF", save_all=True, append_images=[scene()]),
        ".png",
    ),
    "tiff in 16 bits": ("a.tif", lambda: saved(_deep("I;16"), "TIFF"), ".png"),
    "bmp": ("a.bmp", lambda: saved(scene(), "BMP"), ".png"),
    "gif": ("a.gif", lambda: saved(scene().quantize(64), "GIF"), ".png"),
    "animated gif": (
        "a.gif",
        lambda: saved(scene().quantize(64), "GIF", save_all=True, append_images=[scene().quantize(8)]),
        ".png",
    ),
    "animated webp": (
        "a.webp",
        lambda: saved(scene(), "WEBP", save_all=True, append_images=[scene(), scene()]),
        ".png",
    ),
    "png in 16 bits": ("a.png", lambda: saved(_deep("I;16"), "PNG"), ".png"),
    "palette png": ("a.png", lambda: saved(scene().quantize(64), "PNG"), ".png"),
    "see-through palette": (
        "a.png",
        lambda: saved(scene().quantize(64), "PNG", transparency=3),
        ".png",
    ),
    "jpeg in CMYK": ("a.jpg", lambda: saved(scene().convert("CMYK"), "JPEG"), ".jpg"),
    "lying jpeg": ("a.jpg", phone_jpeg, ".jpg"),
    "lying png": ("a.png", lambda: saved(lying(scene(), 3), "PNG", exif=camera(3)), ".png"),
    "lying webp": ("a.webp", lambda: saved(lying(scene(), 8), "WEBP", exif=camera(8)), ".png"),
    "jpeg in other colours": ("a.jpg", lambda: saved(scene(), "JPEG", icc_profile=WIDE_GAMUT), ".jpg"),
    "png in other colours": ("a.png", lambda: saved(scene(), "PNG", icc_profile=WIDE_GAMUT), ".png"),
}

# extension, container, codec
FILMS = [
    (".mp4", "mp4", "libx264"),
    (".mov", "mov", "libx264"),
    (".3gp", "3gp", "libx264"),
    (".mkv", "matroska", "libx264"),
    (".webm", "webm", "libvpx"),
]
SOUNDS = [
    (".mp3", "mp3", "libmp3lame"),
    (".wav", "wav", "pcm_s16le"),
    (".flac", "flac", "flac"),
    (".m4a", "ipod", "aac"),
    (".aac", "adts", "aac"),
]


@cache
def film(
    container: str = "mp4",
    codec: str = "libx264",
    *,
    seconds: float = 1.0,
    fps: int = 10,
    size: tuple[int, int] = (96, 64),
    turned: int = 0,
) -> bytes:
    """A film with what phones write into its container."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=_TAGGED.get(container, {})) as output:
        output.metadata.update({"location": "+52.5200+013.4050/", "title": SECRET, "artist": SECRET})
        output.metadata["creation_time"] = "2026-01-02T03:04:05"
        stream = output.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if turned:
            stream.set_display_rotation(turned)
        pixels = noise(size).convert("RGB").tobytes()
        for n in range(max(1, round(seconds * fps))):
            frame = VideoFrame(*size, "rgb24")
            frame.planes[0].update(pixels)
            frame.pts, frame.time_base = n, Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


_TAGGED = {"mov": {"movflags": "use_metadata_tags"}}


@cache
def sound(container: str, codec: str, *, seconds: float = 1.0) -> bytes:
    """A sound with tags."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        output.metadata.update({"title": SECRET, "artist": SECRET, "comment": SECRET})
        stream = output.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        layout = stream.codec_context.format.name
        size = stream.codec_context.frame_size or 1024
        for n in range(round(seconds * 48_000 / size)):
            frame = AudioFrame(format=layout, layout="mono", samples=size)
            for plane in frame.planes:
                plane.update(bytes((n * 7 + i * i) % 251 % 60 for i in range(plane.buffer_size)))
            frame.sample_rate, frame.pts, frame.time_base = 48_000, n * size, Fraction(1, 48_000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def with_positions(*, fragments: str = "") -> tuple[bytes, list[bytes], list[bytes]]:
    """A MOV with a second track of a kind that is neither picture nor sound, and the samples of both."""
    buffer = io.BytesIO()
    options = {"movflags": fragments} if fragments else {}
    with av.open(buffer, "w", format="mov", options=options) as output:
        streams = []
        for _ in range(2):
            stream = output.add_stream("libx264", rate=10)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            streams.append(stream)
        for n in range(25):
            for stream in streams:
                frame = VideoFrame(96, 64, "rgb24")
                frame.planes[0].update(noise((96, 64)).convert("RGB").tobytes())
                frame.pts, frame.time_base = n, Fraction(1, 10)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    data = buffer.getvalue()
    samples: tuple[list[bytes], list[bytes]] = ([], [])
    with av.open(io.BytesIO(data)) as found:
        assert isinstance(found, av.container.InputContainer)
        for packet in found.demux():
            if packet.size:
                samples[packet.stream.index].append(bytes(packet))
    first = data.index(b"mhlrvide")
    return data[: first + 8] + data[first + 8 :].replace(b"mhlrvide", b"mhlrmeta"), *samples
