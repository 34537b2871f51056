"""Makes a file's name fit to be told to Runway: plain ASCII that no form and no shell can misread."""

import re
import unicodedata

_SHORTEST, _LONGEST = 3, 255
"""Characters that Runway takes for `filename` (docs, assets/uploads)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+,=@-]+")


def safe_filename(name: str) -> str:
    """`name` in ASCII with its extension, 3 to 255 characters, no controls, quotes or separators."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = extension, ""
    extension = _plain(extension).replace(" ", "")[:16]
    end = f".{extension}" if extension else ""
    stem = _plain(stem).lstrip(".")[: _LONGEST - len(end)].strip() or "file"
    return (stem + end).ljust(_SHORTEST, "_")


def _plain(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    return _UNSAFE.sub("_", ascii_only.replace("?", "_")).strip()
