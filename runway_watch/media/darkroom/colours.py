"""Brings a picture's pixels to sRGB with 8 bits, and keeps alpha only where it shows."""

import io

from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from runway_watch.media import icc
from runway_watch.media.darkroom.trouble import Strange

_ALPHA = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_NAMES = {"CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "Lab", "HSV": "HSV"}


def settle(picture: Image.Image, steps: list[str]) -> Image.Image:
    """The picture as RGB, or as RGBA where it is transparent somewhere; what was done goes into `steps`.

    Raises:
        Strange: its numbers are no colours that people could see.
    """
    profile = picture.info.get("icc_profile") or b""
    if picture.mode == "P":
        steps.append("its palette made colours")
    alpha = _alpha(picture)
    plain = _plain(picture, steps)
    seen = _seen(plain, profile, steps)
    if alpha is not None:
        seen.putalpha(alpha)
    return seen


def _alpha(picture: Image.Image) -> Image.Image | None:
    """How opaque it is, where it is not everywhere."""
    if picture.mode not in _ALPHA and "transparency" not in picture.info:
        return None
    alpha = picture.convert("RGBA").getchannel("A")
    return alpha if alpha.getextrema()[0] != 255 else None


def _plain(picture: Image.Image, steps: list[str]) -> Image.Image:
    """The same in a mode that a profile speaks of: RGB, L or CMYK."""
    match picture.mode:
        case "RGB" | "L" | "CMYK" | "LAB":
            return picture
        case "1":
            return picture.convert("L")
        case "LA" | "La":
            return picture.convert("LA").getchannel("L")
        case "I" | "I;16" | "I;16L" | "I;16B" | "I;16N":
            steps.append("made 8 bits deep")
            return ImageOps.invert(_shallow(picture)) if _is_negative(picture) else _shallow(picture)
        case "F":
            raise Strange(
                "its pixels are fractions, as in HDR and science, and nobody can tell what white is"
            )
    return picture.convert("RGB")


def _is_negative(picture: Image.Image) -> bool:
    """Whether 0 is white in a TIFF of 16 bits: Pillow turns round those of 8 only (TIFF 6.0, section 8)."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile) or not picture.mode.startswith("I;16"):
        return False
    return bool(picture.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0)


def _shallow(picture: Image.Image) -> Image.Image:
    whole = picture if picture.mode == "I" else picture.convert("I")
    low, high = whole.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float) or low < 0 or high > 65_535:
        raise Strange("its pixels have more than 16 bits, and nobody can tell what white is")
    return whole.point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _seen(picture: Image.Image, profile: bytes, steps: list[str]) -> Image.Image:
    """The colours that the profile means, as sRGB has them; without one, what most readers would show."""
    if profile and not icc.is_srgb(profile):
        called = icc.name(profile)
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            found = ImageCms.profileToProfile(picture, source, _srgb(), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            found = None
        if found is not None:
            steps.append(f"colours brought from {called or 'its own profile'} to sRGB")
            return found
    if picture.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        found = ImageCms.profileToProfile(picture, lab, _srgb(), outputMode="RGB")
        assert found is not None
        return found
    if picture.mode in _NAMES:
        steps.append(f"colours brought from {_NAMES[picture.mode]} to sRGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
