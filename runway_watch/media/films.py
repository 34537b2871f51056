"""Finds in MP4, MOV, 3GP and M4A what tells where, when and by what they were taken, to send zeros for it.

Boxes keep their place and length: their type becomes `free` (ISO 14496-12, 8.1.2), their contents zeros. So
no index has to be written anew. Tracks that are neither picture nor sound go with their samples: cameras
write where they were into them, for every second.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import BinaryIO

from runway_watch.media.blocks import read_at
from runway_watch.media.containers import boxes
from runway_watch.media.cuts import Cut
from runway_watch.media.emptying import emptied
from runway_watch.media.fragments import fragment_cuts, sample_sizes
from runway_watch.media.pictures import MAX_PARTS, Part
from runway_watch.media.tracks import MOST_ROWS, samples

_OUTSIDE = frozenset(
    {
        *(b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"pdin", b"wide"),
        *(b"free", b"skip"),
    }
)
"""The boxes of a file that are none of metadata."""

_STANDARD: Mapping[bytes, frozenset[bytes]] = {
    b"moov": frozenset((b"mvhd trak mvex iods pssh ctab clip rmra cmov").split()),
    b"trak": frozenset((b"tkhd mdia edts tref trgr load matt clip tapt imap").split()),
    b"mdia": frozenset((b"mdhd hdlr elng minf").split()),
    b"minf": frozenset((b"vmhd smhd hmhd nmhd sthd gmhd hdlr dinf stbl").split()),
    b"stbl": frozenset(
        b"stsd stts ctts cslg stsc stsz stz2 stco co64 stss stps stsh padb stdp sdtp sbgp sgpd subs saiz saio"
        b" senc".split()
    ),
    b"moof": frozenset((b"mfhd traf pssh").split()),
    b"traf": frozenset((b"tfhd tfdt trun sdtp sbgp sgpd subs saiz saio senc").split()),
}
"""What is looked into, and what in it plays a film (ISO 14496-12, 6.2.3; QuickTime File Format)."""

_SPACE = frozenset({b"free", b"skip"})
_DATED = frozenset({b"mvhd", b"tkhd", b"mdhd"})
_PLAYED = frozenset({b"vide", b"soun", b"tmcd", b""})
"""Handlers of tracks that are sent: picture, sound, time code."""

_TRACKS, _FEW = 1000, 64
"""Tracks that are left out of fragments, and boxes of one that are looked at: many times what there are."""

_Left = tuple[Iterator[int], Iterator[int]]


def iso_cuts(file: BinaryIO, size: int) -> list[Cut]:
    """What is sent as zeros, in order. Raises OSError."""
    found: list[Cut] = []
    left, rows = iter(range(MAX_PARTS)), iter(range(MOST_ROWS))
    gone: set[int] = set()
    sizes: dict[int, int] = {}
    for box in boxes(file, 0, size):
        if box.name in (b"moov", b"moof"):
            found += _inside(file, box, (left, rows))
        if box.name == b"moov":
            gone, sizes = _unplayed(file, box, rows), sample_sizes(file, box)
        elif box.name == b"moof" and gone:
            begin = _begin(file, box)
            found += fragment_cuts(file, box, begin, gone=gone, sizes=sizes, left=rows)
        elif box.name not in _OUTSIDE or box.name in _SPACE:
            found += _freed(file, box, size)
    return merged(found)


def _inside(file: BinaryIO, outer: Part, left: _Left) -> Iterator[Cut]:
    """What is in a box; `left` has an item for each box, and each row, that may still be looked at."""
    for box, _ in zip(boxes(file, outer.start, outer.end), left[0], strict=False):
        if box.name not in _STANDARD[outer.name]:
            yield from _freed(file, box, outer.end)
        elif box.end > outer.end:
            return
        elif box.name == b"trak" and _handler(file, box, left[0]) not in _PLAYED:
            yield from samples(file, box, left[1])
            yield from _freed(file, box, outer.end)
        elif box.name in _DATED:
            yield from _undated(file, box)
        elif box.name in _STANDARD:
            yield from _inside(file, box, left)


def _freed(file: BinaryIO, box: Part, end: int) -> Iterator[Cut]:
    """The box as free space, unless it is that already. Its header has 8 bytes, or 16."""
    begin, last = _begin(file, box), min(box.end, end)
    if box.name not in _SPACE:
        yield Cut(begin + 4, begin + 8, b"free")
        yield Cut(box.start, last, None)
    else:
        yield from emptied(file, box.start, last)


def _begin(file: BinaryIO, box: Part) -> int:
    head = read_at(file, box.start - 16, 8) if box.start >= 16 else b""
    return box.start - (16 if head[:4] == b"\x00\x00\x00\x01" and head[4:8] == box.name else 8)


def _undated(file: BinaryIO, box: Part) -> Iterator[Cut]:
    """When it was made and changed (8.2.2): two numbers of 4 bytes, or of 8."""
    width = 8 if read_at(file, box.start, 1) == b"\x01" else 4
    dates = box.start + 4, box.start + 4 + 2 * width
    if dates[1] <= box.end and any(read_at(file, dates[0], 2 * width)):
        yield Cut(*dates, None)


def _unplayed(file: BinaryIO, moov: Part, left: Iterator[int]) -> set[int]:
    """The numbers of the tracks that are not sent."""
    tracks = (box for box in boxes(file, moov.start, moov.end) if box.name == b"trak")
    unplayed = (box for box in tracks if _handler(file, box, left) not in _PLAYED)
    return {_number(file, box) for box in islice(unplayed, _TRACKS)}


def _number(file: BinaryIO, track: Part) -> int:
    """What the track is called in fragments (8.3.2); 0, which none may have, where it does not say."""
    for box in islice(boxes(file, track.start, track.end), _FEW):
        if box.name == b"tkhd":
            at = box.start + (20 if read_at(file, box.start, 1) == b"\x01" else 12)
            return int.from_bytes(read_at(file, at, 4), "big")
    return 0


def _handler(file: BinaryIO, track: Part, left: Iterator[int]) -> bytes:
    for media, _ in zip(boxes(file, track.start, track.end), left, strict=False):
        if media.name == b"mdia":
            for box, _ in zip(boxes(file, media.start, min(media.end, track.end)), left, strict=False):
                if box.name == b"hdlr":
                    return read_at(file, box.start + 8, 4)
    return b""


def merged(cuts: list[Cut]) -> list[Cut]:
    """Cuts in order, where one that lies within another is left out, and zeros side by side are one."""
    found: list[Cut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.start, -cut.end)):
        if found and cut.start < found[-1].end:
            if cut.end > found[-1].end and found[-1].instead is None and cut.instead is None:
                found[-1] = Cut(found[-1].start, cut.end, None)
            continue
        found.append(cut)
    return found
