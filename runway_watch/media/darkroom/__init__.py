"""Has pictures converted and films looked into by a process of its own, which may do nothing but that.

Decoders of HEIC, AVIF, TIFF and of films are large C libraries, and strangers feed them. Here they get one
open file, little memory and little time, no secrets, and nobody whom a crash, a hang or a bomb could hurt:
it costs the one file that did it. There are two at a time; whoever comes next waits.
"""

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import Any, BinaryIO

from runway_watch.errors import Exhausted, Refusal
from runway_watch.media.darkroom.process import Limits, run

PICTURES = Limits(memory=2 << 30, cpu=60, seconds=120.0)
"""Of 100 million pixels, a TIFF with alpha took 1.6 GB and 8 s; of 200 million, a JPEG 0.7 GB and 2 s."""

FILMS = Limits(memory=1 << 30, cpu=20, seconds=30.0)


@dataclass(frozen=True, slots=True)
class Print:
    """What became of a picture: how large it is, of what kind, and what was done, in words."""

    extension: str
    mime: str
    size: int
    width: int
    height: int
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Footage:
    """What was found in a film or a sound; None and "" for what it does not say."""

    seconds: float | None
    codec: str
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """How a picture is to be converted.

    Args:
        extension: what it is.
        pad: the shape that it is padded to, "16:9"; "" for none.
        keeps_metadata: what the camera wrote goes along.
    """

    extension: str
    pad: str = ""
    keeps_metadata: bool = False


_CONVERTING, _PROBING = BoundedSemaphore(2), BoundedSemaphore(2)


def convert(
    file: BinaryIO, order: Order, *, name: str, into: BinaryIO | None = None, limits: Limits = PICTURES
) -> Print:
    """Convert a picture, upright, to sRGB, as PNG or JPEG.

    Args:
        file: open for reading; its position is moved.
        order: how.
        name: what to call it in messages.
        into: where the result is written to, a real file; nowhere where it is only tried.
        limits: what it may take.

    Raises:
        Refusal: `asset.truncated` for one that is damaged, `asset.too_large` for one that takes too much,
            `asset.unsupported`.
        Exhausted: it did not come to its end for no fault of the picture's, as far as anybody can tell.
        OSError: a disk is in trouble, or the machine.
    """
    with _descriptor(file) as source, _CONVERTING:
        told = run(source, {"do": "convert", **asdict(order)}, into=into, limits=limits)
    found = _believed(told, name)
    return Print(**{**found, "steps": tuple(found["steps"])})


def probe(file: BinaryIO, extension: str, *, name: str, limits: Limits = FILMS) -> Footage:
    """Look into a film or a sound. Arguments, and what is raised, as for `convert`."""
    with _descriptor(file) as source, _PROBING:
        told = run(source, {"do": "probe", "extension": extension}, into=None, limits=limits)
    return Footage(**_believed(told, name))


@contextmanager
def _descriptor(file: BinaryIO) -> Iterator[int]:
    """The file's descriptor. Its position is shared with the process: it is put back for who reads on."""
    try:
        number = file.fileno()
    except io.UnsupportedOperation:
        with TemporaryFile() as copy:
            file.seek(0)
            while block := file.read(1 << 20):
                copy.write(block)
            copy.flush()
            yield copy.fileno()
        return
    position = os.lseek(number, 0, os.SEEK_CUR)
    try:
        yield number
    finally:
        os.lseek(number, position, os.SEEK_SET)


def _believed(told: dict[str, Any], name: str) -> dict[str, Any]:
    """What it found. Raises what `convert` raises."""
    if "errno" in told:
        raise OSError(int(told["errno"]), os.strerror(int(told["errno"])))
    if told.get("broken") == signal.SIGKILL:
        raise Exhausted(f"{name} was not looked into: it took too long, or the machine had no memory left.")
    why, code = told.get("why", ""), told.get("code")
    if code == "asset.truncated":
        message = f"{name} cannot be decoded: it is damaged, or its copying was broken off ({why})."
        raise Refusal(code, message, hint="Copy it again, or save it anew.")
    if code == "asset.too_large":
        message = f"{name} needs more memory to be converted than it may take ({why})."
        raise Refusal(code, message, hint="Make it smaller: 8000 pixels a side are as much as is ever sent.")
    if code or "found" not in told:
        message = f"{name} cannot be read: {why or 'a decoder broke off, or took too long'}."
        raise Refusal(
            "asset.unsupported", message, hint="Save it anew, as PNG or JPEG, or as MP4 with H.264."
        )
    return dict(told["found"])
