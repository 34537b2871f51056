"""The SHA-256 of files, in hexadecimal: it names contents wherever they lie."""

import hashlib
from typing import BinaryIO

_BLOCK = 1 << 20


def digest_of(file: BinaryIO) -> str:
    """That of an open file, from its beginning to its end. Raises OSError."""
    found = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()
