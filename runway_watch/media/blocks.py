"""Reads a file in pieces whose size does not depend on the file's.

Nothing here opens a path: the caller gives an open binary file, and its errors (`OSError`) stay its own.
"""

import errno
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 256 * 1024
"""Bytes held at once when a stretch of a file is walked."""


FARTHEST = 1 << 40
"""Offsets come out of files, up to 64 bits of them: no file that is looked at reaches as far as this."""


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to `count` bytes from `offset`; fewer only where the file ends."""
    if not _reaches(file, offset):
        return b""
    data = file.read(count)
    while len(data) < count:
        more = file.read(count - len(data))
        if not more:
            break
        data += more
    return data


def _reaches(file: BinaryIO, offset: int) -> bool:
    """Go to an offset; whether it is one. What a file may have at most is another number for each system."""
    if offset > FARTHEST:
        return False
    try:
        file.seek(offset)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


def stretch(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` to `end` in blocks; it ends early where the file does."""
    position = start
    while position < end:
        block = read_at(file, position, min(BLOCK, end - position))
        if not block:
            return
        position += len(block)
        yield block


def tail(file: BinaryIO, size: int, count: int) -> bytes:
    """The last `count` bytes of a file of `size` bytes."""
    start = max(0, size - count)
    return read_at(file, start, size - start)
