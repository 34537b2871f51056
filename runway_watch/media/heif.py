"""HEIC and AVIF: the sides of the picture, which way it lies, and whether all of it is in the file.

Both are ISO-BMFF files whose `meta` box lists pictures and where their coded bytes lie (ISO 23008-12, ISO
14496-12 8.11). Nothing is decoded, and no more is held than that box, up to `_MOST_META`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.containers import boxes

_MOST_META = 1024 * 1024
"""Bytes; the largest pictures of phones have 10,000, for a hundred tiles."""

_MOST_EXTENTS = 100_000
"""More than the 65,536 tiles that a grid may have (ISO 23008-12, 6.6.2.3)."""

_CODED = frozenset({b"hvc1", b"av01", b"avc1", b"jpeg", b"unci"})


@dataclass(slots=True)
class Still:
    """What `meta` tells: the main picture's sides before it is turned, its turn, and where bytes lie."""

    width: int = 0
    height: int = 0
    turns: int = 0  # quarters of a circle, against the clock
    extents: list[tuple[int, int, bool]] = field(
        default_factory=list
    )  # begin, end, whether it is coded picture


def read_still(file: BinaryIO, size: int) -> Still | None:
    """What the file's `meta` tells; None when there is none to be read."""
    for box in boxes(file, 0, size):
        if box.name == b"meta" and box.end <= size:
            data = read_at(file, box.start, min(_MOST_META, box.end - box.start))
            try:
                return _still(data)
            except (struct.error, IndexError):
                return None
    return None


def heif_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether all boxes end within the file, and every extent of every picture, down to its last byte.

    The last byte of a coded picture is none of zeros: a file that is filled in behind its size is found so.
    """
    last = 0
    for box in boxes(file, 0, size):
        last = box.end
    still = read_still(file, size) if last == size else None
    if still is None or not any(coded for _, _, coded in still.extents):
        return False
    return all(
        end <= size and not (coded and end - begin >= 16 and not any(read_at(file, end - 4, 4)))
        for begin, end, coded in still.extents
    )


def _children(data: bytes, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a box's contents, by name."""
    while start + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        skip = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            skip = 16
        if length < skip:
            return
        yield name, data[start + skip : start + length]
        start += length


def _still(meta: bytes) -> Still:
    inside = dict(_children(meta, 4))
    primary = _primary(inside.get(b"pitm", b""))
    kinds = dict(_kinds(inside.get(b"iinf", b"")))
    found = Still()
    for item, begin, length in _located(inside.get(b"iloc", b"")):
        if len(found.extents) == _MOST_EXTENTS:
            raise IndexError(item)
        found.extents.append((begin, begin + length, kinds.get(item) in _CODED))
    properties = dict(_children(inside.get(b"iprp", b"")))
    described = list(_children(properties.get(b"ipco", b"")))
    for index in _associated(properties.get(b"ipma", b""), primary):
        if 0 < index <= len(described):
            _describe(found, *described[index - 1])
    return found


def _describe(found: Still, name: bytes, data: bytes) -> None:
    if name == b"ispe":
        found.width, found.height = struct.unpack_from(">II", data, 4)
    elif name == b"irot":
        found.turns = data[0] & 3


def _primary(box: bytes) -> int | None:
    if not box:
        return None
    return int(struct.unpack_from(">I" if box[0] else ">H", box, 4)[0])


def _kinds(box: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind of each item (`infe` of version 2 or 3)."""
    if not box:
        return
    for name, data in _children(box, 8 if box[0] else 6):
        if name == b"infe" and data[0] in (2, 3):
            item, _, kind = struct.unpack_from(">HH4s" if data[0] == 2 else ">IH4s", data, 4)
            yield item, kind


def _associated(box: bytes, wanted: int | None) -> list[int]:
    """The numbers of the properties of an item."""
    if not box:
        return []
    version, wide, at = box[0], box[3] & 1, 8
    for _ in range(struct.unpack_from(">I", box, 4)[0]):
        item, count = struct.unpack_from(">HB" if version < 1 else ">IB", box, at)
        at += 3 if version < 1 else 5
        form = f">{count}{'H' if wide else 'B'}"
        if item == wanted:
            return [number & (0x7FFF if wide else 0x7F) for number in struct.unpack_from(form, box, at)]
        at += struct.calcsize(form)
    return []


def _located(box: bytes) -> Iterator[tuple[int, int, int]]:
    """Item, begin and length of each extent that lies in the file itself (8.11.3)."""
    if not box:
        return
    version, at = box[0], 6
    sizes = box[4] >> 4, box[4] & 15, box[5] >> 4, (box[5] & 15) if version else 0
    form = ">I" if version == 2 else ">H"
    (count,) = struct.unpack_from(form, box, at)
    at += struct.calcsize(form)
    for _ in range(count):
        (item,) = struct.unpack_from(form, box, at)
        at += struct.calcsize(form)
        method = (struct.unpack_from(">H", box, at)[0] & 15) if version else 0
        at += 2 if version else 0
        (source,) = struct.unpack_from(">H", box, at)
        base, at = _sized(box, at + 2, sizes[2])
        (extents,) = struct.unpack_from(">H", box, at)
        at += 2
        # Those of which nothing is written down are all the same, and cost a file no byte.
        for _ in range(extents if sizes[0] + sizes[1] + sizes[3] else min(extents, 1)):
            begin, at = _sized(box, at + sizes[3], sizes[0])
            length, at = _sized(box, at, sizes[1])
            if method == 0 and source == 0:
                yield item, base + begin, length


def _sized(box: bytes, at: int, width: int) -> tuple[int, int]:
    """A number of so many bytes, and where the next one begins."""
    if at + width > len(box):
        raise IndexError(at)
    return int.from_bytes(box[at : at + width], "big"), at + width
