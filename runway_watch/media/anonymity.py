"""What is left out of any file that is sent as it is otherwise: where, when and by whom it was made."""

from collections.abc import Callable, Iterable
from typing import BinaryIO

from runway_watch.media import films, matroska, sounds, stripping
from runway_watch.media.cuts import Cut

_PICTURES: dict[str, Callable[..., Iterable[Cut]]] = {
    ".jpg": stripping.jpeg_cuts,
    ".png": stripping.png_cuts,
    ".webp": stripping.webp_cuts,
}
_OTHERS: dict[str, Callable[[BinaryIO, int], Iterable[Cut]]] = {
    **dict.fromkeys((".mp4", ".mov", ".3gp", ".m4a"), films.iso_cuts),
    **dict.fromkeys((".mkv", ".webm"), matroska.matroska_cuts),
    ".wav": sounds.wav_cuts,
    ".flac": sounds.flac_cuts,
    ".mp3": sounds.mp3_cuts,
    ".aac": sounds.aac_cuts,
}


def cuts(file: BinaryIO, extension: str, size: int, *, orientation: int = 1) -> tuple[Cut, ...]:
    """What is left out of a file of `size` bytes; nothing of a kind that has no metadata, or hides it.

    Args:
        file: open for reading, seekable; its position is moved.
        extension: what the bytes are, with the dot.
        size: bytes.
        orientation: how the picture lies, which has to be said all the same.
    """
    if extension in _PICTURES:
        found = list(_PICTURES[extension](file, size, orientation=orientation))
        # Which way is up was said already, and nothing else: that may stay as it is.
        return tuple(found) if any(cut.end > cut.start for cut in found) else ()
    return tuple(_OTHERS[extension](file, size)) if extension in _OTHERS else ()
