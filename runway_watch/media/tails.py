"""Where the tags at the end of a sound begin: several kinds, one behind the other, in any order."""

import re
from typing import BinaryIO

from runway_watch.media.blocks import read_at

_MOST = 32
"""Tags that are looked for; programs that know only their own kind leave a handful behind."""

_LONGEST = 5100 + 20
"""Bytes that a tag of Lyrics3v1 may have, with its marks."""


def behind(file: BinaryIO, size: int) -> int:
    """Where the tags behind a sound begin, which is at `size` where there are none. Raises OSError."""
    end = size
    for _ in range(_MOST):
        length = _last(file, end)
        if not 0 < length < end:
            return end
        end -= length
    return end


def _last(file: BinaryIO, end: int) -> int:
    """Bytes of the tag that ends there, or 0."""
    foot = read_at(file, max(0, end - 227 - 128), min(end, 227 + 128))
    if foot[-128:-125] == b"TAG":
        return 227 + 128 if foot[:4] == b"TAG+" and len(foot) == 227 + 128 else 128
    if foot[-32:-24] == b"APETAGEX":
        return int.from_bytes(foot[-20:-16], "little") + (32 if foot[-9] & 0x80 else 0)
    if foot[-10:-7] == b"3DI":  # ID3v2.4, 3.4
        return 20 + (foot[-4] << 21 | foot[-3] << 14 | foot[-2] << 7 | foot[-1])
    if (lyrics := re.search(rb"(\d{6})LYRICS200\Z", foot)) is not None:
        return 15 + int(lyrics[1])
    return _lyrics(file, end) if foot.endswith(b"LYRICSEND") else 0


def _lyrics(file: BinaryIO, end: int) -> int:
    data = read_at(file, max(0, end - _LONGEST), min(end, _LONGEST))
    at = data.rfind(b"LYRICSBEGIN")
    return len(data) - at if at >= 0 else 0
