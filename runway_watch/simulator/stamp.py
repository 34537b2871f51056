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


def _id3(data: bytes, mark: bytes) -> bytes:
    """MP3: an ID3 tag in front, with one text of our own."""
    frame = b"TXXX" + _seven(len(mark) + 2) + b"\0\0" + b"\3\0" + mark
    return b"ID3\4\0\0" + _seven(len(frame)) + frame + data


def _seven(number: int) -> bytes:
    """A number in four bytes of seven bits, as ID3 writes it."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _flac(data: bytes, mark: bytes) -> bytes:
    """A block for applications right behind the first one, which always has 34 bytes."""
    return data[:42] + b"\2" + struct.pack(">I", 4 + len(mark))[1:] + b"TASK" + mark + data[42:]


def _ogg(data: bytes, mark: bytes) -> bytes:
    """Opus in Ogg: the second page, which names the encoder, names the mark instead."""
    at = data.index(b"OggS", 4)
    lengths = data[at + 27 : at + 27 + data[at + 26]]
    after = at + 27 + len(lengths) + sum(lengths)
    tags = b"OpusTags" + struct.pack("<I", len(mark)) + mark + bytes(4)
    head, body = data[at : at + 22], bytes((1, len(tags))) + tags
    checksum = struct.pack("<I", _checksum(head + bytes(4) + body))
    return data[:at] + head + checksum + body + data[after:]


def _checksum(page: bytes) -> int:
    """The checksum of an Ogg page (RFC 3533, 6)."""
    found = 0
    for byte in page:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (0x04C11DB7 if found & 0x80000000 else 0)) & 0xFFFFFFFF
    return found


STAMPS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "mp4": _box,
    "mov": _box,
    "png": _png,
    "jpeg": _jpeg,
    "webp": _riff,
    "wav": _riff,
    "zip": _zip,
    "svg": _comment,
    "mp3": _id3,
    "flac": _flac,
    "ogg": _ogg,
}
