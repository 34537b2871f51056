"""Real processes for the tests: a simulator, a daemon, drops, and conditions that are waited for.

Nothing here sleeps blindly: whatever has to happen is looked for until a deadline, and what was seen
stands in the failure.
"""

import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image

from tests import forked, invariants
from tests.forked import REPOSITORY, Forked

T = TypeVar("T")
KEY = "key_" + hashlib.sha512(b"tests").hexdigest()
PLACES = ("inbox", "processing", "done", "failed")
AUTHORITY = Path(__file__).with_name("authority.pem")
"""The certificate of nobody is read in no time; all that are trusted take a daemon a tenth of a second."""

CONFIG = """
[api]
base_url = "{base_url}"
[state]
url = "sqlite:///{ledger}"
[[watch]]
root = "{root}"
settle_seconds = 0.05
settle_timeout_seconds = {settle_timeout}
scan_seconds = 0.5
[poll]
min_seconds = 0.1
max_seconds = 0.15
[retry]
attempts = 3
first_seconds = 0.05
max_seconds = 0.2
sweep_seconds = {sweep}
uncertain_submit = "{uncertain}"
[limits]
in_flight = {in_flight}
submit_ahead = {submit_ahead}
max_output_mb = {max_output_mb}
[log]
level = "{level}"
"""
DEFAULTS: Mapping[str, Any] = {
    "settle_timeout": 600,
    "sweep": 600,
    "uncertain": "hold",
    "in_flight": 0,
    "submit_ahead": 1,
    "max_output_mb": 4096,
    "level": "debug",
}

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP. httpx would read all the authorities that there are for every call."""

_numbers = itertools.count(1)


def eventually(look: Callable[[], T], *, seconds: float = 30.0, what: str = "") -> T:
    """What `look` returns, as soon as it is true. Fails when it is not within the deadline."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or look!r}; last seen: {seen!r}")
        time.sleep(0.02)
    return seen


def picture(size: tuple[int, int] = (320, 180)) -> bytes:
    """A PNG unlike any other: noise, so that it never compresses to less than what Runway takes."""
    image = Image.effect_noise(size, 40).convert("RGB")
    n = next(_numbers)
    image.putpixel((0, 0), (n % 256, n // 256 % 256, os.getpid() % 256))
    image.putpixel((1, 0), (os.urandom(1)[0], os.urandom(1)[0], os.urandom(1)[0]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def unique(word: str = "prompt") -> str:
    """A prompt that names its drop on the bill."""
    return f"{word} {os.urandom(8).hex()}"


class Runway:
    """The simulator over HTTP."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url, self.key = base_url, key

    def bill(self) -> dict[str, Any]:
        """What was asked and charged so far."""
        answer: dict[str, Any] = self._call("GET", "bill").json()
        return answer

    def fault(self, on: str, do: Mapping[str, Any], **more: Any) -> None:
        """Add one rule."""
        self.faults([{"on": on, "do": do, **more}])

    def faults(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Add rules."""
        self._call("POST", "faults", list(rules))

    def hits(self) -> list[int]:
        """How often each rule has hit."""
        return [rule["hits"] for rule in self._call("GET", "faults").json()]

    def well(self) -> None:
        """Remove all rules."""
        self._call("DELETE", "faults")

    def change(self, **account: Any) -> None:
        """Change the account."""
        self._call("POST", "set", account)

    def _call(self, method: str, what: str, body: Any = None) -> httpx.Response:
        address = f"{self.base_url}/_simulator/{what}"
        answer = httpx.request(method, address, json=body, timeout=60, verify=_NO_TLS, trust_env=False)
        answer.raise_for_status()
        return answer


@contextmanager
def simulator(**options: Any) -> Iterator[Runway]:
    """A simulator process; options as on its command line."""
    given = {"seconds": 0.2, "film_seconds": 0.1, "concurrency": 20, "credits": 10_000_000} | options
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    with forked.simulating(f"--key={KEY}", *flags) as said:
        yield Runway(said["base_url"], said["key"])


@dataclass
class Daemon:
    """A daemon process and the file that its log goes to."""

    process: Forked
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far, without a line that is just being written."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        return [line for line in self.lines() if line["event"] == name]

    def looks(self, times: int = 2) -> None:
        """Wait until the inbox has been looked at so many times more, from the beginning of the look."""
        before = len(self.events("inbox.scanned"))
        eventually(lambda: len(self.events("inbox.scanned")) >= before + times + 1, what="looks at the inbox")

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)


@dataclass
class Site:
    """One watch with its ledger and configuration below a test's folder."""

    base: Path
    runway: Runway
    settings: Mapping[str, Any] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)  # sha256 of every file that was ever dropped
    others: list[Path] = field(default_factory=list)  # the roots of its other watches

    def __post_init__(self) -> None:
        self.root, self.ledger = self.base / "root", self.base / "state/ledger.sqlite3"
        self.config, self.logs = self.base / "config.toml", self.base / "logs"
        for folder in (self.root / "inbox", self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, **settings: Any) -> None:
        """Write the configuration; settings replace those before."""
        self.settings = {**DEFAULTS, **self.settings, **settings}
        text = CONFIG.format(
            base_url=self.runway.base_url, ledger=self.ledger, root=self.root, **self.settings
        )
        self.config.write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        """What a daemon's process is given."""
        trust = {"SSL_CERT_FILE": str(AUTHORITY)}
        return {"RUNWAYML_API_SECRET": self.runway.key, "PYTHONUNBUFFERED": "1"} | trust

    # -- dropping --------------------------------------------------------------------------------------

    def drop(self, name: str = "cat.png", *, text: str = "", prompt: str = "") -> str:
        """Drop a picture with its sidecar, both whole at once; returns the prompt."""
        prompt = prompt or unique()
        self.put(name, picture())
        self.put(f"{Path(name).with_suffix('')}.prompt.toml", sidecar(prompt, text))
        return prompt

    def put(self, name: str, content: bytes, *, counts: bool = True) -> Path:
        """Let a file appear in the inbox at once and whole."""
        path = self.root / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name}.arriving")
        hidden.write_bytes(content)
        hidden.rename(path)
        if counts:
            self.dropped[hashlib.sha256(content).hexdigest()] += 1
        return path

    def mend(self, path: Path, content: bytes) -> None:
        """Change a file that was dropped."""
        self.dropped[hashlib.sha256(path.read_bytes()).hexdigest()] -= 1
        self.dropped[hashlib.sha256(content).hexdigest()] += 1
        hidden = path.with_name(f".{path.name}.arriving")
        hidden.write_bytes(content)
        hidden.rename(path)

    def back_to_inbox(self, place: str, *names: str) -> None:
        """What a person does who tries again: move the files."""
        for name in names:
            (self.root / place / name).rename(self.root / "inbox" / name)

    # -- looking ---------------------------------------------------------------------------------------

    def files(self, place: str) -> list[str]:
        """Visible files in one of the four folders."""
        top = self.root / place
        found = (p for p in top.rglob("*") if p.is_file() and not p.name.startswith("."))
        return sorted(str(p.relative_to(top)) for p in found)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the ledger, read by nobody's leave."""
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=10)) as db:
            try:
                return db.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        return dict(self.rows("SELECT state, count(*) FROM jobs GROUP BY state"))

    def record(self, place: str, name: str) -> dict[str, Any]:
        """A record that lies beside a job."""
        return tomllib.loads((self.root / place / name).read_text())

    def paid(self) -> list[dict[str, Any]]:
        """The tasks on the bill that were made for drops of this site."""
        prompts = {p for (p,) in self.rows("SELECT json_extract(params, '$.prompt_text') FROM jobs")}
        return [task for task in self.runway.bill()["tasks"] if task["body"].get("promptText") in prompts]

    # -- processes -------------------------------------------------------------------------------------

    def surroundings(self, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        """All that a process finds in its environment; `environment` in place of the usual."""
        return _environment(self.environment if environment is None else environment)

    def cli(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return forked.complete(
            *words, "--config", str(self.config), environment=self.surroundings(environment), at=self.base
        )

    @contextmanager
    def daemon(self, **environment: str) -> Iterator[Daemon]:
        """A running daemon; killed at the end if it has not been stopped."""
        log = self.logs / f"daemon {next(_numbers)}.log"
        process = forked.command(
            *("run", "--config", str(self.config)),
            environment=self.surroundings(self.environment | environment),
            at=self.base,
            out=log,
            err=log,
        )
        try:
            yield Daemon(process, log)
        finally:
            process.kill()
            process.wait()

    def verify(self) -> None:
        """All invariants hold. Only while no daemon is running."""
        invariants.check(
            [self.root, *self.others],
            self.ledger,
            self.runway.bill(),
            key=self.runway.key,
            dropped=self.dropped,
            logs=self.logs,
        )

    def reaches(self, *, seconds: float = 60.0, **counts: int) -> None:
        """Wait until there are so many jobs in these states, and none in any other."""
        deadline = time.monotonic() + seconds
        while self.counts() != counts:
            if time.monotonic() > deadline:
                seen = {place: self.files(place) for place in PLACES}
                raise AssertionError(f"not within {seconds} s: {counts}; it is {self.counts()}, {seen}")
            time.sleep(0.02)


def sidecar(prompt: str, text: str = "") -> bytes:
    """A sidecar with a prompt and more."""
    return f'prompt_text = "{prompt}"\n{text}\n'.encode()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(REPOSITORY)} | dict(more)


def obstruct(path: Path) -> Callable[[], None]:
    """Put a file where a folder is wanted; what is returned takes it away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.write_text("in the way")
    return path.unlink
