"""Real media out of a picture: a film with a slow zoom, a still, a tone. Memory is bounded."""

import colorsys
import io
import math
import struct
import wave
import zipfile
from pathlib import Path

from PIL import Image, ImageOps

from runway_watch.simulator.shape import Shape

FRAMES_PER_SECOND = 24
ZOOM = 0.12  # how much of each side is gone at the end of a film
LARGEST = 64_000_000  # pixels; a bigger picture is not worth a rehearsal's memory
SOUND_RATE = 22_050  # samples a second

SOUNDS = {"mp3": ("libmp3lame", 44_100), "flac": ("flac", 44_100), "ogg": ("libopus", 48_000)}
"""Codec and samples a second by extension."""

CODECS = {
    "mp4": ("libx264", "yuv420p", {"preset": "ultrafast", "crf": "27"}),
    "mov": ("prores_ks", "yuv422p10le", {"profile": "0"}),
}


def render(target: Path, shape: Shape, picture: Path | None, seed: int) -> None:
    """Write one output to `target`. `seed` colours what has no picture to start from."""
    if shape.extension == "wav":
        target.write_bytes(tone(shape.seconds, seed))
    elif shape.extension in SOUNDS:
        sound(target, shape, seed)
    elif shape.extension == "svg":
        target.write_text(_vector(shape, seed))
    else:
        source = open_picture(picture, shape, seed)
        _visual(target, shape, source)


def _visual(target: Path, shape: Shape, source: Image.Image) -> None:
    if shape.extension in CODECS:
        film(target, shape, source)
    elif shape.extension == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for index in range(3):
                archive.writestr(f"frame_{index:04}.png", _encoded(frame(source, shape, index / 3), "png"))
    else:
        target.write_bytes(_encoded(frame(source, shape, 0.5), shape.extension))


def open_picture(path: Path | None, shape: Shape, seed: int) -> Image.Image:
    """The picture, cropped from its centre to the shape as Runway does; a gradient when there is none."""
    # Room for the zoom to move in without making pixels up.
    room = (math.ceil(shape.width * (1 + ZOOM)), math.ceil(shape.height * (1 + ZOOM)))
    if path is None:
        return gradient(room, seed)
    try:
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            if image.width * image.height > LARGEST:
                return gradient(room, seed)
            image.draft("RGB", room)
            return ImageOps.fit(
                ImageOps.exif_transpose(image).convert("RGB"), room, Image.Resampling.BILINEAR
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return gradient(room, seed)


def gradient(size: tuple[int, int], seed: int) -> Image.Image:
    """A soft two-coloured ground; the seed chooses the colours."""
    hue = (seed % 997) / 997
    dark = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, 0.35))
    light = tuple(round(255 * part) for part in colorsys.hsv_to_rgb((hue + 0.12) % 1, 0.5, 0.95))
    return ImageOps.colorize(Image.radial_gradient("L").resize(size), dark, light)


def frame(source: Image.Image, shape: Shape, progress: float) -> Image.Image:
    """One moment of the zoom; progress runs from 0 to 1."""
    cut = ZOOM / 2 * progress
    box = (source.width * cut, source.height * cut, source.width * (1 - cut), source.height * (1 - cut))
    return source.resize((shape.width, shape.height), Image.Resampling.BILINEAR, box=box)


def film(target: Path, shape: Shape, source: Image.Image) -> None:
    """An MP4 (H.264, yuv420p, index first) or a MOV (ProRes)."""
    import av

    codec, pixels, options = CODECS[shape.extension]
    frames = max(2, round(shape.seconds * FRAMES_PER_SECOND))
    with av.open(str(target), "w", format=shape.extension, options={"movflags": "+faststart"}) as container:
        # One thread: a rehearsal shares its machine with what it rehearses.
        stream = container.add_stream(codec, rate=FRAMES_PER_SECOND, options={**options, "threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, pixels
        for index in range(frames):
            moment = frame(source, shape, index / frames)
            picture = av.VideoFrame.from_image(moment)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def sound(target: Path, shape: Shape, seed: int) -> None:
    """The same tone as an MP3, a FLAC or an Ogg."""
    import av

    codec, rate = SOUNDS[shape.extension]
    options = {"id3v2_version": "0"} if shape.extension == "mp3" else {}  # the stamp brings a tag of its own
    with (
        av.open(io.BytesIO(tone(shape.seconds, seed)), "r") as source,
        av.open(str(target), "w", format=shape.extension, options=options) as made,
    ):
        stream = made.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(
            format=stream.codec_context.codec.audio_formats[0].name,  # type: ignore[index]
            layout="mono",
            rate=rate,
        )
        stream.layout = "mono"
        for frame_in in (*source.decode(audio=0), None):
            for piece in resampler.resample(frame_in):
                made.mux(stream.encode(piece))
        made.mux(stream.encode())


def tone(seconds: float, seed: int) -> bytes:
    """A short mono WAV."""
    pitch = 220 + seed % 440
    count = int(max(0.5, seconds) * SOUND_RATE)
    wave_form = (int(8000 * math.sin(2 * math.pi * pitch * index / SOUND_RATE)) for index in range(count))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SOUND_RATE)
        sound.writeframes(struct.pack(f"<{count}h", *wave_form))
    return buffer.getvalue()


def _encoded(image: Image.Image, extension: str) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, int] = {"png": {"compress_level": 1}, "jpeg": {"quality": 88}}.get(extension, {})
    image.save(buffer, extension.upper(), **options)
    return buffer.getvalue()


def _vector(shape: Shape, seed: int) -> str:
    box = f'width="{shape.width}" height="{shape.height}"'
    ground = f'<rect width="100%" height="100%" fill="hsl({seed % 360},60%,50%)"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{ground}</svg>'
