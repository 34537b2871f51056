"""Looks into one film or sound with PyAV: how long it is, how large, how it is coded. Nothing more is decoded
than the first picture, which tells how it is turned."""

from contextlib import suppress
from fractions import Fraction
from typing import Any, BinaryIO

import av

from runway_watch.media.darkroom.trouble import Strange

_DEMUXERS = {
    **dict.fromkeys((".mp4", ".mov", ".3gp", ".m4a"), "mov"),
    **dict.fromkeys((".mkv", ".webm"), "matroska"),
    ".ogv": "ogg",
    ".mp3": "mp3",
    ".wav": "wav",
    ".flac": "flac",
    ".aac": "aac",
}
"""None but that of its kind: others would open what a playlist names."""

_SOUNDS = frozenset({".mp3", ".wav", ".flac", ".m4a", ".aac"})
_COUNTED = frozenset({".mp3", ".aac"})
"""Their headers do not say how long they last: their packets are counted."""

_LENIENT: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "ignore"}
)
"""PyAV 19 is so by itself: tags that are no UTF-8 are nobody's business here."""


def probe(file: BinaryIO, extension: str) -> dict[str, Any]:
    """What the file says of itself, as the fields of `Footage`. Raises Strange, or ValueError on damage."""
    av.logging.set_level(None)
    try:
        with av.open(file, format=_DEMUXERS[extension], **_LENIENT) as container:
            return _sound(container, extension) if extension in _SOUNDS else _film(container)
    except av.FFmpegError as error:
        raise ValueError(f"no {extension} that can be read: {error.strerror}") from None


def _sound(container: Any, extension: str) -> dict[str, Any]:
    if not container.streams.audio:
        raise Strange("there is no sound in it")
    stream = container.streams.audio[0]
    codec, seconds = _codec(stream), _seconds(container, stream)
    if extension in _COUNTED:
        base = stream.time_base or Fraction(0)
        seconds = float(sum(packet.duration or 0 for packet in container.demux(stream)) * base)
    return {"seconds": seconds, "codec": codec}


def _film(container: Any) -> dict[str, Any]:
    if not container.streams.video:
        raise Strange("there is no picture in it")
    stream = container.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate
    found = {"seconds": _seconds(container, stream), "codec": _codec(stream)}
    width, height = _shown(container, stream)
    return found | {"fps": float(rate) if rate else None, "width": width, "height": height}


def _codec(stream: Any) -> str:
    context = stream.codec_context
    if context is None:
        raise Strange("nobody knows how it is coded")
    return str(context.codec.canonical_name)


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1_000_000


def _shown(container: Any, stream: Any) -> tuple[int | None, int | None]:
    """Width and height as displayed: pixels may be oblong, and phones lie on their side."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width or not height:
        return None, None
    oblong = stream.sample_aspect_ratio
    if oblong and oblong > 0:
        width = max(1, round(width * oblong))
    with suppress(av.FFmpegError, StopIteration):
        if next(container.decode(stream)).rotation % 180:
            return height, width
    return width, height
