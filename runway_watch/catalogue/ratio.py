"""Pictures and `W:H` names: which allowed ratio is nearest to a shape. Pure arithmetic, pixels throughout."""

import re
from collections.abc import Iterable
from fractions import Fraction

DEFAULT = (1280, 720)
"""The shape that is assumed when there is no picture to go by."""

_SIZE = re.compile(r"(\d{1,6}):(\d{1,6})")


def size(name: object) -> tuple[int, int] | None:
    """`1280:720` -> (1280, 720); None for names that are no W:H, such as `adaptive`."""
    found = _SIZE.fullmatch(name) if isinstance(name, str) else None
    wide, high = (int(found[1]), int(found[2])) if found else (0, 0)
    return (wide, high) if wide and high else None


def closest(picture: tuple[int, int], allowed: Iterable[object]) -> str | None:
    """The allowed W:H nearest in shape to a picture of this width and height; None if there is none.

    Of equal shapes it is the one nearest in area.
    """
    sizes = {str(name): pixels for name in allowed if (pixels := size(name))}
    return min(sizes, key=lambda name: _distance(picture, sizes[name]), default=None)


def _distance(one: tuple[int, int], other: tuple[int, int]) -> tuple[Fraction, int]:
    """How many times wider or taller, exactly: 4:3 lies just as far from 1:1 as from 16:9."""
    wider = Fraction(one[0] * other[1], one[1] * other[0])
    return max(wider, 1 / wider), abs(one[0] * one[1] - other[0] * other[1])


def nearest(wrong: str, allowed: Iterable[object]) -> str | None:
    """The allowed W:H that a wrong one was probably meant to be; None if it is no W:H."""
    pixels = size(wrong)
    return closest(pixels, allowed) if pixels else None
