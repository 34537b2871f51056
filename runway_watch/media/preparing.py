"""Decides how a file is sent: as it is, without its metadata, or converted. Then it is tried, once.

What is fine already goes as it is, byte for byte, and costs no more than a look at its headers. What takes a
decoder is done in the darkroom.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import BinaryIO

from runway_watch.errors import Refusal
from runway_watch.job import MIN_MEDIA_BYTES, How, MediaFacts, Preparation
from runway_watch.media import darkroom, icc
from runway_watch.media.anonymity import cuts
from runway_watch.media.blocks import read_at, stretch
from runway_watch.media.cuts import STRIPPED, Cut, size_after
from runway_watch.media.darkroom import Order
from runway_watch.media.headers import Header, read_header
from runway_watch.media.pictures import png_parts
from runway_watch.media.sniff import HEAD, sniff
from runway_watch.sides import MOST_SIDE, within

_TAKEN = frozenset({".jpg", ".png", ".webp"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
"""What makes more of a PNG than one frame (PNG 3, 11.3.6)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator wants.

    Args:
        convert: pictures that Runway would not take, or not show rightly, are converted.
        keeps_metadata: where, when and by whom a file was made may be sent.
        tries: what is to be converted is converted, to see that it can be.
    """

    convert: bool = True
    keeps_metadata: bool = False
    tries: bool = True


def prepare(file: BinaryIO, facts: MediaFacts, *, name: str, policy: Policy, pad: str = "") -> Preparation:
    """How a file that is whole is to be sent.

    Args:
        file: open for reading, seekable; its position is moved.
        facts: what it is.
        name: what to call it in messages.
        policy: what the operator wants.
        pad: the shape that a picture is to be padded to, "16:9".

    Raises:
        Refusal: it cannot be sent; as `darkroom.convert`, or `asset.too_small`.
        Exhausted, OSError: nobody can tell.
    """
    header = read_header(file, facts.extension, facts.size) if facts.kind == "image" else None
    if header is not None and policy.convert and (pad or needs(header, facts.extension)):
        order = Order(facts.extension, pad, policy.keeps_metadata)
        return _converted(file, facts, header, order, name=name, tries=policy.tries)
    lies = header.orientation if header else 1
    gone = () if policy.keeps_metadata else cuts(file, facts.extension, facts.size, orientation=lies)
    size = size_after(gone, facts.size)
    if gone and size < MIN_MEDIA_BYTES:
        message = f"{name} has {size} bytes without its metadata; Runway takes {MIN_MEDIA_BYTES} or more."
        raise Refusal("asset.too_small", message, hint="Use a larger one.")
    how, steps = (How.STRIPPED, _lost(file, facts, gone)) if gone else (How.AS_IT_IS, ())
    return Preparation(how, facts.extension, facts.mime, size, facts.width, facts.height, steps)


def _lost(file: BinaryIO, facts: MediaFacts, gone: tuple[Cut, ...]) -> tuple[str, ...]:
    """What a person is told of what is left out of a file."""
    parts = png_parts(file, facts.size) if facts.extension == ".png" else ()
    frames = {part.start - 8 for part in parts if part.name in _ANIMATION}
    told = ("only its first frame",) if frames else ()
    return told if all(cut.start in frames for cut in gone) else (*told, STRIPPED)


def needs(header: Header, extension: str) -> bool:
    """Whether a picture has to be converted for Runway to take it, and to see what a person sees."""
    return (
        extension not in _TAKEN
        or header.orientation != 1
        or header.bits > 8
        or header.palette
        or header.components == 4
        or header.animated
        or max(header.width, header.height) > MOST_SIDE
        or (bool(header.profile) and not icc.is_srgb(header.profile))
    )


def _converted(
    file: BinaryIO, facts: MediaFacts, header: Header, order: Order, *, name: str, tries: bool
) -> Preparation:
    if not tries:
        width, height = within(header.upright)
        return _as_ordered(order, darkroom.Print(".jpg", "image/jpeg", 0, width, height, ()))
    with copied(file, facts.size) as copy:
        return _as_ordered(order, darkroom.convert(copy, order, name=name))


def _as_ordered(order: Order, made: darkroom.Print) -> Preparation:
    return Preparation(
        How.CONVERTED,
        made.extension,
        made.mime,
        made.size,
        made.width,
        made.height,
        made.steps,
        order.pad,
        order.keeps_metadata,
    )


def left_out(file: BinaryIO, prepared: Preparation, size: int) -> tuple[Cut, ...]:
    """What is left out of a file of `size` bytes that is sent as it was prepared."""
    if prepared.how is not How.STRIPPED:
        return ()
    header = read_header(file, prepared.extension, size) if prepared.extension in _TAKEN else None
    return cuts(file, prepared.extension, size, orientation=header.orientation if header else 1)


@contextmanager
def developed(file: BinaryIO, prepared: Preparation, *, name: str) -> Iterator[BinaryIO]:
    """The converted picture, as an unnamed file that is gone when the block ends.

    Raises:
        Refusal, Interrupted, OSError: as `darkroom.convert`.
    """
    found = sniff(read_at(file, 0, HEAD))
    order = Order(found[1] if found else prepared.extension, prepared.pad, prepared.keeps_metadata)
    with TemporaryFile() as result:
        darkroom.convert(file, order, name=name, into=result)
        yield result


_TURNS: dict[int, BoundedSemaphore] = {}
"""By the device that a file lies on: a share that hangs is to hold up no other."""


def _turn(file: BinaryIO) -> BoundedSemaphore:
    try:
        device = os.fstat(file.fileno()).st_dev
    except io.UnsupportedOperation:
        device = 0
    return _TURNS.setdefault(device, BoundedSemaphore(2))


@contextmanager
def copied(file: BinaryIO, size: int) -> Iterator[BinaryIO]:
    """A copy that nobody else can change, as an unnamed file that is gone when the block ends.

    There are two at a time of each share's files: a hundred would fill the disk.
    """
    with _turn(file), TemporaryFile() as copy:
        for block in stretch(file, 0, size):
            copy.write(block)
        copy.flush()
        yield copy
