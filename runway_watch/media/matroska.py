"""Finds what an MKV or WebM says of itself - tags, attachments, title, date - to send nothing instead.

And whether one is whole.
"""

from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.cuts import Cut
from runway_watch.media.pictures import MAX_PARTS

_HEADER, _SEGMENT, _INFO = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66"
_METADATA = {b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69"}
"""Tags and Attachments (RFC 9559, 5.1)."""

_TOLD = {b"\x7b\xa9", b"\x44\x61", b"\x73\x84", b"\x3c\x83\xab", b"\x3e\x83\xbb", b"\xbf"}
"""Of Info: title, date, names of its own file and of others, and the checksum that would not fit now."""


def matroska_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the segment of an MKV or WebM, where its length is known, ends within the file (RFC 8794)."""
    header, begin = _element(file, 0, size)
    segment, end = _element(file, begin, size)
    return header == _HEADER and segment == _SEGMENT and end <= size


def matroska_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """What is sent as an element that says nothing; none behind a part whose length is not stated."""
    segment, position, end = _enter(file, _element(file, 0, size)[1], size)
    if segment != _SEGMENT:
        return
    for name, begin, behind in _children(file, position, end):
        if name in _METADATA:
            yield from _void(begin, behind)
        elif name == _INFO:
            yield from _of_info(file, begin, size)


def _of_info(file: BinaryIO, at: int, size: int) -> Iterator[Cut]:
    _, position, end = _enter(file, at, size)
    for name, begin, behind in _children(file, position, end):
        if name in _TOLD:
            yield from _void(begin, behind)


def _children(file: BinaryIO, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The elements inside another: the name of each, where it begins and where it ends."""
    for _ in range(MAX_PARTS):
        if position >= end:
            return
        begin = position
        name, position = _element(file, begin, end)
        if not name or position > end:
            return
        yield name, begin, position


def _void(begin: int, end: int) -> Iterator[Cut]:
    """An element of nothing, as long as the one that was there (RFC 8794, 11.3.2)."""
    length = end - begin
    head = b"\xec\x01" + (length - 9).to_bytes(7, "big") if length >= 9 else bytes([0xEC, 0x80 | length - 2])
    yield Cut(begin, begin + len(head), head)
    if len(head) < length:
        yield Cut(begin + len(head), end, None)


def _enter(file: BinaryIO, at: int, size: int) -> tuple[bytes, int, int]:
    """An element's name, where its contents begin, and where they end."""
    name, end = _element(file, at, size)
    width = 9 - (read_at(file, at + len(name), 1) or b"\xff")[0].bit_length()
    return name, at + len(name) + width, min(end, size) if name else at


def _element(file: BinaryIO, at: int, size: int) -> tuple[bytes, int]:
    """The name of the element at a position, and where it ends; b"" for one that cannot be read.

    One of unknown length ends with the file.
    """
    head = read_at(file, at, 12)
    if len(head) < 2 or not head[0]:
        return b"", size
    long = 9 - head[0].bit_length()
    if long > 4 or len(head) <= long or not head[long]:
        return b"", size
    wide = 9 - head[long].bit_length()
    value = int.from_bytes(head[long : long + wide], "big") & ((1 << 7 * wide) - 1)
    if value == (1 << 7 * wide) - 1:
        return head[:long], size
    return head[:long], at + long + wide + value
