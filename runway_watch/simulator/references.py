"""Are the media of a body there, alive and of the right kind and shape: the rules that go beyond types."""

import base64
import binascii
import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from runway_watch.simulator.issues import issue, utf16_units
from runway_watch.simulator.library import Upload
from runway_watch.simulator.media import IMAGE, MIME
from runway_watch.simulator.schema import Json
from runway_watch.simulator.validate import Findings, Medium

DATA_MAX = 5_242_880  # characters; the August spec said more for video and audio, the SDK says 5 MB for all
URL_LENGTH = (13, 2048)
RUNWAY_MAX = 5000

Find = Callable[[str], Upload | None]


def check_media(found: Findings, find: Find) -> list[Upload]:
    """Add what is wrong with the media to the findings; the uploads that the body uses, in its order."""
    uploads = []
    for medium in found.media:
        upload = find(medium.value)
        wrong = _wrong(medium, upload)
        if wrong:
            found.issues.append(issue("custom", medium.path, wrong))
        elif upload:
            uploads.append(upload)
    return uploads


def _wrong(medium: Medium, upload: Upload | None) -> str | None:
    if medium.value.startswith("runway://"):
        return _wrong_upload(medium, upload)
    if medium.value.startswith("https://"):
        return _wrong_url(medium.value)
    if medium.value.startswith("data:"):
        return _wrong_data(medium.value, medium.rule["media"])
    return "Invalid asset: expected an HTTPS URL, a Runway upload URI or a data URI."


def _wrong_upload(medium: Medium, upload: Upload | None) -> str | None:
    if upload is None or len(medium.value) > RUNWAY_MAX:
        return "Invalid asset: the upload was not found or has expired."
    kinds = medium.rule["media"].split("|")
    if upload.kind not in kinds:
        return f"Invalid asset type: expected {' or '.join(kinds)}, got {upload.kind}."
    return _wrong_shape(upload, medium.rule) if upload.kind == IMAGE else None


def _wrong_shape(upload: Upload, rule: Json) -> str | None:
    if not upload.width or not upload.height:
        return "Invalid asset: failed to read the image."
    ratio = upload.width / upload.height
    stem = "Invalid asset aspect ratio. width / height ratio must be"
    if ratio < rule.get("aspectMin", ratio):
        return f"{stem} at least {rule['aspectMin']}. Got {ratio:.3f}."
    if ratio > rule.get("aspectMax", ratio):
        return f"{stem} at most {rule['aspectMax']}. Got {ratio:.3f}."
    side = min(upload.width, upload.height)
    if side < rule.get("minSidePx", side):
        return f"Invalid asset dimensions. Each side must be at least {rule['minSidePx']} px. Got {side}."
    return None


def _wrong_url(url: str) -> str | None:
    if not URL_LENGTH[0] <= utf16_units(url) <= URL_LENGTH[1]:
        return f"Invalid asset URL: must be {URL_LENGTH[0]} to {URL_LENGTH[1]} characters long."
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not host or _is_address(host):
        return "Invalid asset URL: the host must be a name."
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _wrong_data(uri: str, kinds: str) -> str | None:
    if len(uri) > DATA_MAX:
        return f"Invalid data URI: must be at most {DATA_MAX} characters."
    head = re.match(r"data:([a-z0-9.+/-]+);base64,", uri)
    if head is None:
        return "Invalid data URI: expected data:<type>;base64,<data>."
    if not any(head[1] in MIME[kind] for kind in kinds.split("|")):
        return f"Invalid data URI: {head[1]} is not an accepted type."
    try:
        base64.b64decode(uri[head.end() :], validate=True)
    except binascii.Error:
        return "Invalid data URI: not base64."
    return None


def check_together(found: Findings, body: Json, params: Json) -> None:
    """The rules between items of a list: frames and references do not mix, tags are unique."""
    images = body.get("promptImage")
    if isinstance(images, list):
        places = [item.get("position") for item in images if isinstance(item, dict)]
        note = str(params.get("promptImage", {}).get("note", ""))
        if "cannot be mixed" in note and None in places and any(places):
            found.issues.append(
                issue("custom", ("promptImage",), "Keyframes and references cannot be mixed.")
            )
        if "needs a first frame" in note and "last" in places and "first" not in places:
            found.issues.append(issue("custom", ("promptImage",), "A last frame needs a first frame."))
        found.issues += _twice(
            [place for place in places if place in ("first", "last")], "promptImage", "position"
        )
    tagged = body.get("referenceImages")
    if isinstance(tagged, list):
        tags = [item.get("tag") for item in tagged if isinstance(item, dict)]
        found.issues += _twice([tag for tag in tags if tag], "referenceImages", "tag")


def _twice(values: list[str], name: str, what: str) -> list[Json]:
    doubled = [str(value) for value, count in Counter(map(str, values)).items() if count > 1]
    return [issue("custom", (name,), f"Duplicate {what}: {value}.") for value in doubled]
