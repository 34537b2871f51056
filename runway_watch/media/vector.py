"""Vector pictures: whether an SVG is whole, and whether it is nothing but a drawing.

An SVG is a document that browsers run: one that holds a script, or fetches something, is not filed.
"""

import re
from collections.abc import Mapping
from typing import BinaryIO
from xml.parsers import expat

from runway_watch.media.blocks import stretch

_BEGINNING = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?"
    rb"(?:<!--(?:[^-]|-[^-])*-->\s*|<!DOCTYPE svg[^>\[]*>\s*)*<svg[\s/>]"
)
_ACTIVE = frozenset({"script", "foreignobject", "iframe", "object", "embed", "handler", "listener"})
_FETCHES = re.compile(r"(?i)url\(\s*['\"]?(?!#)|@import|expression\(|javascript:")
_WITHIN = ("#", "data:image/png", "data:image/jpeg", "data:image/webp")


def is_svg(head: bytes) -> bool:
    """Whether a file with this beginning is an SVG."""
    return _BEGINNING.match(head) is not None


def svg_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether it is well-formed to its end."""
    return _read(file, size, expat.ParserCreate())


def svg_is_drawing(file: BinaryIO, size: int) -> bool:
    """Whether it holds no script, no entity and nothing that is fetched from elsewhere."""
    parser, found = expat.ParserCreate(), _Found()
    parser.StartElementHandler = found.element
    parser.CharacterDataHandler = found.text
    parser.EntityDeclHandler = found.other
    parser.ProcessingInstructionHandler = found.other
    return _read(file, size, parser) and not found.is_active


class _Found:
    """What a reading of the document has come upon."""

    def __init__(self) -> None:
        self.is_active = False

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element may not act, nor may any of its attributes."""
        self.is_active |= _local(name) in _ACTIVE or any(_acts(*each) for each in attributes.items())

    def text(self, text: str) -> None:
        """Text counts where it is a style; that it may be harmless elsewhere is nobody's loss."""
        self.is_active |= _FETCHES.search(text) is not None

    def other(self, *_: object) -> None:
        """An entity or an instruction is none of a drawing's parts."""
        self.is_active = True


def _acts(name: str, value: str) -> bool:
    local = _local(name)
    if local.startswith("on"):
        return True
    if local in ("href", "src"):
        return not value.strip().startswith(_WITHIN)
    return _FETCHES.search(value) is not None


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _read(file: BinaryIO, size: int, parser: expat.XMLParserType) -> bool:
    try:
        for block in stretch(file, 0, size):
            parser.Parse(block, False)  # noqa: FBT003 - expat's own way to say that more comes
        parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError:
        return False
    return True
