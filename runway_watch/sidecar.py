"""Sidecars: `.prompt.toml` text in, Runway's parameters and the `[job]` table out.

Bad text never gets further than here and never costs more than a moment: size, encoding and nesting are
bounded before the parser runs. Everything that is wrong is told at once, with line and column where there
is one. `_folder.prompt.toml` files and `[watch.defaults]` are sidecars too, laid under the drop's own.
"""

import codecs
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    ValidationError,
)

from runway_watch.errors import Refusal

MAX_BYTES = 16 * 1024
MAX_DOTS = 16
"""Dots in one key: 40 KB of dotted keys keep the parser busy for seconds."""

MAX_DEPTH = 32
"""Tables and lists inside each other; Runway's deepest parameters need four."""

MOST_VARIATIONS = 100
"""Of one drop: more is a slip of the pen, and a heap of outputs that nobody looks through."""

_WORD = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_TOKEN = re.compile(
    rf"""
    "{{3}} (?:\\.|[^\\])*? "{{3}}  # text over several lines holds no keys, whatever it looks like
    | '{{3}} .*? '{{3}}
    | \#[^\n]*
    | (?P<key> {_WORD} (?:[ \t]*\.[ \t]*{_WORD})* )
    """,
    re.DOTALL | re.VERBOSE,
)
TAG = re.compile(r"[a-z][a-z0-9_]{2,15}")
_SOONEST, _LATEST = 946_684_800.0, 7_258_118_400.0
"""The years 2000 and 2200: what lies outside is a slip, and beyond what calendars and timers can compute."""


def _ascii_tag(tag: str) -> str:
    if not TAG.fullmatch(tag):
        raise ValueError("3 to 16 lower-case letters, digits or underscores, a letter first")
    return tag


def _within_reach(moment: datetime | None) -> datetime | None:
    try:
        seconds = moment.timestamp() if moment else _SOONEST
    except (ValueError, OverflowError, OSError):  # before the machine's calendar begins, or after it ends
        seconds = -1.0
    if not _SOONEST <= seconds < _LATEST:
        raise ValueError("must lie between the years 2000 and 2200")
    return moment


class JobTable(BaseModel):
    """The `[job]` table: what the drop asks of runway-watch itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    operation: str | None = None
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    variations: int | None = Field(default=None, ge=1, le=MOST_VARIATIONS)
    not_before: Annotated[AwareDatetime | NaiveDatetime | None, AfterValidator(_within_reach)] = None
    max_credits: int | None = Field(default=None, ge=0)
    force: bool = False
    tag: Annotated[str, AfterValidator(_ascii_tag)] = "image"
    sidecar: Literal["required", "optional"] = "required"
    fit: Literal["crop", "pad", "refuse"] = "crop"

    def starts_at(self) -> float:
        """`not_before` in seconds since 1970, 0 without one; a time without a zone is the machine's."""
        moment: datetime | None = self.not_before
        return moment.timestamp() if moment else 0.0


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One sidecar's contents, and its name: Runway's parameters, and the `[job]` table still unread."""

    params: Mapping[str, Any]
    job: Mapping[str, Any]
    name: str = field(default="", compare=False)


EMPTY = Sidecar({}, {})
OURS = frozenset({"job", "variation"})
"""Keys at the top of a sidecar that are for runway-watch: all others are Runway's parameters."""


@dataclass(frozen=True, slots=True)
class Layered:
    """Sidecars laid over each other: what counts in the end, and the name of the one that said it, by key."""

    params: Mapping[str, Any]
    job: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    job_origins: Mapping[str, str] = field(default_factory=dict)


def parse(raw: bytes, *, name: str) -> Sidecar:
    """Read one sidecar.

    Args:
        raw: the file's bytes.
        name: what to call it in messages.

    Raises:
        Refusal: sidecar.too_large, sidecar.encoding or sidecar.invalid.
    """
    if len(raw) > MAX_BYTES:
        raise Refusal(
            "sidecar.too_large",
            f"{name} has {len(raw)} bytes; a sidecar may have {MAX_BYTES}.",
            hint="Keep only parameters in it; pictures are referred to with file:NAME.",
        )
    return split(_load(_decode(raw, name), name), name=name)


def split(table: Mapping[str, Any], *, name: str) -> Sidecar:
    """Parameters and `[job]` table of a table that has been read. Raises Refusal (sidecar.invalid)."""
    job = table.get("job", {})
    if not isinstance(job, Mapping):
        raise _invalid(name, ["`job`: must be a table, written as [job]"])
    return Sidecar({key: value for key, value in table.items() if key != "job"}, job, name)


def is_unfilled(raw: bytes) -> bool:
    """Whether the text is on its way: the file is empty, or its size was set first and it holds zero bytes.

    A single zero is none: text in UTF-16 has one beside every letter, and will never be anything else.
    """
    is_utf_16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return not raw or (b"\0\0" in raw and not is_utf_16)


def is_optional(layers: Sequence[Sidecar]) -> bool:
    """Whether a bare picture is a whole drop where these are the defaults."""
    return layered(layers).job.get("sidecar") == "optional"


def layered(layers: Sequence[Sidecar]) -> Layered:
    """Lay sidecars over each other, the most general first: a later key replaces an earlier one whole."""
    params: dict[str, Any] = {}
    job: dict[str, Any] = {}
    origins: dict[str, str] = {}
    job_origins: dict[str, str] = {}
    for layer in layers:
        params |= layer.params
        job |= layer.job
        origins |= dict.fromkeys(layer.params, layer.name)
        job_origins |= dict.fromkeys(layer.job, layer.name)
    return Layered(params, job, origins, job_origins)


def read_job(job: Mapping[str, Any], *, name: str) -> JobTable:
    """Check the `[job]` table. Raises Refusal (sidecar.invalid) with every problem in it."""
    try:
        return JobTable.model_validate(dict(job))
    except ValidationError as error:
        raise _invalid(name, job_problems(error)) from None


def job_problems(error: ValidationError) -> list[str]:
    """A sentence for each problem that pydantic found in a `[job]` table."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        key = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            near = get_close_matches(key, JobTable.model_fields, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(JobTable.model_fields)}"
            found[key] = f"`job.{key}`: unknown; {advice}"
        else:
            found.setdefault(key, f"`job.{key}`: {item['msg'].removeprefix('Value error, ')}")
    return list(found.values())


def _decode(raw: bytes, name: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise Refusal(
            "sidecar.encoding",
            f"{name} is not UTF-8: line {line}, column {column} holds the byte 0x{raw[error.start]:02x}.",
            hint="Save it as UTF-8 in the editor.",
        ) from None
    return text.replace("\r\n", "\n")


def _load(text: str, name: str) -> dict[str, Any]:
    for match in _TOKEN.finditer(text):
        if len(re.findall(_WORD, match["key"] or "")) > MAX_DOTS + 1:
            line = text.count("\n", 0, match.start()) + 1
            raise _invalid(name, [f"line {line}: a key has more than {MAX_DOTS} dots"])
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(name, [_located(str(error), text)]) from None
    except (RecursionError, ValueError) as error:
        raise _invalid(name, [f"cannot be read as TOML: {type(error).__name__}"]) from None
    if nonsense := _nonsense(table):
        raise _invalid(name, [nonsense])
    return table


def _nonsense(table: dict[str, Any]) -> str | None:
    """What the parser takes and nobody after it has to be able to bear."""
    layer: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        layer = [item for value in layer for item in _contents(value)]
        if any(isinstance(item, int) and item.bit_length() > 63 for item in layer):
            return "it holds a number beyond 64 bits"
    return f"its tables and lists are nested more than {MAX_DEPTH} deep" if layer else None


def _contents(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _located(message: str, text: str) -> str:
    """`Invalid value (at line 1, column 8)` as `line 1, column 8: invalid value`."""
    what, _, where = message.rstrip(")").partition(" (at ")
    if where == "end of document":
        lines = text.split("\n")
        where = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    return f"{where}: {what[:1].lower()}{what[1:]}" if where else message


def _invalid(name: str, problems: Sequence[str]) -> Refusal:
    what = problems[0] if len(problems) == 1 else f"{len(problems)} things are wrong with it"
    return Refusal(
        "sidecar.invalid",
        f"{name} cannot be used: {what}.",
        hint="Mend the sidecar where it lies, and save it.",
        problems=problems,
    )
