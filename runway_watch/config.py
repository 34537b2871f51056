"""Settings: `config.toml` in, one frozen record out, or every problem of the file at once.

The key is no setting. It is read from where secrets live, and its type never shows it.
"""

import os
import re
import tomllib
import zoneinfo
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from runway_watch import keyfile, mounts, sidecar
from runway_watch.errors import ConfigError, Refusal
from runway_watch.hosts import is_this_machine

API_URL = "https://api.dev.runwayml.com"
POLL_FLOOR = 5.0
"""Runway asks for no more than one poll of a task in 5 s (docs, guides)."""


_HOST = re.compile(r"[^\s/:@?#\\]+")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ApiSettings(_Table):
    """`[api]`: where Runway is and what may be sent to it."""

    base_url: str = API_URL
    key_file: str = ""
    allowed_media_hosts: tuple[str, ...] = ()
    strict_params: bool = True

    @field_validator("allowed_media_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        strange = [host for host in hosts if not _HOST.fullmatch(host)]
        if strange:
            raise ValueError(f"{strange[0]!r} is no host: write its name alone, such as cdn.example.com")
        return hosts

    @property
    def is_loopback(self) -> bool:
        """Whether the API is on this machine: a simulator, a rehearsal."""
        return is_this_machine(urlsplit(self.base_url).hostname)

    @field_validator("base_url")
    @classmethod
    def _https(cls, url: str) -> str:
        parts = urlsplit(url)
        is_plain = parts.scheme == "http" and is_this_machine(parts.hostname)
        if not (is_plain or (parts.scheme == "https" and parts.hostname)):
            raise ValueError("must begin with https:// (plain http only on loopback, for a simulator)")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("only host, port and path belong there")
        return url.rstrip("/")


class StateSettings(_Table):
    """`[state]`: where the ledger is."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _in_a_file(cls, url: str) -> str:
        kind, _, path = url.partition(":///")
        if url and (kind not in ("sqlite", "sqlite+pysqlite") or path.partition("?")[0] in ("", ":memory:")):
            raise ValueError('this version keeps its ledger in SQLite: "sqlite:////path/of/the/file", or ""')
        return url


class WatchSettings(_Table):
    """`[[watch]]`: one root folder."""

    root: Path
    observe: Literal["auto", "events", "polling"] = "auto"
    settle_seconds: float = Field(default=2.0, ge=0)
    settle_timeout_seconds: float = Field(default=600, gt=0)
    scan_seconds: float = Field(default=30, gt=0)
    ignore: tuple[str, ...] = ()
    convert: bool = True
    keep_metadata: bool = False
    defaults: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: Path) -> Path:
        if not root.is_absolute():
            raise ValueError("must be an absolute path")
        return root

    @field_validator("defaults")
    @classmethod
    def _as_in_a_sidecar(cls, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            sidecar.read_job(sidecar.split(defaults, name="it").job, name="it")
        except Refusal as refusal:
            raise ValueError("; ".join(refusal.problems)) from None
        return defaults


class LimitSettings(_Table):
    """`[limits]`: how much at a time."""

    in_flight: int = Field(default=0, ge=0)
    submit_ahead: int = Field(default=1, ge=0)
    uploads: int = Field(default=4, ge=1)
    downloads: int = Field(default=4, ge=1)
    max_output_mb: int = Field(default=4096, ge=1)


class PollSettings(_Table):
    """`[poll]`: how often a task is asked about, in seconds."""

    min_seconds: float = Field(default=POLL_FLOOR, gt=0)
    max_seconds: float = Field(default=30.0, gt=0, validate_default=True)

    @field_validator("max_seconds")
    @classmethod
    def _not_below(cls, most: float, known: ValidationInfo) -> float:
        if most < known.data.get("min_seconds", 0.0):
            raise ValueError("must not be below poll.min_seconds")
        return most


class RetrySettings(_Table):
    """`[retry]`: what happens after a failure."""

    attempts: int = Field(default=5, ge=1)
    first_seconds: float = Field(default=10.0, gt=0)
    max_seconds: float = Field(default=900.0, gt=0)
    sweep_seconds: float = Field(default=600.0, gt=0)
    sweeps: int = Field(default=3, ge=0)
    uncertain_submit: Literal["hold", "resubmit"] = "hold"


class BudgetSettings(_Table):
    """`[budget]`: caps, in credits; 0 is no cap."""

    credits_per_day: int = Field(default=0, ge=0)
    credits_per_job: int = Field(default=0, ge=0)
    reserve: int = Field(default=0, ge=0)
    day_starts: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")


class ScheduleSettings(_Table):
    """`[schedule]`: when new generations may start."""

    window: str = Field(default="", pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
    timezone: str = ""

    @field_validator("timezone")
    @classmethod
    def _on_this_earth(cls, name: str) -> str:
        known = zoneinfo.available_timezones() if name else set()
        if known and name not in known:  # a machine without a list of them cannot judge
            near = get_close_matches(name, sorted(known), n=1)
            raise ValueError(f"no such timezone{f'; did you mean {near[0]}?' if near else ''}")
        return name


class LogSettings(_Table):
    """`[log]`: what is told."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(_Table):
    """Everything in `config.toml`."""

    api: ApiSettings = ApiSettings()
    state: StateSettings = StateSettings()
    watch: tuple[WatchSettings, ...]
    limits: LimitSettings = LimitSettings()
    poll: PollSettings = PollSettings()
    retry: RetrySettings = RetrySettings()
    budget: BudgetSettings = BudgetSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    log: LogSettings = LogSettings()

    @property
    def roots(self) -> frozenset[str]:
        """The roots of all watches."""
        return frozenset(str(watch.root) for watch in self.watch)

    def watch_of(self, root: str | Path) -> WatchSettings | None:
        """The watch of a root; None for one that is not in the configuration any more."""
        return next((watch for watch in self.watch if str(watch.root) == str(root)), None)

    @field_validator("poll")
    @classmethod
    def _polite(cls, poll: PollSettings, known: ValidationInfo) -> PollSettings:
        api: ApiSettings | None = known.data.get("api")
        if poll.min_seconds < POLL_FLOOR and api is not None and not api.is_loopback:
            raise ValueError(f"min_seconds: must be at least {POLL_FLOOR:g}, as Runway asks")
        return poll

    @field_validator("watch")
    @classmethod
    def _separate(cls, watches: tuple[WatchSettings, ...]) -> tuple[WatchSettings, ...]:
        if not watches:
            raise ValueError("there has to be one [[watch]] at least")
        roots = [watch.root if len(watches) == 1 else _real(watch.root) for watch in watches]
        for root in roots:
            if any(root != other and root.is_relative_to(other) for other in roots) or roots.count(root) > 1:
                raise ValueError(f"root {root} is, or is inside, another watch's root")
        return watches

    @field_validator("watch")
    @classmethod
    def _known_to_somebody(
        cls, watches: tuple[WatchSettings, ...], known: ValidationInfo
    ) -> tuple[WatchSettings, ...]:
        api: ApiSettings | None = known.data.get("api")
        given = {key: None for watch in watches for key in watch.defaults if key not in sidecar.OURS}
        if given and api is not None and api.strict_params:
            from runway_watch import catalogue  # takes a third of a second, and few have defaults here

            if slips := list(catalogue.unknown(given)):
                raise ValueError(f"defaults: {'; '.join(slips)}")
        return watches


def _real(root: Path) -> Path:
    """Where a root is, links followed as far as local filesystems go: a share may not answer."""
    return mounts.table().follow(root)


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read a configuration file.

    Args:
        path: the file.
        environment: `RUNWAYML_BASE_URL` goes before an `api.base_url` that is left out or the default.

    Raises:
        ConfigError: with every problem of the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML in UTF-8: {error}"]) from None
    return parse(table, environment, name=str(path))


def parse(table: Mapping[str, Any], environment: Mapping[str, str], *, name: str = "config") -> Settings:
    """Check a configuration that has been read. Raises ConfigError with every problem."""
    table = dict(table)
    if url := environment.get("RUNWAYML_BASE_URL"):
        api = table.get("api", {})
        if isinstance(api, Mapping) and api.get("base_url", API_URL) == API_URL:
            table["api"] = {**api, "base_url": url}
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise ConfigError([f"{name}: {problem}" for problem in _problems(error)]) from None


def find(environment: Mapping[str, str]) -> Path:
    """Where the configuration is, in the documented order. Raises ConfigError when there is none."""
    if named := environment.get("RUNWAY_WATCH_CONFIG"):
        return Path(named)
    home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path("config.toml"), home / "runway-watch/config.toml", Path("/etc/runway-watch/config.toml")]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(p) for p in places)
    raise ConfigError([f"no configuration found ({looked}); `runway-watch init` writes one"])


def read_key(settings: Settings, environment: Mapping[str, str]) -> SecretStr | None:
    """The API key: systemd credential, then `key_file`, then `$RUNWAYML_API_SECRET`; None without one.

    Raises:
        ConfigError: the key file cannot be read, or others can read or change it too.
    """
    if directory := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(directory, "runwayml_api_secret")
        if os.path.lexists(credential):
            return keyfile.read(credential, "the credential runwayml_api_secret", private=False)
    if settings.api.key_file:
        path = Path(os.path.expanduser(settings.api.key_file))  # noqa: PTH111 - it takes ~nobody as it is
        return keyfile.read(path, "api.key_file", private=True)
    key = environment.get("RUNWAYML_API_SECRET", "").strip()
    return SecretStr(key) if key else None


def ledger_url(settings: Settings, environment: Mapping[str, str]) -> str:
    """The ledger's SQLAlchemy address: as configured, else SQLite in the state directory."""
    if settings.state.url:
        return settings.state.url
    if state := environment.get("STATE_DIRECTORY"):
        directory = Path(state.split(":", 1)[0])
    else:
        base = environment.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        directory = Path(base) / "runway-watch"
    return f"sqlite:///{directory / 'ledger.sqlite3'}"


def _problems(error: ValidationError) -> Iterable[str]:
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"] if not isinstance(part, int))
        if item["type"] == "extra_forbidden":
            yield f"{where}: unknown{_suggestion(item['loc'])}"
        elif item["type"] == "missing":
            yield f"{where}: missing"
        elif item["type"] == "string_pattern_mismatch":
            yield f"{where}: must be written as {_FORMS[where]}, not {item['input']!r}"
        elif item["type"] == "tuple_type":
            yield f"{where}: must be a list, written as [...]"
        else:
            message = item["msg"].removeprefix("Value error, ")
            yield f"{where}: {message[:1].lower()}{message[1:]}" if where else message


_FORMS = {"budget.day_starts": '"00:00"', "schedule.window": '"22:00-06:00"'}


def _suggestion(loc: tuple[str | int, ...]) -> str:
    """The nearest known key in the table that `loc` lies in."""
    table: Any = Settings
    for part in loc[:-1]:
        if isinstance(part, str):
            table = _table_of(table.model_fields[part].annotation)
    near = get_close_matches(str(loc[-1]), list(table.model_fields), n=1)
    known = ", ".join(table.model_fields)
    return f"; did you mean {near[0]}?" if near else f"; known here are {known}"


def _table_of(annotation: Any) -> Any:
    return next((arg for arg in get_args(annotation) if isinstance(arg, type)), annotation)
