"""Finds the tags and attachments of an MKV or WebM, to send an element that says nothing in their place."""

from collections.abc import Iterator
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.cuts import Cut

_VOID = b"\xec\x01"
"""An element that says nothing, with a length of seven bytes more (RFC 9559, 5.1; RFC 8794, 11.3.2)."""

_METADATA = {b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69"}
"""Tags and Attachments."""


def matroska_cuts(file: BinaryIO, size: int) -> Iterator[Cut]:
    """Tags and attachments of an MKV or WebM; none behind a part whose length is not stated."""
    position, end = _element(file, 0, size)[1], size
    name, position, end = _enter(file, position, size)
    while name == b"\x18\x53\x80\x67" and position < min(end, size):
        begin = position
        child, position = _element(file, begin, size)
        if not child or position > size:
            return
        if child in _METADATA and position - begin >= 9:
            yield Cut(begin, begin + 9, _VOID + (position - begin - 9).to_bytes(7, "big"))
            yield Cut(begin + 9, position, None)


def _enter(file: BinaryIO, at: int, size: int) -> tuple[bytes, int, int]:
    """An element's name, where its contents begin, and where they end."""
    name, end = _element(file, at, size)
    width = 9 - (read_at(file, at + 4, 1) or b"\1")[0].bit_length()
    return name, at + 4 + width, min(end, size) if name else at


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
