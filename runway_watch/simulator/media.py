"""What kind of media some bytes are: by extension and by their first bytes. Pure."""

from collections.abc import Callable
from pathlib import PurePosixPath

HEAD = 64  # bytes that decide
MIN_BYTES = 512
MAX_BYTES = 200_000_000  # Runway says 200 MB; the smaller reading is the safe one

IMAGE, VIDEO, AUDIO = "image", "video", "audio"

MIME = {
    IMAGE: ("image/jpeg", "image/jpg", "image/png", "image/webp"),
    VIDEO: (
        "video/mp4",
        "video/quicktime",
        "video/x-matroska",
        "video/webm",
        "video/3gpp",
        "video/ogg",
        "video/x-msvideo",
        "video/x-flv",
        "video/mpeg",
    ),
    AUDIO: ("audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav", "audio/flac", "audio/mp4", "audio/aac"),
}

Sniff = Callable[[bytes], bool]


def _starts(*magics: bytes) -> Sniff:
    return lambda head: head.startswith(magics)


def _riff(form: bytes) -> Sniff:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _iso(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _mpeg_audio(head: bytes) -> bool:
    return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


EXTENSIONS: dict[str, tuple[str, Sniff]] = {
    "jpg": (IMAGE, _starts(b"\xff\xd8\xff")),
    "jpeg": (IMAGE, _starts(b"\xff\xd8\xff")),
    "png": (IMAGE, _starts(b"\x89PNG\r\n\x1a\n")),
    "webp": (IMAGE, _riff(b"WEBP")),
    "mp4": (VIDEO, _iso),
    "mov": (VIDEO, _iso),
    "3gp": (VIDEO, _iso),
    "mkv": (VIDEO, _starts(b"\x1aE\xdf\xa3")),
    "webm": (VIDEO, _starts(b"\x1aE\xdf\xa3")),
    "ogv": (VIDEO, _starts(b"OggS")),
    "avi": (VIDEO, _riff(b"AVI ")),
    "flv": (VIDEO, _starts(b"FLV")),
    "mpg": (VIDEO, _starts(b"\x00\x00\x01")),
    "mpeg": (VIDEO, _starts(b"\x00\x00\x01")),
    "mp3": (AUDIO, _mpeg_audio),
    "wav": (AUDIO, _riff(b"WAVE")),
    "flac": (AUDIO, _starts(b"fLaC")),
    "m4a": (AUDIO, _iso),
    "aac": (AUDIO, _mpeg_audio),
}


def extension(filename: str) -> str:
    """The extension in lower case, without its dot."""
    return PurePosixPath(filename).suffix.lower().removeprefix(".")


def kind_of(filename: str) -> str | None:
    """image, video or audio; None when Runway does not take the extension."""
    known = EXTENSIONS.get(extension(filename))
    return known[0] if known else None


def matches(filename: str, head: bytes) -> bool:
    """Whether the first bytes are what the extension says."""
    known = EXTENSIONS.get(extension(filename))
    return known is not None and known[1](head)
