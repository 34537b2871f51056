"""What strangers put into a folder besides files, and files that are not what they seem."""

import os
import socket
import stat
import struct
import subprocess
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness import picture
from tests.samples import JPEG, PNG

Thing = bytes | Callable[[Path], object]
"""A file's contents, or what makes something else under its name."""


def put(path: Path, thing: Thing) -> None:
    """Let it lie there, with all folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(thing, bytes):
        path.write_bytes(thing)
    else:
        thing(path)


def outside_of(path: Path) -> Path:
    """The folder of secrets beside the site in which a path lies."""
    return next(above / "outside" for above in path.parents if (above / "outside").is_dir())


# -- no plain files ----------------------------------------------------------------------------------------


def link(name: str) -> Thing:
    """A link to a secret, or to what would be made outside."""
    return lambda path: path.symlink_to(outside_of(path) / name)


def second_name(path: Path) -> None:
    """The second name of a secret."""
    secret = outside_of(path) / f"also called {path.name}"
    secret.write_bytes(picture())
    os.link(secret, path)


def socket_file(path: Path) -> None:
    """Where a server once listened."""
    folder = os.open(path.parent, os.O_PATH)
    with closing(socket.socket(socket.AF_UNIX)) as ours:
        ours.bind(f"/proc/self/fd/{folder}/{path.name}")  # no more than the hundred bytes that there are
    os.close(folder)


def device(path: Path) -> None:
    """One that has no end to read: /dev/zero."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def may_make_devices() -> bool:
    """Whether they can be made here; it takes root, and no container that says no."""
    with TemporaryDirectory() as folder:
        try:
            device(Path(folder, "device"))
        except PermissionError:
            return False
    return True


def deep_folder(path: Path) -> None:
    """A thousand folders within each other, and a file at the bottom."""
    path.mkdir()
    for _ in range(1000):
        path /= "d"
        path.mkdir()
    put(path / "cat.png", PNG)


def remove_deep_folder(path: Path) -> None:
    """Remove it, where shutil would run out of descriptors."""
    subprocess.run(["rm", "-rf", path], check=True)


# -- pictures that are none --------------------------------------------------------------------------------


def png(width: int, height: int, *, packed: bytes = b"tEXt") -> bytes:
    """A PNG whose checksums are right.

    Args:
        width, height: what it says of itself.
        packed: a kind of metadata that it has: fifty million bytes, packed into fifty thousand.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    metadata = b"a\0\0" + zlib.compress(bytes(50_000_000))
    chunks = [(b"IHDR", header), (packed, metadata), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(side: int) -> bytes:
    """A JPEG that says of itself that it is so large."""
    data = bytearray(JPEG)
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def webp(side: int) -> bytes:
    """A WebP that says of its canvas that it is so large."""
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2
    coded = b"VP8L" + struct.pack("<I", 1000) + b"\x2f" + b"\x01" * 999
    return b"RIFF" + struct.pack("<I", 4 + len(canvas + coded)) + b"WEBP" + canvas + coded


def bmp(side: int) -> bytes:
    """A BMP that says of itself that it is so large."""
    return struct.pack("<2sIIIIiiHH", b"BM", 0, 0, 54, 40, side, side, 1, 24) + bytes(1000)


def gif(side: int) -> bytes:
    """A GIF that says of its canvas that it is so large."""
    return b"GIF89a" + struct.pack("<HH", side, side) + bytes(1000) + b";"


def padded(text: str) -> bytes:
    """What is no picture, in a size that a picture may have."""
    return text.encode().ljust(1000)


OTHERS: dict[str, bytes] = {
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n" + b"%\n" * 500,
    "pdf": padded("%PDF-1.4\n"),
    "svg": padded('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "tiff": b"II*\x00" + b"\x01" * 1000,
    "bmp": b"BM" + b"\x01" * 1000,
    "program": b"\x7fELF" + b"\x01" * 1000,
}
"""What other decoders would take, and other programs; for the first Pillow would start Ghostscript."""
