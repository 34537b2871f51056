"""Looks at a dropped file's bytes once and says what it is, or why Runway would not take it.

A file that is still being filled in behind its final size is not refused for what it lacks: a blank
head is `asset.truncated`, which may mend itself, and a picture that is not whole yet has no sides yet.
"""

from collections.abc import Mapping
from typing import BinaryIO

from runway_watch.errors import Refusal
from runway_watch.job import DROPPABLE, MAX_MEDIA_BYTES, MEDIA_SUFFIXES, MIN_MEDIA_BYTES, MediaFacts
from runway_watch.media.blocks import read_at
from runway_watch.media.containers import has_video_track
from runway_watch.media.headers import read_header
from runway_watch.media.sniff import HEAD, ISO_FAMILY, TYPES, Sniffed, extension_fits, sniff
from runway_watch.media.wholeness import is_whole
from runway_watch.sides import MAX_PIXELS, MOST_JPEG_PIXELS, MOST_PIXELS


def look(file: BinaryIO, *, name: str, size: int, convert: bool = False) -> MediaFacts:
    """What the bytes are.

    Args:
        file: open for reading, seekable; its position is moved.
        name: the dropped file's name, whose extension has to agree with the bytes.
        size: bytes, as the file system says.
        convert: what Runway does not take is fine if it can be converted.

    Raises:
        Refusal: `asset.too_small`, `asset.too_large` or `asset.unsupported`; `asset.truncated` while its
            first bytes are zeros, as they are until an SMB client has begun to fill it in.
        OSError: the file cannot be read.
    """
    _check_size(name, size)
    kind, extension, mime = _agreed(file, name, size, DROPPABLE if convert else MEDIA_SUFFIXES)
    convertible = MOST_JPEG_PIXELS if extension == ".jpg" else MOST_PIXELS
    most = convertible if convert else MAX_PIXELS
    sides = _sides(file, name, (extension, size), most) if kind == "image" else None
    return MediaFacts(kind, extension, mime, size, *(sides or ()))


def _check_size(name: str, size: int) -> None:
    if size < MIN_MEDIA_BYTES:
        raise Refusal(
            "asset.too_small",
            f"{name} has {size} bytes; Runway takes files from {MIN_MEDIA_BYTES} bytes on.",
            hint="Drop the whole file, not a thumbnail or a placeholder.",
        )
    if size > MAX_MEDIA_BYTES:
        raise Refusal(
            "asset.too_large",
            f"{name} has {size / 1e6:.1f} MB; Runway takes at most {MAX_MEDIA_BYTES // 1_000_000} MB.",
            hint="Make it smaller, for instance by saving it with fewer pixels or a stronger compression.",
        )


def _agreed(file: BinaryIO, name: str, size: int, takes: Mapping[str, str]) -> Sniffed:
    """The file's type, when its bytes and its name agree."""
    named = "." + name.rpartition(".")[2].lower()
    head = read_at(file, 0, HEAD)
    if not any(head):
        raise _blank(name)
    found = sniff(head)
    if found is None or found[1] not in takes:
        what = f"a {found[1]} file" if found else "of no kind that Runway takes"
        but = "and" if found and extension_fits(named, found[1]) else "but"
        raise _unsupported(f"{name} is called {named}, {but} its bytes are {what}.", takes)
    if named == ".m4a" and found[1] in ISO_FAMILY and not has_video_track(file, size):
        return TYPES[".m4a"]  # many programs write sound under a film's brand
    if not extension_fits(named, found[1]):
        raise _unsupported(f"{name} is called {named}, but its bytes are a {found[1]} file.", takes)
    return TYPES[named] if found[1] in ISO_FAMILY else found


def _sides(file: BinaryIO, name: str, what: tuple[str, int], most: int) -> tuple[int, int] | None:
    """Width and height as displayed; None while they are still to come. A whole file must have them."""
    extension, size = what
    header = read_header(file, extension, size)
    if header is None and not is_whole(file, extension, size):
        return None
    if header is None:
        raise _unsupported(f"{name} begins like a {extension} file, but holds no picture that can be read.")
    if header.width * header.height > most:
        sides = f"{header.width} x {header.height}"
        message = f"{name} ({extension}) has {sides} pixels, over {most // 1_000_000} million."
        raise Refusal("asset.unsupported", message, hint="Make it smaller; no model makes use of so many.")
    return header.upright


def _blank(name: str) -> Refusal:
    message = f"{name} has its size, but its first bytes are all zeros."
    return Refusal("asset.truncated", message, hint="Copy it again; the copy seems to have stopped.")


def _unsupported(message: str, known: Mapping[str, str] = MEDIA_SUFFIXES) -> Refusal:
    takes = " ".join(suffix.removeprefix(".") for suffix in known)
    return Refusal(
        "asset.unsupported",
        message,
        hint=f"Save it as one of {takes}, with the extension that belongs to it.",
    )
