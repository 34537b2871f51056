"""How long a film or a sound is and how it is coded, where the library for it is installed."""

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import BinaryIO

from runway_watch.job import MediaFacts
from runway_watch.media import darkroom

NOT_PROBED = (
    "how long films and sounds last, and how they are coded, is not checked before anything is spent: "
    "install the extra `media` (pip install 'runway-watch[media]')"
)


@cache
def can_probe() -> bool:
    """Whether the library is there."""
    return find_spec("av") is not None


def probed(file: BinaryIO, facts: MediaFacts, *, name: str) -> MediaFacts:
    """What a film or a sound tells of itself, besides what is known; the same facts where nobody can ask.

    Raises:
        Refusal, Interrupted, OSError: as `darkroom.probe`.
    """
    if facts.kind == "image" or not can_probe():
        return facts
    seen = darkroom.probe(file, facts.extension, name=name)
    return replace(
        facts, width=seen.width, height=seen.height, seconds=seen.seconds, fps=seen.fps, codec=seen.codec
    )
