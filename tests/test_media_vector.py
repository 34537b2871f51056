"""SVGs: told by their beginning, whole to their end, and drawings only."""

import io

import pytest

from runway_watch import media

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- by Runway -->\n<svg xmlns="http://www.w3.org/2000/svg">'
DRAWING = (
    HEAD + '<defs><linearGradient id="g"/></defs><style>.a{fill:url(#g)}</style>'
    '<path class="a" d="M0 0h9v9z"/><use href="#g"/><image href="data:image/png;base64,AAAA"/></svg>\n'
)


def is_whole(text: str) -> bool:
    data = text.encode()
    return media.is_whole(io.BytesIO(data), ".svg", len(data))


def is_drawing(text: str) -> bool:
    data = text.encode()
    return media.svg_is_drawing(io.BytesIO(data), len(data))


@pytest.mark.parametrize(
    "text", [DRAWING, "<svg/>", '\ufeff <svg width="1"></svg>', "<!DOCTYPE svg><svg></svg>"]
)
def test_a_drawing_is_known_whole_and_harmless(text: str) -> None:
    assert media.sniff(text.encode()) == ("image", ".svg", "image/svg+xml")
    assert is_whole(text)
    assert is_drawing(text)


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_drawing_that_is_cut_is_not_whole(cut: int) -> None:
    assert not is_whole(DRAWING.rstrip()[:-cut])


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<svg:script xmlns:svg='http://www.w3.org/2000/svg'/>",
        "<foreignObject><p/></foreignObject>",
        "<rect onclick='x()'/>",
        "<a href='https://example.org/'><rect/></a>",
        "<image xlink:href='http://example.org/a.png' xmlns:xlink='http://www.w3.org/1999/xlink'/>",
        "<use href='other.svg#x'/>",
        "<style>@import 'x.css';</style>",
        "<style>.a{fill:url(https://example.org/#g)}</style>",
        "<rect style='fill:url(//example.org/x)'/>",
        "<?xml-stylesheet href='x.css'?>",
    ],
)
def test_a_drawing_that_acts_or_fetches_is_none(inside: str) -> None:
    text = HEAD + inside + "</svg>"
    assert is_whole(text)
    assert not is_drawing(text)


def test_entities_are_not_opened() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE svg [<!ENTITY e0 "lol">{bomb}]><svg>&e9;</svg>'
    assert media.sniff(text.encode()) is None
    assert not is_drawing(text)
