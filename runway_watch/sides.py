"""How large a picture may be, and becomes when it is padded to a shape. Pure arithmetic, in pixels."""

from math import gcd

MOST_SIDE = 8000
"""More was refused in older docs of Runway's, and no model makes use of as many."""


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


def padded(size: tuple[int, int], shape: str) -> tuple[int, int]:
    """What a picture of this size becomes; one that would be too large is made smaller before."""
    small = within(size)
    sides = canvas(small, shape)
    if max(sides) <= MOST_SIDE:
        return sides
    return canvas(within(small, max(small) * MOST_SIDE // max(sides)), shape)
