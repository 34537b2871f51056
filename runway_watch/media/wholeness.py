"""Says whether a file is there to its last byte, by the structure of its format."""

from collections.abc import Callable
from typing import BinaryIO

from runway_watch.media import bitmaps, containers, heif, matroska, pictures, tiff, vector, webp

_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    ".png": pictures.png_is_whole,
    ".jpg": pictures.jpeg_is_whole,
    ".jpeg": pictures.jpeg_is_whole,
    ".webp": webp.webp_is_whole,
    ".gif": pictures.gif_is_whole,
    ".svg": vector.svg_is_whole,
    **dict.fromkeys((".heic", ".heif", ".avif"), heif.heif_is_whole),
    **dict.fromkeys((".tif", ".tiff"), tiff.tiff_is_whole),
    ".bmp": bitmaps.bmp_is_whole,
    **dict.fromkeys((".mp4", ".mov", ".m4a", ".3gp"), containers.film_is_whole),
    **dict.fromkeys((".mkv", ".webm"), matroska.matroska_is_whole),
    **dict.fromkeys((".ogv", ".ogg"), containers.ogg_is_whole),
    ".wav": containers.wav_is_whole,
    ".flac": containers.flac_is_whole,
    ".mp3": containers.mp3_is_whole,
    ".aac": containers.aac_is_whole,
    ".zip": containers.zip_is_whole,
}


def is_whole(file: BinaryIO, extension: str, size: int) -> bool:
    """Whether the file's structure reaches its last byte.

    Args:
        file: open for reading, seekable; its position is moved.
        extension: what the bytes are, with the dot; of an unknown one anything but nothing is whole.
        size: bytes, as the file system says.

    Raises:
        OSError: the file cannot be read; that says nothing about its contents.
    """
    check = _CHECKS.get(extension.lower())
    if size <= 0:
        return False
    return check is None or check(file, size)
