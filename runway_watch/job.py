"""The records that every other module speaks in: frozen, plain, without behaviour that touches the world.

A *job* is an accepted (or refused) drop: the group of files that a person put into the inbox. A
*generation* is one paid call to Runway for it. Generations move through the states; a job stands
where its least advanced generation stands. Moments are seconds since 1970 (UTC), sizes are bytes,
prices are credits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

MEDIA_SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), "image"),
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm", ".3gp", ".ogv"), "video"),
    **dict.fromkeys((".mp3", ".wav", ".flac", ".m4a", ".aac"), "audio"),
}
"""What Runway takes, by lower-case extension: its own upload list (docs, assets/inputs)."""

CONVERTED_SUFFIXES: Mapping[str, str] = dict.fromkeys(
    (".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".gif"), "image"
)
"""What people have besides: converted for the upload, with `[watch] convert`."""

DROPPABLE: Mapping[str, str] = {**MEDIA_SUFFIXES, **CONVERTED_SUFFIXES}
"""Everything that may be a drop somewhere."""

MIN_MEDIA_BYTES = 512
MAX_MEDIA_BYTES = 200_000_000
"""Runway's limits for an upload (docs, assets/uploads); whether its 200 MB are MiB is not published."""


class State(StrEnum):
    """Where a generation (and its job) stands. `states.TABLE` says how it gets from one to the next."""

    READY = "ready"
    UPLOADING = "uploading"
    SUBMITTING = "submitting"
    RUNNING = "running"
    COLLECTING = "collecting"
    RETIRING = "retiring"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD = "held"


LIVE_STATES = frozenset(State) - {State.DONE, State.FAILED, State.CANCELLED}
"""States of jobs that are not over."""


class Place(StrEnum):
    """The folder below the root in which a job's files lie; the value is the folder's name."""

    INBOX = "inbox"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a look at a media file's bytes told. Pixels are as displayed (EXIF orientation applied).

    What a library has to be asked for - `seconds`, `fps`, `codec` - is None or "" where nobody asked.
    """

    kind: str  # image | video | audio
    extension: str  # what the bytes are, ".png"
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None  # how long a film or a sound lasts
    fps: float | None = None
    codec: str = ""  # of the film's picture, else of the sound: "h264", "pcm_s16le"


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a drop, as it was when it was admitted."""

    suffix: str  # what follows the group's name: ".png", ".prompt.toml", ".png.prompt.toml"
    dropped_as: str  # its file name in the inbox
    sha256: str
    size: int
    mtime_ns: int
    ino: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a drop refers to with `file:` and that stays where it is."""

    path: str  # below the inbox, "characters/_refs/style.jpg"
    sha256: str
    size: int
    mime: str


class How(StrEnum):
    """How a file becomes what is uploaded."""

    AS_IT_IS = "as_it_is"
    STRIPPED = "stripped"  # without its metadata, the rest byte for byte
    CONVERTED = "converted"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is sent in place of a file: decided when it is admitted, made anew at each upload.

    `size`, `width` and `height` are those of what is sent; a size of 0 is not known yet.
    """

    how: How
    extension: str  # of what is sent, ".jpg"
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    steps: tuple[str, ...] = ()  # "converted from HEIC to JPEG", "turned upright"
    pad: str = ""  # the shape that it is padded to, "16:9"
    keeps_metadata: bool = False
    cropped: str = ""  # what Runway will cut off to give it the ratio's shape, "12 % left and right"


@dataclass(frozen=True, slots=True)
class Output:
    """One finished result, whole and on disk under a staging name until its job retires."""

    staged: str  # file name in the job's folder below processing/
    extension: str
    sha256: str
    size: int
    node: str = ""  # of a workflow: the node that made it, by its name where that is known


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a generation or a job did not work, for the record beside the file."""

    stage: str
    code: str
    message: str
    hint: str = ""
    problems: tuple[str, ...] = ()
    retryable: bool = False
    failure_code: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A drop on its way. `name` is the group's name where its files are now, `dropped_as` the original."""

    id: str
    root: str
    folder: str  # below the root's four folders, "" or "holiday/monday"
    name: str
    dropped_as: str
    place: Place
    target: Place | None  # where a committed move is taking the files; None when they are at rest
    target_name: str | None
    state: State
    operation: str
    model: str  # of several generations each that they name, "gen4.5, veo3.1"
    params: Mapping[str, Any]  # Runway's, media as "file:NAME": what all of its generations ask for
    options: Mapping[str, Any]  # the [job] table
    inputs: tuple[Input, ...]
    references: Mapping[str, Reference]  # "file:_refs/style.jpg" as written -> the file
    media_suffix: str  # which input is the dropped media; "" for a sidecar alone
    mime: str | None
    priority: int
    price: int | None  # the most that all of its generations together should cost, in credits
    accepted_at: float
    finished_at: float | None = None
    sweeps: int = 0
    verdict: Verdict | None = None
    wish: str = ""  # what it asks for, by contents: `wish.wish_of`
    duplicate_of: str | None = None  # the job that asked for the same before it
    told_at: float | None = None  # since when its files lie beside the record of why it does not go on
    prepared: Mapping[str, Preparation] = field(default_factory=dict)  # "file:cat.heic" -> what is sent

    @property
    def media(self) -> Input | None:
        """The dropped picture, video or sound; None for a sidecar alone."""
        return next((i for i in self.inputs if self.media_suffix and i.suffix == self.media_suffix), None)

    @property
    def cropped(self) -> str:
        """What Runway cuts off of its frames to give them the ratio's shape, in words; "" for nothing."""
        found = {file: each.cropped for file, each in self.prepared.items() if each.cropped}
        if len(found) == 1:
            return next(iter(found.values()))
        return "; ".join(f"{file.removeprefix('file:')}: {lost}" for file, lost in found.items())

    @property
    def path(self) -> str:
        """How a person calls it: the dropped file below the inbox."""
        main = self.media or (self.inputs[0] if self.inputs else None)
        name = self.dropped_as + (main.suffix if main else "")
        return f"{self.folder}/{name}" if self.folder else name

    @property
    def contents(self) -> Mapping[str, str]:
        """The SHA-256 of each "file:NAME" that its parameters may name; what is padded is something else."""
        dropped = {} if self.media is None else {f"file:{self.media.dropped_as}": self.media.sha256}
        found = {written: reference.sha256 for written, reference in self.references.items()} | dropped
        pads = {file: each.pad for file, each in self.prepared.items() if each.pad and file in found}
        return found | {file: f"{found[file]} padded to {shape}" for file, shape in pads.items()}

    @property
    def kind(self) -> str:
        """What is usually alike in duration: operation, model and seconds asked for."""
        return f"{self.operation}/{self.model}/{self.params.get('duration', '')}"


@dataclass(frozen=True, slots=True)
class Generation:
    """One paid call, from the wish to the outputs."""

    job: str
    n: int  # 1, 2, 3 ... in the order in which the sidecar has them
    state: State
    asks: Mapping[str, Any] = field(default_factory=dict)  # parameters of its own, beside its job's
    prepared: Mapping[str, Preparation] = field(default_factory=dict)  # files that it has sent otherwise
    model: str = ""
    price: int | None = None  # the most it should cost, in credits
    attempt: int = 0
    due_at: float = 0.0
    reason: str | None = None  # why it waits, if it waits
    message: str | None = None  # the same in a sentence
    uploaded_at: float | None = None  # all its media lie at Runway since
    account: str | None = None  # fingerprint of the key that it was submitted with
    task_id: str | None = None
    status: str | None = None  # Runway's word for it
    progress: float | None = None
    polls: int = 0
    polled_at: float | None = None
    estimated: int | None = None  # the most that its last paid call may cost
    credits: int = 0  # charged so far, over all attempts
    submitted_at: float | None = None
    tries: int = 0  # paid calls so far
    charged: int | None = None  # what the last of them cost by Runway's word; None while that is unknown
    doubted: int = 0  # the most that those may have cost of which nobody knows whether they were carried out
    evidence: Mapping[str, Any] = field(default_factory=dict)  # the account around a call in doubt
    started_at: float | None = None  # when it probably got its slot at Runway
    ended_at: float | None = None
    outputs: tuple[Output, ...] = ()
    verdict: Verdict | None = None
    remarks: tuple[str, ...] = ()  # what Runway said did not work of what worked


def asked(job: Job, call: Generation) -> Job:
    """The job as one of its generations wants it: with its parameters, its model and its price.

    For who works at that generation. It is a view: nobody writes it down as the job.
    """
    if not (call.asks or call.prepared) and (call.model, call.price) == (job.model, job.price):
        return job
    params, prepared = {**job.params, **call.asks}, {**job.prepared, **call.prepared}
    return replace(job, params=params, prepared=prepared, model=call.model, price=call.price)


def preparations(job: Job, calls: Iterable[Generation]) -> list[tuple[str, Preparation]]:
    """How the files of a job are sent for these generations, each way once."""
    found: list[tuple[str, Preparation]] = []
    for call in calls:
        found += [each for each in asked(job, call).prepared.items() if each not in found]
    return found


def cropped(job: Job, calls: Iterable[Generation]) -> str:
    """What Runway cuts off for these generations of a job, in words; "" for nothing."""
    return "; ".join(dict.fromkeys(lost for call in calls if (lost := asked(job, call).cropped)))


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing, or a model, or one job goes on for now. It never costs a file its place."""

    reason: str
    since: float
    scope: str = "all"  # or a model's name, or a job's id
    message: str = ""
    until: float | None = None  # when it ends by itself, where that is known
    needs: int | None = None  # credits that there have to be, for what waits for money
    job: str | None = None  # which job it was that could not begin

    @property
    def name(self) -> tuple[str, str]:
        """What it holds, and why: there is one of each at a time."""
        return self.scope, self.reason


@dataclass(frozen=True, slots=True)
class Purse:
    """What was spent and what may still have to be paid, in credits.

    Args:
        today: charged for calls that were begun on this budget day.
        reserved: the most that calls which are open, or in doubt since today, may still cost.
        committed: what today's calls cost or may cost.
        since_look: the same for calls of which the balance, when it was read, could not know.
    """

    today: int = 0
    reserved: int = 0
    committed: int = 0
    since_look: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The stage did what it was for. `facts` are new values for the generation's row."""

    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """Not now. `after` is a minimum wait in seconds; `counts` says whether it uses up an attempt."""

    reason: str
    message: str = ""
    after: float | None = None
    counts: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Never:
    """It cannot work; the verdict says why. `again` asks for a new attempt from the start, paid anew.

    `patience` doubles the pause before it, once for each.
    """

    verdict: Verdict
    again: bool = False
    patience: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsure:
    """The paid call may or may not have been carried out."""

    message: str
    http_status: int | None = None


Outcome = Done | Later | Never | Unsure
