"""How large a picture may be, and becomes when it is padded to a shape. Pure arithmetic, in pixels."""

from math import gcd

MOST_SIDE = 8000
"""More was refused in older docs of Runway's, and no model makes use of as many."""


MAX_PIXELS = 89_478_485
"""More is a decompression bomb to Pillow (Image.MAX_IMAGE_PIXELS), and far above what a model takes."""

MOST_PIXELS = 100_000_000
"""Of what is converted: decoded whole they take 400 MB, and as much again when they are turned."""

MOST_JPEG_PIXELS = 500_000_000
"""A JPEG is decoded at an eighth, a quarter or half of its size."""


def within(size: tuple[int, int], most: int = MOST_SIDE) -> tuple[int, int]:
    """Sides in the same proportion, none of them longer than `most`."""
    factor = min(1.0, most / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def canvas(size: tuple[int, int], shape: str) -> tuple[int, int]:
    """The smallest sides of exactly a shape, "16:9", that have room for a picture of this size."""
    wide, high = (int(each) for each in shape.split(":"))
    common = gcd(wide, high)
    wide, high = wide // common, high // common
    times = max(-(-size[0] // wide), -(-size[1] // high))
    return wide * times, high * times


def padding(size: tuple[int, int], shape: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """How large a picture is made to be padded to a shape, and what it becomes."""
    inner = within(size)
    outer = canvas(inner, shape)
    if max(outer) > MOST_SIDE:
        inner = within(inner, max(inner) * MOST_SIDE // max(outer))
        outer = canvas(inner, shape)
    return inner, outer
