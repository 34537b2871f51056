"""Writes a picture as what is sent: PNG where it is transparent or was lossless, else JPEG."""

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from runway_watch.job import MAX_MEDIA_BYTES, MIN_MEDIA_BYTES
from runway_watch.media.darkroom.trouble import Strange
from runway_watch.sides import within

_MOST_LOSSLESS = 32 * 1024 * 1024
"""Bytes of a PNG that are worth it: what is larger, and has no alpha, becomes a JPEG."""

_JPEG = {"quality": 95, "subsampling": 0}
_SMALLER = 0.7


@dataclass(slots=True)
class Work:
    """A picture under way, and what was done to it."""

    picture: Image.Image
    steps: list[str] = field(default_factory=list)


def coded(work: Work, metadata: bytes, *, is_lossless: bool) -> tuple[str, bytes]:
    """The extension and the bytes of what is sent."""
    picture = work.picture
    picture.info.clear()
    if picture.mode == "RGBA":
        return ".png", _small_enough(work, metadata)
    if is_lossless:
        data = _png(picture, metadata)
        if MIN_MEDIA_BYTES <= len(data) <= _MOST_LOSSLESS:
            return ".png", data
    data = _saved(picture, "JPEG", metadata if len(metadata) < 65_000 else b"", **_JPEG)
    return ".jpg", data


def _small_enough(work: Work, metadata: bytes) -> bytes:
    """A PNG that may be sent; one of noise, and of 64 million pixels, has to lose some of them."""
    data = _png(work.picture, metadata)
    while len(data) > MAX_MEDIA_BYTES:
        size = within(work.picture.size, int(max(work.picture.size) * _SMALLER))
        work.picture = work.picture.resize(size, Image.Resampling.LANCZOS)
        work.steps.append(f"made smaller, to {size[0]} x {size[1]} pixels: it had too many bytes")
        data = _png(work.picture, metadata)
    if len(data) < MIN_MEDIA_BYTES:
        data = _saved(work.picture, "PNG", metadata, compress_level=0)
    if len(data) < MIN_MEDIA_BYTES:
        raise Strange("it is too small to be sent")
    return data


def _png(picture: Image.Image, metadata: bytes) -> bytes:
    return _saved(picture, "PNG", metadata, compress_level=4)


def _saved(picture: Image.Image, kind: str, metadata: bytes, **options: Any) -> bytes:
    if metadata:
        options["exif"] = metadata
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
