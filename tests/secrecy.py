"""Where a key must not be: one look into all that a daemon leaves behind, and into itself while it runs."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

PIECE = 16
"""Characters: a text that is cut, by a page of the ledger or a width, still holds a piece of this length."""


def assert_key_nowhere(top: Path, key: str, secrets: Iterable[str] = (), *, pid: int | None = None) -> None:
    """Fail where a key, a piece of it, its base64 or another secret can be found.

    Args:
        top: everything below is read as it lies on the disk: the four folders, the ledger with its log and
            its free pages, the lock, the configuration, and what was written to standard output and error.
        key: the API key.
        secrets: what else nobody may see: the queries of signed addresses, the fields of an upload's form.
        pid: a process that runs: its command line, its environment, the names of its threads.
    """
    needles = {*_pieces(key), *(text.encode() for text in secrets)}
    found = [
        f"{place} holds {needle[:8]!r}..."
        for place, content in [*_files(top), *(_process(pid) if pid else ())]
        for needle in needles
        if needle in content
    ]
    assert not found, "\n".join(found)


def _pieces(key: str) -> Iterator[bytes]:
    for text in (key, quote(key, safe=""), *_base64(key.encode())):
        size = min(PIECE, len(text))
        yield from (text[at : at + size].encode() for at in range(0, len(text) - size + 1, size))


def _base64(key: bytes) -> Iterator[str]:
    """As it looks inside whatever was encoded, wherever the key began in that."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + key).decode()[4 if before else 0 : -4]
        yield from (text, text.translate(str.maketrans("+/", "-_")))


def _files(top: Path) -> Iterator[tuple[str, bytes]]:
    for path in top.rglob("*"):
        yield str(path), path.name.encode()
        if path.is_file():
            yield str(path), path.read_bytes()


def _process(pid: int) -> Iterator[tuple[str, bytes]]:
    proc = Path("/proc", str(pid))
    for path in (proc / "cmdline", proc / "environ", *proc.glob("task/*/comm")):
        yield str(path), path.read_bytes()
