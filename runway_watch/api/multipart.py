"""Lays out a presigned form byte for byte as httpx would, for a file that is streamed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = {**{code: f"%{code:02X}" for code in range(32) if code != 27}, ord('"'): "%22", ord("\\"): "\\\\"}
"""How a name stands between quotes (HTML 5, multipart/form-data, as in httpx 0.28)."""


@dataclass(frozen=True, slots=True)
class Form:
    """What stands before and after the file's bytes, which come last of all parts (S3 wants it so)."""

    head: bytes
    foot: bytes
    content_type: str

    def length(self, size: int) -> int:
        """Bytes of the whole form around a file of `size` bytes."""
        return len(self.head) + size + len(self.foot)


def form(fields: Mapping[str, str], *, name: str, mime: str, boundary: str = "") -> Form:
    """The form with all `fields` in their order and then the part `file`.

    Args:
        fields: as the upload slot gave them.
        name: the file's name.
        mime: its type.
        boundary: for tests; a random one otherwise.
    """
    line = boundary or os.urandom(16).hex()
    parts = [f"--{line}\r\n{_disposition(key)}\r\n\r\n{value}\r\n" for key, value in fields.items()]
    file = f'--{line}\r\n{_disposition("file")}; filename="{_escaped(name)}"\r\nContent-Type: {mime}\r\n\r\n'
    return Form(
        head="".join([*parts, file]).encode(),
        foot=f"\r\n--{line}--\r\n".encode(),
        content_type=f"multipart/form-data; boundary={line}",
    )


def _disposition(name: str) -> str:
    return f'Content-Disposition: form-data; name="{_escaped(name)}"'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
