"""Makers of small things that many tests need: pictures, jobs, generations, a desk to admit at."""

import io
import random
import wave
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
from PIL import Image

from runway_watch.config import ApiSettings, RetrySettings
from runway_watch.drops import Group, pair
from runway_watch.job import Generation, Input, Job, Place, State, Verdict
from runway_watch.settle import Sight
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged, admit
from runway_watch.stages.desk import Candidate, Desk, Waits

NOW = 1_800_000_000.0
SIDECAR = b'prompt_text = "The scene comes to life"\n'
VERDICT = Verdict("poll", "task.internal", "Runway failed.", hint="Wait.", retryable=True)


def picture(kind: str = "PNG", *, width: int = 640, height: int = 360, seed: int = 1) -> bytes:
    """A whole picture of a few kilobytes that is unlike one with another seed."""
    image = Image.new("RGB", (width, height), (seed % 256, 90, 160))
    image.paste(Image.effect_noise((64, 64), 40 + seed % 50).convert("RGB"), (8, 8))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


PNG, JPEG = picture(), picture("JPEG")


@cache
def film(seconds: float = 4.0, *, width: int = 640, height: int = 360, fps: int = 5) -> bytes:
    """A whole MP4 of a few kilobytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(round(seconds * fps)):
            still = Image.new("RGB", (width, height), (n * 9 % 256, 90, 160))
            made.mux(stream.encode(av.VideoFrame.from_image(still)))  # type: ignore[no-untyped-call]
        made.mux(stream.encode())
    return buffer.getvalue()


@cache
def sound(seconds: float = 4.0, *, rate: int = 8000) -> bytes:
    """A whole WAV of a hiss."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(rate)
        made.writeframes(random.Random(5).randbytes(2 * round(seconds * rate)))
    return buffer.getvalue()


def item(suffix: str = ".png", *, name: str = "cat", **changes: Any) -> Input:
    """One file of a drop."""
    return replace(Input(suffix, name + suffix, "a" * 64, 4000, 1_700_000_000_000_000_000, 42), **changes)


def job(job_id: str = "j1", **changes: Any) -> Job:
    """A job that lies in processing/ and is ready."""
    plain = Job(
        id=job_id,
        root="/srv/runway",
        folder="",
        name=changes.get("name", job_id),
        dropped_as=changes.get("name", job_id),
        place=Place.PROCESSING,
        target=None,
        target_name=None,
        state=State.READY,
        operation="image_to_video",
        model="gen4.5",
        params={"model": "gen4.5", "prompt_image": "file:cat.png", "duration": 5},
        options={},
        inputs=(item(), item(".prompt.toml", ino=43)),
        references={},
        media_suffix=".png",
        mime="image/png",
        priority=0,
        price=60,
        accepted_at=NOW,
    )
    return replace(plain, **changes)


def call(job_id: str = "j1", state: State = State.READY, **changes: Any) -> Generation:
    """The generation of a job."""
    task = "task-1" if state is State.RUNNING else None
    plain = Generation(job=job_id, n=1, state=state, model="gen4.5", price=60, due_at=NOW, task_id=task)
    return replace(plain, **changes)


def retry(**changes: Any) -> RetrySettings:
    """The retry policy, with changes."""
    return RetrySettings(**changes)


def names(folder: Path) -> list[str]:
    """What lies in a folder, in order."""
    return sorted(path.name for path in folder.iterdir())


def sight(path: Path) -> Sight:
    """What a scan sees of a file."""
    found = path.lstat()
    return Sight(found.st_size, found.st_mtime_ns, found.st_ino)


def spool(root: Path) -> Spool:
    """The four folders, made."""
    made = Spool(root)
    made.make()
    return made


def drop(where: Spool, files: dict[str, bytes], *, folder: str = "") -> Path:
    """Put files into an inbox."""
    inbox = where.where(Place.INBOX, folder)
    inbox.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (inbox / name).write_bytes(content)
    return inbox


def desk(where: Spool, **changes: Any) -> Desk:
    """What admission needs, for an inbox."""
    plain = Desk(
        root=str(where.root),
        place=Place.INBOX,
        reading=partial(where.in_place, Place.INBOX),
        referred=where.referred,
        api=ApiSettings(),
        now=NOW,
    )
    return replace(plain, **changes)


def judged(
    where: Spool,
    *,
    folder: str = "",
    group: Group | None = None,
    layers: tuple[Sidecar, ...] = (),
    patient: bool = True,
    **changes: Any,
) -> tuple[Job, Generation] | Waits:
    """What admission makes of the one group in a folder of the inbox, which wants one generation."""
    found = judged_all(where, folder=folder, group=group, layers=layers, patient=patient, **changes)
    if isinstance(found, Waits):
        return found
    job, [call] = found
    return job, call


def judged_all(
    where: Spool,
    *,
    folder: str = "",
    group: Group | None = None,
    layers: tuple[Sidecar, ...] = (),
    patient: bool = True,
    **changes: Any,
) -> Judged | Waits:
    """What admission makes of the one group that lies in a folder of the inbox."""
    inbox = where.where(Place.INBOX, folder)
    if group is None:
        [group] = pair([path.name for path in inbox.iterdir() if not path.is_dir()], optional=True)
    sights = {name: sight(inbox / name) for name in group.files}
    candidate = Candidate(folder, group, sights, layers, patient)
    return admit(candidate, desk=desk(where, **changes), job_id="j1")
