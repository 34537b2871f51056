"""What the demo drops: two pictures made on the spot, and sidecars, one of them with mistakes."""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

_SIZE = (960, 540)

_GOOD = """\
prompt_text = "Slow dolly in over the hills, the sun climbs"
model = "gen4.5"
ratio = "auto"
duration = 5
"""

_IMAGE = """\
prompt_text = "@image as a woodcut, two colours"
model = "gen4_image"
ratio = "1280:720"

[job]
operation = "text_to_image"
"""

_ALONE = """\
prompt_text = "A lighthouse in fog, early morning"

[job]
operation = "text_to_image"
"""

_BAD = """\
promt_text = "The scene comes to life"
ratio = "16:9"
duration = 60
"""


def drop_samples(inbox: Path) -> list[str]:
    """Put the samples into an inbox. Returns what was dropped, for telling."""
    _sunrise().save(inbox / "hills.jpg", quality=90)
    (inbox / "hills.prompt.toml").write_text(_GOOD)
    (inbox / "portraits").mkdir(exist_ok=True)
    _boat().save(inbox / "portraits/boat.png")
    (inbox / "portraits/boat.prompt.toml").write_text(_IMAGE)
    (inbox / "lighthouse.prompt.toml").write_text(_ALONE)
    _boat().save(inbox / "mistake.png")
    (inbox / "mistake.prompt.toml").write_text(_BAD)
    return [
        "hills.jpg with a sidecar: a film is wanted",
        "portraits/boat.png in a subfolder: a new picture after it is wanted",
        "lighthouse.prompt.toml alone: a picture from words is wanted",
        "mistake.png with mistakes in its sidecar: it will be refused",
    ]


def _sunrise() -> Image.Image:
    """Hills one behind the other under a morning sky."""
    width, height = _SIZE
    picture = _sky((255, 196, 120), (70, 105, 170))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((620, 190, 740, 310), fill=(255, 240, 200))
    for layer in range(4):
        shade = 150 - 32 * layer
        base = height * (0.55 + 0.11 * layer)
        ridge = [
            (x, base + 40 * math.sin(x / (90 + 30 * layer) + layer * 2) + 12 * math.sin(x / 23 + layer))
            for x in range(0, width + 8, 8)
        ]
        pen.polygon([(0, height), *ridge, (width, height)], fill=(shade, shade // 2 + 50, shade + 20))
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def _boat() -> Image.Image:
    """A sailing boat on a calm sea."""
    width, height = _SIZE
    picture = _sky((230, 240, 250), (120, 170, 220))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, height * 2 // 3, width, height), fill=(30, 90, 130))
    pen.polygon([(400, 360), (600, 360), (560, 410), (440, 410)], fill=(120, 50, 30))
    pen.polygon([(490, 120), (490, 345), (390, 345)], fill=(250, 250, 245))
    pen.polygon([(505, 150), (505, 345), (590, 345)], fill=(240, 225, 210))
    return picture


def _sky(low: tuple[int, int, int], high: tuple[int, int, int]) -> Image.Image:
    width, height = _SIZE
    picture = Image.new("RGB", _SIZE)
    pen = ImageDraw.Draw(picture)
    for y in range(height):
        part = y / height
        shade = tuple(round(a * part + b * (1 - part)) for a, b in zip(low, high, strict=True))
        pen.line((0, y, width, y), fill=(shade[0], shade[1], shade[2]))
    return picture
