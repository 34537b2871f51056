"""How large a picture may be: the darkroom's view of what the catalogue reckons with, too."""

from runway_watch.sides import MOST_SIDE, canvas, within

__all__ = ["MOST_SIDE", "canvas", "within"]
