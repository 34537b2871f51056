"""Checks that films, sounds and archives are all there, by the lengths that their containers state.

Cheap by intent: nothing is decoded, and no more is read than the headers and the last page. A file
that is filled in behind its final size is found only where a header or an end mark is missing; the
rest is left to settling.
"""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from runway_watch.media.blocks import BLOCK, read_at, tail
from runway_watch.media.pictures import MAX_PARTS, Part, riff_parts
from runway_watch.media.sniff import adts_length, mpeg_length


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """The ISO-BMFF boxes between two offsets, up to the first that is damaged (ISO 14496-12, 4.2).

    A box that claims more than `end` is given, with that end: the caller sees that it is cut.
    """
    position = start
    for _ in range(MAX_PARTS):
        header = read_at(file, position, 16)
        name, length, skip = header[4:8], int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, skip = int.from_bytes(header[8:16], "big"), 16
        elif length == 0 and name.strip(b"\x00"):
            length = end - position
        if position + 8 > end or length < skip or not name.strip(b"\x00"):
            return
        yield Part(name, position + skip, position + length)
        position += length


def film_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the boxes of an MP4, MOV, M4A or 3GP end exactly where the file does, with a `moov`."""
    found_moov, last = False, 0
    for box in boxes(file, 0, size):
        found_moov, last = found_moov or box.name == b"moov", box.end
    return found_moov and last == size


def has_video_track(file: BinaryIO, size: int) -> bool:
    """Whether an ISO-BMFF file's `moov` lists a track that is handled as video."""
    return any(
        read_at(file, handler.start + 8, 4) == b"vide"
        for moov in _inside(file, Part(b"", 0, size), b"moov")
        for track in _inside(file, moov, b"trak")
        for media in _inside(file, track, b"mdia")
        for handler in _inside(file, media, b"hdlr")
    )


def _inside(file: BinaryIO, outer: Part, name: bytes) -> Iterator[Part]:
    inner = boxes(file, outer.start, outer.end)
    # The top may have many boxes (fragments); the levels below have a handful in any real file.
    few = inner if outer.start == 0 else islice(inner, 64)
    return (box for box in few if box.name == name and box.end <= outer.end)


def wav_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether format and samples are there. Recorders that were never closed leave the length 0 or -1."""
    head = read_at(file, 0, 12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return False
    described = False
    for part in riff_parts(file, size):
        described = described or part.name == b"fmt "
        if part.name == b"data":
            open_ended = part.end - part.start in (0, 0xFFFFFFFF)
            return described and (open_ended or part.end <= size) and part.start < size
    return False


def flac_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the metadata blocks lead to a first frame (RFC 9639, 8.1 and 9.1)."""
    position = 4 if read_at(file, 0, 4) == b"fLaC" else size
    for _ in range(MAX_PARTS):
        header = read_at(file, position, 4)
        if len(header) < 4 or position >= size:
            return False
        position += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 0x80:
            return read_at(file, position, 2) in (b"\xff\xf8", b"\xff\xf9") and position < size
    return False


def mp3_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether there is a frame behind the tags before the first, if there are any."""
    start = behind_id3(file)
    window = read_at(file, start, min(BLOCK, max(0, size - start)))
    return any(mpeg_length(window, at) for at in _syncs(window))


def behind_id3(file: BinaryIO) -> int:
    """Where the tags end with which a sound begins: any number, with a footer or without (ID3v2.4, 3.1)."""
    start = 0
    for _ in range(MAX_PARTS):
        head = read_at(file, start, 10)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        start += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)
    return start


def aac_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether it begins with a frame that ends within the file."""
    return 0 < adts_length(read_at(file, 0, 7), 0) <= size


def _syncs(window: bytes) -> Iterator[int]:
    at = window.find(b"\xff")
    while at >= 0:
        yield at
        at = window.find(b"\xff", at + 1)


_OGG_PAGE = 65_307
"""The largest page, header and all (RFC 3533, 6)."""


def ogg_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the last page is complete and ends with the file, or ends the stream."""
    if read_at(file, 0, 5) != b"OggS\x00":
        return False
    end = tail(file, size, 2 * _OGG_PAGE)
    at = end.rfind(b"OggS\x00")
    while at >= 0:
        length = _ogg_length(end, at)
        if length and (at + length == len(end) or (end[at + 5] & 4 and at + length < len(end))):
            return True
        at = end.rfind(b"OggS\x00", 0, at)
    return False


def _ogg_length(data: bytes, at: int) -> int:
    """Bytes of the page at `at`, or 0 when its header is cut."""
    if at + 27 > len(data) or at + 27 + data[at + 26] > len(data):
        return 0
    segments = data[at + 27 : at + 27 + data[at + 26]]
    return 27 + len(segments) + sum(segments)


def zip_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the end-of-directory record is there and fits what stands before it (APPNOTE 4.3.16)."""
    end = tail(file, size, 22 + 0xFFFF)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(end):
        return False
    length, start = (int.from_bytes(end[at + n : at + n + 4], "little") for n in (12, 16))
    comment = int.from_bytes(end[at + 20 : at + 22], "little")
    large = 0xFFFFFFFF in (length, start)  # ZIP64: the true numbers stand elsewhere
    return at + 22 + comment == len(end) and (large or start + length <= size - len(end) + at)
