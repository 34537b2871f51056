"""What a camera or a program wrote beside a picture's pixels: whether there is any, and what may be kept."""

from contextlib import suppress

from PIL import Image

from runway_watch.media.exif import ORIENTATION

_WORDS = ("xmp", "comment", "photoshop", "metadata")
"""Where decoders put what is no EXIF."""

_SEGMENTS = frozenset({"APP0", "APP1", "APP2", "APP14"})
"""Of a JPEG: those that say how it is coded, or that a decoder has looked into."""

_PICTURE = frozenset(
    {
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, ORIENTATION, 277, 278, 279, 280, 281),
        *(282, 283, 284, 290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325),
        *(332, 334, 336, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532, 34675),
    }
)
"""Tags of a TIFF, which are EXIF's too, that say nothing but how its picture is to be read (TIFF 6.0)."""


def talks(picture: Image.Image) -> bool:
    """Whether more is in the file of a picture than the picture, once that was decoded."""
    if any(picture.info.get(key) for key in _WORDS) or getattr(picture, "text", None):
        return True
    if any(name not in _SEGMENTS for name, _ in getattr(picture, "applist", ())):
        return True
    return not _PICTURE.issuperset(picture.getexif())


def kept(picture: Image.Image) -> bytes:
    """Its EXIF without the turn, which has been made."""
    with suppress(ValueError, TypeError, SyntaxError, OSError):
        exif = picture.getexif()
        exif.pop(ORIENTATION, None)
        return exif.tobytes() if len(exif) else b""
    return b""
