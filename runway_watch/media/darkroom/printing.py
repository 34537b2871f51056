"""Converts one picture: decoded by the one decoder of its format, upright, sRGB, 8 bits, PNG or JPEG.

Equal bytes in give equal bytes out. Comments, profiles and the camera's metadata are not in what comes out:
nothing but pixels is taken over, unless it is asked for.
"""

import os
from typing import Any, BinaryIO

from PIL import AvifImagePlugin, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from runway_watch.media.cuts import STRIPPED
from runway_watch.media.darkroom import camera, colours
from runway_watch.media.darkroom.coding import Work, coded
from runway_watch.media.darkroom.trouble import Heavy, Strange
from runway_watch.media.exif import ORIENTATION
from runway_watch.media.headers import read_header
from runway_watch.sides import MOST_JPEG_PIXELS, MOST_PIXELS, MOST_SIDE, padding, within

_FORMATS = {
    ".heic": "HEIF",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
}
_WHITE_IS_ZERO = (TiffImagePlugin.MM, 0, (1,), 1, (16,), ())
"""The one of the four kinds of grey TIFFs in 16 bits that Pillow does not list: large end first."""

_LOSSY = frozenset({".heic", ".avif", ".jpg"})


def develop(file: BinaryIO, order: dict[str, Any]) -> dict[str, Any]:
    """Convert the picture in an open file as an `Order` says, with a `result` to write to or None.

    Raises:
        Strange, Heavy: it cannot be converted. What decoders raise on damaged data.
    """
    work = _load(file, order["extension"], order["memory"])
    metadata = camera.kept(work.picture) if order["keeps_metadata"] else b""
    loses = camera.talks(work.picture) and not order["keeps_metadata"]
    work.picture = colours.settle(work.picture, work.steps)
    _fit_in(work)
    if order["pad"]:
        _pad(work, order["pad"])
    kind, data = coded(work, metadata, is_lossless=order["extension"] not in _LOSSY)
    if order["result"] is not None:
        _write(order["result"], data)
    shown = {".jpg": ("JPEG", "image/jpeg"), ".png": ("PNG", "image/png")}[kind]
    was = _FORMATS[order["extension"]].replace("HEIF", "HEIC")
    first = f"converted from {was} to {shown[0]}" if was != shown[0] else f"saved anew as {was}"
    width, height = work.picture.size
    return {
        "extension": kind,
        "mime": shown[1],
        "size": len(data),
        "width": width,
        "height": height,
        "steps": [first, *work.steps, *([STRIPPED] if loses else [])],
    }


def _load(file: BinaryIO, extension: str, memory: int) -> Work:
    kind = _FORMATS[extension]
    Image.MAX_IMAGE_PIXELS = None  # it is looked at here, by what this process may take
    if kind == "HEIF":
        _learn_heif()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    TiffImagePlugin.OPEN_INFO.setdefault(_WHITE_IS_ZERO, ("I;16B", "I;16B"))
    try:
        picture = Image.open(file, formats=[kind])
    except UnidentifiedImageError:
        raise Strange(f"it is no {kind} of a sort that is known here") from None
    pixels = picture.width * picture.height
    if pixels > (MOST_JPEG_PIXELS if kind == "JPEG" else MOST_PIXELS):
        raise Heavy(f"{picture.width} x {picture.height} pixels")
    work = Work(picture)
    if kind == "JPEG":
        _weigh(file, memory)
    if kind == "JPEG" and max(picture.size) > MOST_SIDE:
        work.steps.append(_reduced(picture))
        picture.draft(None, within(picture.size))
    if getattr(picture, "n_frames", 1) > 1:
        work.steps.append("only its first page" if kind == "TIFF" else "only its first frame")
    lies = _lies(picture)
    picture.load()
    if lies != 1:
        work.steps.append("turned upright")
    ImageOps.exif_transpose(picture, in_place=True)
    return work


def _weigh(file: BinaryIO, memory: int) -> None:
    """In several scans a JPEG takes all its coefficients; for want of room a decoder calls it broken."""
    position = file.tell()
    header = read_header(file, ".jpg", file.seek(0, 2))
    file.seek(position)
    if header is not None and header.scattered:
        needed = header.width * header.height * header.components * 2
        if needed > memory // 2:
            raise Heavy(f"{header.width} x {header.height} pixels in several scans")


def _learn_heif() -> None:
    """One thread: each that a decoder starts takes address space, and the next picture waits anyway."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, decode_threads=1)


def _lies(picture: Image.Image) -> int:
    """How it lies. HEIC is turned by its decoder, which says how it was."""
    told = picture.info.get("original_orientation")
    return int(told if told is not None else picture.getexif().get(ORIENTATION, 1))


def _reduced(picture: Image.Image) -> str:
    width, height = within(picture.size)
    return f"made smaller, from {picture.width} x {picture.height} to {width} x {height} pixels"


def _fit_in(work: Work) -> None:
    picture = work.picture
    size = within(picture.size)
    if size != picture.size:
        if not any(step.startswith("made smaller") for step in work.steps):
            work.steps.append(_reduced(picture))
        work.picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _pad(work: Work, shape: str) -> None:
    """Black around it, and through it where it is transparent."""
    inner, (width, height) = padding(work.picture.size, shape)
    picture = work.picture if inner == work.picture.size else work.picture.resize(inner)
    ground = Image.new("RGB", (width, height))
    at = (width - picture.width) // 2, (height - picture.height) // 2
    ground.paste(picture, at, picture.getchannel("A") if picture.mode == "RGBA" else None)
    work.picture = ground
    work.steps.append(f"padded with black to {shape}")


def _write(result: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(result, rest) :]
