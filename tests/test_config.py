"""Settings: every default as documented, every problem at once, and a key that nobody else can read."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zoneinfo
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runway_watch import config
from runway_watch.catalogue import OPERATIONS, shapes
from runway_watch.config import API_URL, Settings, find, ledger_url, load, parse, read_key
from runway_watch.errors import ConfigError
from tests.cli_tools import NOBODY

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"

PROMISED = """
[api]
base_url = "https://api.dev.runwayml.com"   # or $RUNWAYML_BASE_URL; plain http only on loopback
key_file = ""          # order: $CREDENTIALS_DIRECTORY/runwayml_api_secret, key_file, $RUNWAYML_API_SECRET
allowed_media_hosts = []
strict_params = true

[state]
url = ""               # "" = SQLite below $STATE_DIRECTORY or $XDG_STATE_HOME/runway-watch; postgresql+psycopg://...

[[watch]]
root = "/srv/runway"
observe = "auto"       # auto | events | polling; auto polls on network filesystems
settle_seconds = 2.0
settle_timeout_seconds = 600
scan_seconds = 30      # the scan is the truth, events only wake it
ignore = []
convert = true
keep_metadata = false
[watch.defaults]       # as a sidecar, under every _folder.prompt.toml

[limits]
in_flight = 0          # 0 = what the account allows for the model (GET /v1/organization)
submit_ahead = 1       # extra generations queued at Runway, so that no slot waits for a poll
uploads = 4
downloads = 4
max_output_mb = 4096

[poll]
min_seconds = 5.0      # Runway asks for no less
max_seconds = 30.0

[retry]
attempts = 5
first_seconds = 10.0
max_seconds = 900.0
sweep_seconds = 600.0  # the retry sweep: failed jobs that may work now, sidecars mended in failed/
sweeps = 3
uncertain_submit = "hold"   # hold | resubmit

[budget]
credits_per_day = 0    # 0 = no cap
credits_per_job = 0
reserve = 0
day_starts = "00:00"

[schedule]
window = ""            # "22:00-06:00"
timezone = ""          # "" = the machine's

[log]
level = "info"
format = "auto"        # auto | json | console
"""
"""The settings as they are promised, with their defaults."""


def settings(**changes: Any) -> Settings:
    return parse({"watch": [{"root": "/srv/runway"}]} | changes, {})


def problems(table: dict[str, Any] | str, **environment: str) -> list[str]:
    if isinstance(table, str):
        table = tomllib.loads(table)
    with pytest.raises(ConfigError) as caught:
        parse({"watch": [{"root": "/srv/runway"}]} | table, environment)
    return [problem.removeprefix("config: ") for problem in caught.value.problems]


def test_every_key_and_default_is_the_contracts() -> None:
    promised = tomllib.loads(PROMISED)
    assert settings().model_dump(mode="json") == promised
    assert parse(promised, {}) == settings()


def test_the_example_tells_what_each_operation_fills_in() -> None:
    told = {line.split()[1]: line for line in EXAMPLE.read_text().splitlines() if line.startswith("#   ")}
    assert list(told) == [name for name, row in OPERATIONS.items() if row.defaults]
    for name, row in OPERATIONS.items():
        known = {field for shape in shapes.branches(row.params) for field in shapes.fields(shape)}
        for key, value in row.defaults.items():
            said = json.dumps(value["preset_id"] if isinstance(value, dict) else value)
            assert (f"{key} = {said}" in told[name]) is (key in known), (name, key)


def test_the_example_is_the_defaults_and_explains_every_key() -> None:
    assert load(EXAMPLE, {}) == settings()
    assert tomllib.loads(EXAMPLE.read_text()) == tomllib.loads(PROMISED)
    block = ""
    for line in EXAMPLE.read_text().splitlines():
        block = "" if not line or line.startswith("[") else f"{block}\n{line}"
        if key := re.match(r"(\w+) = ", line):
            assert "#" in block, key[1]  # a comment stands above it, or above its group


def test_every_problem_is_told_at_once_across_all_tables() -> None:
    found = problems(
        """
        colour = "red"
        [api]
        base_url = "http://example.com"
        [[watch]]
        root = "inbox"
        observe = "sometimes"
        setle_seconds = 3
        [[watch]]
        settle_seconds = -1
        [limits]
        uploads = 0
        [poll]
        max_seconds = 1
        [retry]
        uncertain_submit = "maybe"
        [budget]
        credits_per_day = -1
        reserve = -5
        day_starts = "24:00"
        [schedule]
        window = "22-6"
        """
    )
    assert sorted(problem.split(":")[0] for problem in found) == [
        "api.base_url",
        "budget.credits_per_day",
        "budget.day_starts",
        "budget.reserve",
        "colour",
        "limits.uploads",
        "poll.max_seconds",
        "retry.uncertain_submit",
        "schedule.window",
        "watch.observe",
        "watch.root",
        "watch.root",
        "watch.setle_seconds",
        "watch.settle_seconds",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limit = 1", "limit: unknown; did you mean limits?"),
        ("[api]\nbaseurl = 1", "api.baseurl: unknown; did you mean base_url?"),
        ("[state]\nurls = 1", "state.urls: unknown; did you mean url?"),
        ("[limits]\nupload = 1", "limits.upload: unknown; did you mean uploads?"),
        ("[poll]\nmin = 1", "poll.min: unknown; "),
        ("[retry]\nattempt = 1", "retry.attempt: unknown; did you mean attempts?"),
        ("[budget]\ncredit_per_day = 1", "budget.credit_per_day: unknown; did you mean credits_per_day?"),
        ("[schedule]\nwindows = 1", "schedule.windows: unknown; did you mean window?"),
        ("[log]\nlevels = 1", "log.levels: unknown; did you mean level?"),
        ("[log]\nzzz = 1", "log.zzz: unknown; known here are level, format"),
        (
            '[[watch]]\nroot = "/a"\nsettle_second = 1',
            "watch.settle_second: unknown; did you mean settle_seconds?",
        ),
        ("[[watch]]\nignore = []", "watch.root: missing"),
        ('[[watch]]\nroot = "/a"\n[watch.defaults.job]\nprio = 1', "watch.defaults: `job.prio`: unknown"),
        ('[[watch]]\nroot = "/a"\n[watch.defaults]\njob = 3', "watch.defaults: `job`: must be a table"),
        (
            '[[watch]]\nroot = "/a"\n[watch.defaults]\nratoi = "auto"',
            "watch: defaults: `ratoi`: unknown; did you mean `ratio`?",
        ),
        ("[retry]\nfirst_seconds = inf", "retry.first_seconds: input should be a finite number"),
        ('[[watch]]\nroot = "/a"\nscan_seconds = nan', "watch.scan_seconds: input should be a finite number"),
        ("[poll]\nmin_seconds = 4.9", "poll: min_seconds: must be at least 5"),
        ("[poll]\nmin_seconds = 40", "poll.max_seconds: must not be below poll.min_seconds"),
        ('[log]\nlevel = "loud"', "log.level: "),
        ('[schedule]\nwindow = "22-06"', "schedule.window: "),
        (
            '[schedule]\ntimezone = "Europe/Berlim"',
            "schedule.timezone: no such timezone; did you mean",
        ),
        ('[schedule]\ntimezone = "../etc/passwd"', "schedule.timezone: no such timezone"),
        ('[state]\nurl = "postgresql+psycopg://h/d"', "state.url: this version keeps its ledger in SQLite"),
        ('[state]\nurl = "sqlite://"', "state.url: this version keeps its ledger in SQLite"),
        ('[state]\nurl = "sqlite:///:memory:"', "state.url: this version keeps its ledger in SQLite"),
        ('[state]\nurl = "/srv/ledger.db"', "state.url: this version keeps its ledger in SQLite"),
        ('[[watch]]\nroot = "/a"\n[[watch]]\nroot = "/a/b"', "watch: root /a/b is, or is inside"),
        ('[[watch]]\nroot = "/a"\n[[watch]]\nroot = "/b/../a"', "watch: root /a is, or is inside"),
    ],
)
def test_one_problem_is_told_with_its_key_and_the_nearest_name(text: str, problem: str) -> None:
    [found] = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/Argentina/Ushuaia", ""])
def test_a_timezone_that_there_is_may_be_named(zone: str) -> None:
    assert settings(schedule={"timezone": zone}).schedule.timezone == zone


def test_where_no_list_of_timezones_is_installed_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert settings(schedule={"timezone": "Europe/Berlin"}).schedule.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/ledger.db", "sqlite+pysqlite:////srv/ledger.db", "sqlite:///ledger.db"]
)
def test_the_ledger_may_be_another_file(url: str) -> None:
    assert ledger_url(settings(state={"url": url}), {}) == url


def test_no_watch_at_all_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="watch: missing"):
        parse({}, {})
    assert problems({"watch": []}) == ["watch: there has to be one [[watch]] at least"]


def test_roots_beside_each_other_are_fine() -> None:
    assert len(settings(watch=[{"root": "/srv/a"}, {"root": "/srv/ab"}]).watch) == 2


@pytest.mark.parametrize("host", ["https://example.com/x", "example.com/x", "example.com:443", "", "a b"])
def test_a_host_that_no_address_can_have_is_told(host: str) -> None:
    [found] = problems({"api": {"allowed_media_hosts": ["cdn.example.com", host]}})
    assert found.startswith("api.allowed_media_hosts: ")
    assert "write its name alone" in found


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://api.example.com", True),
        ("https://api.example.com/", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:1/", True),
        ("http://[::1]:8080", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost@example.com", False),
        ("http://127.9.9.9:1", True),
        ("http://0.0.0.0:1", False),
        ("https://someone:secret@example.com", False),
        ("https://example.com/?key=1", False),
        ("https://example.com/#a", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("https://[oops", False),
        ("api.example.com", False),
        ("", False),
    ],
)
def test_plain_http_goes_no_further_than_this_machine(url: str, good: bool) -> None:
    if good:
        assert settings(api={"base_url": url}).api.base_url == url.rstrip("/")
    else:
        [found] = problems({"api": {"base_url": url}})
        assert found.startswith("api.base_url: ")


def test_a_rehearsal_on_loopback_may_poll_as_often_as_it_likes() -> None:
    fast = settings(api={"base_url": "http://127.0.0.1:1"}, poll={"min_seconds": 0.1, "max_seconds": 0.2})
    assert fast.poll.min_seconds == 0.1


def test_the_environment_names_the_api_where_the_file_does_not() -> None:
    environment = {"RUNWAYML_BASE_URL": "https://elsewhere.example"}
    watch = {"watch": [{"root": "/a"}]}
    assert parse(watch, environment).api.base_url == "https://elsewhere.example"
    named = parse(watch | {"api": {"base_url": "https://here.example"}}, environment)
    assert named.api.base_url == "https://here.example"
    written_out = parse(watch | {"api": {"base_url": API_URL}}, environment)  # as `init` writes it
    assert written_out.api.base_url == "https://elsewhere.example"
    assert problems({}, RUNWAYML_BASE_URL="http://example.com")[0].startswith("api.base_url: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"[api", "is not TOML in UTF-8"), (b"a = '\xff'", "is not TOML in UTF-8"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load(path, {})


def test_the_configuration_is_looked_for_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    with pytest.raises(ConfigError, match="runway-watch init"):
        find(home)
    there = tmp_path / "home/runway-watch/config.toml"
    there.parent.mkdir(parents=True)
    there.touch()
    assert find(home) == there
    Path("config.toml").touch()
    assert find(home) == Path("config.toml")
    assert find(home | {"RUNWAY_WATCH_CONFIG": "/named.toml"}) == Path("/named.toml")


def secret(path: Path, content: bytes = b"key_file_secret\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def key(environment: dict[str, str], file: Path | str = "") -> str | None:
    found = read_key(settings(api={"key_file": str(file)}), environment)
    return found.get_secret_value() if found else None


def test_the_key_comes_from_the_credential_then_the_file_then_the_environment(tmp_path: Path) -> None:
    file = secret(tmp_path / "key")
    secret(tmp_path / "runwayml_api_secret", b"credential\n")
    environment = {"RUNWAYML_API_SECRET": " from_environment\n"}
    assert key({}) is None
    assert key({"RUNWAYML_API_SECRET": "  "}) is None
    assert key(environment) == "from_environment"
    assert key(environment, file) == "key_file_secret"
    assert key(environment | {"CREDENTIALS_DIRECTORY": str(tmp_path)}, file) == "credential"
    assert key(environment | {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}, file) == "key_file_secret"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700, 0o711], ids=oct)
def test_a_key_file_is_good_when_nobody_else_can_read_or_change_it(tmp_path: Path, mode: int) -> None:
    assert key({}, secret(tmp_path / "key", mode=mode)) == "key_file_secret"


@pytest.mark.parametrize(
    ("mode", "can"),
    [
        (0o640, "read"),
        (0o604, "read"),
        (0o644, "read"),
        (0o440, "read"),
        (0o620, "change"),
        (0o602, "change"),
    ],
    ids=str,
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_key_file_that_others_can_reach_is_refused_with_the_remedy(
    tmp_path: Path, mode: int, can: str, linked: bool
) -> None:
    path = secret(tmp_path / "key", mode=mode)
    if linked:  # the mode of a link itself says nothing
        path = tmp_path / "link"
        path.symlink_to("key")
    with pytest.raises(ConfigError, match=f"others can {can} {path}; run: chmod 600 {path}"):
        key({}, path)


def test_a_link_to_a_private_key_is_followed(tmp_path: Path) -> None:
    secret(tmp_path / "key")
    (tmp_path / "link").symlink_to("key")
    assert key({}, tmp_path / "link") == "key_file_secret"


SWAP = """
import os
while True:
    for file in ("good", "bad"):
        os.link(file, "new")
        os.rename("new", "key")
"""


def test_what_was_judged_is_what_is_read_also_when_it_is_swapped(tmp_path: Path) -> None:
    secret(tmp_path / "good", b"private")
    secret(tmp_path / "bad", b"anybodys", mode=0o666)
    path = secret(tmp_path / "key", b"private")
    found: Counter[str | None] = Counter()
    with subprocess.Popen([sys.executable, "-c", SWAP], cwd=tmp_path) as swapping:
        try:
            while not (found["private"] > 1000 and found["refused"] > 1000):
                try:
                    found[key({}, path)] += 1
                except ConfigError:
                    found["refused"] += 1
        finally:
            swapping.kill()
    assert set(found) == {"private", "refused"}


@pytest.mark.parametrize("source", ["file", "credential"])
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("nothing in it", "is empty"),
        ("no text", "not plain text"),
        ("a gigabyte", "holds no key: it has more than 4096 bytes"),
        ("a folder", "is a folder, a pipe or a device; put the key into a file"),
        ("a pipe", "is a folder, a pipe or a device"),
        ("a device", "is a folder, a pipe or a device"),
        ("a socket", "cannot be read"),
        ("a link to nothing", "cannot be read"),
    ],
)
def test_a_key_that_is_none_is_refused_at_once_and_never_shown(
    tmp_path: Path, source: str, kind: str, problem: str
) -> None:
    path = tmp_path / "runwayml_api_secret"
    match kind:
        case "nothing in it":
            secret(path, b" \n")
        case "no text":
            secret(path, b"secret\xff")
        case "a gigabyte":
            secret(path)
            os.truncate(path, 2**30)
        case "a folder":
            path.mkdir()
        case "a pipe":  # nobody ever writes to it
            os.mkfifo(path, 0o600)
        case "a device":  # it never ends
            path.symlink_to("/dev/zero")
        case "a socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case _:
            path.symlink_to("nothing")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)} if source == "credential" else {}
    with pytest.raises(ConfigError, match=problem) as refused:
        key(environment, path)
    assert str(path) in str(refused.value)
    assert "secret\\" not in str(refused.value)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/key", "a\0b", "/nowhere/key"])
def test_a_key_file_that_cannot_be_there_is_a_problem_of_the_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match=r"api\.key_file: "):
        key({}, name)


def test_the_mode_of_a_credential_is_systemds_business(tmp_path: Path) -> None:
    secret(tmp_path / "runwayml_api_secret", b"credential", mode=0o440)
    assert key({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "credential"


@pytest.mark.parametrize(("owner", "good"), [(0, True), (NOBODY, True), (1, False)])
def test_a_key_file_of_another_user_is_no_secret_of_ours(tmp_path: Path, owner: int, good: bool) -> None:
    """Who may read everybody's files, and is not root, has to look whose they are."""
    may = [f"--{how}-caps=+dac_read_search" for how in ("inh", "ambient")]
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *may, "--"]
    code = (
        "import sys, pathlib, runway_watch.keyfile as k\nk.read(pathlib.Path(sys.argv[1]), '', private=True)"
    )
    if not shutil.which("setpriv") or subprocess.run([*become, sys.executable, "--version"]).returncode != 0:
        pytest.skip("needs root, and setpriv with ambient capabilities")
    path = secret(tmp_path / "key")
    os.chown(path, owner, owner)
    command = [*become, sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode == 0) is good, done.stderr
    assert good or "belongs to another user" in done.stderr


def test_a_key_never_shows(tmp_path: Path) -> None:
    found = read_key(settings(api={"key_file": str(secret(tmp_path / "key"))}), {})
    assert "secret" not in f"{found!r} {found}"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"STATE_DIRECTORY": "/var/lib/rw:/other"}, "sqlite:////var/lib/rw/ledger.sqlite3"),
        ({"XDG_STATE_HOME": "/home/a/.state"}, "sqlite:////home/a/.state/runway-watch/ledger.sqlite3"),
    ],
)
def test_the_ledger_lies_in_the_state_directory(environment: dict[str, str], url: str) -> None:
    assert ledger_url(settings(), environment) == url
    assert ledger_url(settings(state={"url": "sqlite:///x"}), environment) == "sqlite:///x"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.Settings.__setattr__(settings(), "log", None)
