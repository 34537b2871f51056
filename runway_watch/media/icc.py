"""Tells by a colour profile whether its numbers mean what sRGB's mean, without a library.

A picture in such a profile needs no conversion. Profiles of every camera and program say it in other words,
so it is their primaries and their curve that are compared (ICC.1:2010, 8.3 and 10).
"""

import struct

_PRIMARIES = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
"""sRGB's, adapted to D50 (IEC 61966-2-1)."""

_NEAR = 0.004
_HALF, _HALF_NEAR = 0.2140, 0.02
"""How much light half of the scale is, and how far a curve may be from that: gamma 2.2 is."""


def is_srgb(profile: bytes) -> bool:
    """Whether numbers in this profile may be taken for sRGB's; False where that is not sure."""
    tags = _tags(profile)
    space = profile[16:20]
    if space == b"RGB ":
        near = all(_is_near(tags.get(name, b""), xyz) for name, xyz in _PRIMARIES.items())
        return near and all(_is_curve(tags.get(name, b"")) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return space == b"GRAY" and _is_curve(tags.get(b"kTRC", b""))


def name(profile: bytes) -> str:
    """What it is called, for people; "" where that cannot be read."""
    text = _tags(profile).get(b"desc", b"")
    if text[:4] == b"desc":
        found = text[12 : 12 + int.from_bytes(text[8:12], "big")].split(b"\0")[0].decode("latin-1")
    elif text[:4] == b"mluc" and len(text) >= 28:
        length, start = struct.unpack_from(">II", text, 20)
        found = text[start : start + min(length, 200)].decode("utf-16-be", "ignore")
    else:
        found = ""
    return "".join(letter for letter in found if letter.isprintable())[:60].strip()


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return {}
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    found = {}
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        start, length = struct.unpack_from(">II", profile, at + 4)
        found[profile[at : at + 4]] = profile[start : start + length]
    return found


def _is_near(tag: bytes, wanted: tuple[float, float, float]) -> bool:
    if len(tag) < 20:
        return False
    found = (each / 65536 for each in struct.unpack_from(">iii", tag, 8))
    return all(abs(one - other) < _NEAR for one, other in zip(found, wanted, strict=True))


def _is_curve(tag: bytes) -> bool:
    half = _half(tag)
    return half is not None and abs(half - _HALF) < _HALF_NEAR


def _half(tag: bytes) -> float | None:
    """How much light half of the scale is by a curve; None for one that cannot be read."""
    kind, count = tag[:4], int.from_bytes(tag[8:12], "big")
    if kind == b"curv" and count == 1 and len(tag) >= 14:
        return float(0.5 ** (int.from_bytes(tag[12:14], "big") / 256))
    if kind == b"curv" and count > 1 and len(tag) >= 12 + 2 * count:
        return int.from_bytes(tag[12 + count // 2 * 2 :][:2], "big") / 65535
    if kind == b"para" and len(tag) >= 32 and tag[8:10] == b"\x00\x03":
        g, a, b = (each / 65536 for each in struct.unpack_from(">iii", tag, 12))
        base = a * 0.5 + b
        return float(base**g) if 0 <= base <= 2 and 0 < g < 10 else None
    return None
