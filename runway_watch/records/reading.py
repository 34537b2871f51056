"""Reading the records back.

They lie where strangers can write: what was not written by runway-watch is refused before a parser spends
seconds on it, and nothing in a record says where a file is.
"""

import re
import tomllib
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from runway_watch.job import How, Preparation, Verdict
from runway_watch.records.writing import SCHEMA

MOST_BYTES = 1 << 20
"""The largest that is read; ours have a few kilobytes."""

_MOST = 10**12
"""Numbers are believed up to here: no account, and no disk, has more."""

_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_FOREIGN = re.compile(r"""["']|(?:\.\s*[\w-]*\s*){17}""")
"""Other quotes than tomli_w's, or a key with so many dots that it would keep the parser busy."""


_PLAIN_NAME = r"^[^/\x00]*$"
_NAME: Any = Field(pattern=_PLAIN_NAME)
_COUNT: Any = Field(ge=0, le=_MOST)
_NONE_YET: Any = Field(default=0, ge=0, le=_MOST)


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class File(_Written):
    """An input: what followed the group's name, and how it was when it was admitted."""

    suffix: str = Field(pattern=r"^\.[^/\x00]+$")
    dropped_as: str = _NAME
    sha256: str
    size: int = _COUNT
    mtime_ns: int = Field(ge=-(2**63), lt=2**63)


class Referred(_Written):
    """A file of the inbox that the sidecar refers to."""

    written: str
    path: str
    sha256: str
    size: int = _COUNT
    mime: str


class Prepared(_Written):
    """How one of its files is sent."""

    written: str
    how: Literal["as_it_is", "stripped", "converted"]
    extension: str = Field(pattern=r"^\.[a-z0-9]{1,8}$")
    mime: str = Field(pattern=r"^[a-z0-9/.+-]{1,80}$")
    size: int = _COUNT
    width: int | None = Field(default=None, ge=0, le=_MOST)
    height: int | None = Field(default=None, ge=0, le=_MOST)
    steps: list[str] = []
    pad: str = Field(default="", pattern=r"^(\d{1,6}:\d{1,6})?$")
    keeps_metadata: bool = False
    cropped: str = ""

    @property
    def preparation(self) -> Preparation:
        """As the ledger has it."""
        told = self.model_dump(exclude={"written"})
        return Preparation(**told | {"how": How(self.how), "steps": tuple(self.steps)})


class Call(_Written):
    """A generation."""

    prepared: list[Prepared] = []

    request: dict[str, Any] = {}
    task_id: str | None = None
    status: str | None = None
    credits: int = _NONE_YET
    seconds: float | None = Field(default=None, ge=0, le=_MOST)
    outputs: list[str] = []
    output_sha256: list[str] = []
    failure_code: str | None = None
    submitted_at: AwareDatetime | None = None
    tries: int = _NONE_YET
    doubted: int = _NONE_YET
    stage: str = ""
    code: str = ""
    message: str = ""
    problems: list[str] = []
    retryable: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """Why it failed, where it was one of several."""
        if not self.code:
            return None
        told = self.model_dump(include={"code", "message", "retryable", "failure_code"})
        return Verdict(self.stage or "poll", problems=tuple(self.problems), **told)


_EVIDENCE = ("_before", "_after", "_calls", "_credits")
"""How the names of what was seen of the account end."""


class Kept(_Written):
    """The table `[ledger]`."""

    wish: str = ""
    dropped_as: str = Field(default="", pattern=_PLAIN_NAME)
    price: int | None = Field(default=None, ge=0, le=_MOST)
    sweeps: int = _NONE_YET
    file: list[File] = []
    reference: list[Referred] = []
    prepared: list[Prepared] = []


class Record(_Written):
    """A record that was read back. Older ones lack what has a default here."""

    job: str = Field(pattern=r"^[0-9A-Za-z-]{1,40}$")
    status: Literal["done", "failed", "held"]
    operation: str = ""
    input_sha256: str = ""
    accepted_at: AwareDatetime | None = None
    submitted_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    since: AwareDatetime | None = None
    credits: int = _NONE_YET
    charged: str = ""
    task_id: str | None = None
    attempts: int = _NONE_YET
    duplicate_of: str | None = None
    request: dict[str, Any] = {}
    generation: list[Call] = []
    ledger: Kept = Kept()
    stage: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""
    problems: list[str] = []
    retryable: bool = False
    failure_code: str | None = None
    http_status: int | None = None
    evidence: dict[str, str | int | float] = {}

    @property
    def verdict(self) -> Verdict | None:
        """Why it did not work, or is held; None for what is done."""
        if self.status == "done":
            return None
        told = self.model_dump(include={f.name for f in fields(Verdict)})
        return Verdict(**told | {"problems": tuple(self.problems), "stage": self.stage or "submit"})


def table_of(raw: bytes) -> dict[str, Any]:
    """A record as a plain table. Raises ValueError for what runway-watch would not write."""
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    text = raw.decode()
    if _FOREIGN.search(_STRING.sub("", text)):
        raise ValueError("nothing that runway-watch would write")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its lists are nested too deep") from None


def owner_of(raw: bytes) -> str | None:
    """The job that a record belongs to; None for what is no record of ours."""
    try:
        job = table_of(raw).get("job")
    except ValueError:
        return None
    return job if isinstance(job, str) else None


def read(raw: bytes) -> Record:
    """Read a record back. Raises ValueError for what is none of ours, or of another schema."""
    table = table_of(raw)
    if table.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    seen = {key: _plain(value) for key, value in table.items() if key.endswith(_EVIDENCE)}
    try:
        return Record.model_validate(table | {"evidence": seen})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}") from None


def _plain(value: Any) -> Any:
    """A date as seconds since 1970, whatever else as it is."""
    return value.timestamp() if isinstance(value, datetime) else value
