"""Makes each output's bytes its own, so that a mix-up is seen: a mark that every decoder skips. Pure."""

import struct
import zlib
from collections.abc import Callable


def stamp(data: bytes, extension: str, mark: str) -> bytes:
    """The same media with `mark` inside."""
    return STAMPS[extension](data, mark.encode())


def _box(data: bytes, mark: bytes) -> bytes:
    """MP4 and MOV: a `free` box at the end."""
    return data + struct.pack(">I", 8 + len(mark)) + b"free" + mark


def _png(data: bytes, mark: bytes) -> bytes:
    """A tEXt chunk before IEND, which is always the last twelve bytes."""
    body = b"tEXt" + b"task\0" + mark
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:-12] + chunk + data[-12:]


def _jpeg(data: bytes, mark: bytes) -> bytes:
    """A comment right after the start of the image."""
    return data[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(mark)) + mark + data[2:]


def _riff(data: bytes, mark: bytes) -> bytes:
    """WAV and WebP: one more chunk, of a kind that nobody knows, and the length of the whole mended."""
    chunk = b"tASK" + struct.pack("<I", len(mark)) + mark + b"\0" * (len(mark) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:] + chunk


def _zip(data: bytes, mark: bytes) -> bytes:
    """The archive's comment; an archive without one ends in its length, two zero bytes."""
    return data[:-2] + struct.pack("<H", len(mark)) + mark


def _comment(data: bytes, mark: bytes) -> bytes:
    return data + b"<!-- " + mark + b" -->"


STAMPS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "mp4": _box,
    "mov": _box,
    "png": _png,
    "jpeg": _jpeg,
    "webp": _riff,
    "wav": _riff,
    "zip": _zip,
    "svg": _comment,
}
