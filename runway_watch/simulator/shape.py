"""What a task's files look like: their format and their size in pixels, from its body. Pure."""

import re
from dataclasses import dataclass

from runway_watch.simulator.schema import Json
from runway_watch.simulator.task import Task

FILM_SIDE, PICTURE_SIDE = 640, 1280  # the longer side, pixels: enough to look at, cheap to make
WIDE = (16, 9)

MIME = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "zip": "application/zip",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
}
SOUNDS = {"wav": "wav", "mp3": "mp3", "flac": "flac", "ogg_opus": "ogg"}
MOV = frozenset({"prores", "hdr_prores", "hdr_pq_12bit_master", "mov"})


@dataclass(frozen=True)
class Shape:
    """Everything that decides the bytes of an output but for its stamp."""

    extension: str
    width: int
    height: int
    seconds: float


def shape_of(task: Task, film_seconds: float) -> Shape:
    """The shape of all the files that a task makes."""
    body = _flat(task.body)
    extension = _extension(task.kind, body)
    duration = body.get("duration")
    seconds = min(
        film_seconds, float(duration) if isinstance(duration, int | float) and duration > 0 else film_seconds
    )
    side = PICTURE_SIDE if task.kind == "image" else FILM_SIDE
    width, height = _sides(_proportions(task, body), side)
    return Shape(extension, width, height, seconds)


def _flat(body: Json) -> Json:
    inner = body.get("input")
    return {**body, **inner} if isinstance(inner, dict) else body


def _extension(kind: str, body: Json) -> str:
    wanted = str(body.get("outputFormat", body.get("format", "")))
    if kind == "audio":
        usual = "mp3" if str(body.get("model")).startswith("eleven") else "wav"
        return SOUNDS.get(wanted, usual)
    if kind == "image":
        vector = body.get("model") == "recraft_v4_1_vector"
        usual = {"recraft_v4_1_flash": "webp"}.get(str(body.get("model")), "png")
        return "svg" if vector else wanted if wanted in ("png", "jpeg", "webp") else usual
    if wanted in MOV:
        return "mov"
    return "zip" if "sequence" in wanted else "mp4"


def _proportions(task: Task, body: Json) -> tuple[int, int]:
    """The ratio asked for; without one, the shape of the picture that came in."""
    for name in ("ratio", "targetAspectRatio", "aspectRatio"):
        sides = re.fullmatch(r"(\d+):(\d+)", str(body.get(name)))
        if sides and int(sides[1]) and int(sides[2]):
            return int(sides[1]), int(sides[2])
    first = next((upload for upload in task.uploads if upload.width and upload.height), None)
    return (first.width or 1, first.height or 1) if first else WIDE


def _sides(proportions: tuple[int, int], longest: int) -> tuple[int, int]:
    """Even sides, as 4:2:0 films need them; a picture never grows beyond what was asked for."""
    width, height = proportions
    asked = max(width, height)
    scale = (min(longest, asked) if asked > 100 else longest) / asked
    return max(16, round(width * scale / 2) * 2), max(16, round(height * scale / 2) * 2)
