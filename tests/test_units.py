"""The units do what the service page of the README says, and let the daemon do nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from runway_watch import config
from tests.media_samples import film, phone_heic, saved, scene
from tests.test_readme import ROOT, blocks, section

UNITS = ROOT / "systemd"
FILES = sorted(file for file in UNITS.rglob("*") if file.is_file())
PLAIN, TEMPLATE = UNITS / "runway-watch.service", UNITS / "runway-watch@.service"
both = pytest.mark.parametrize("unit", [PLAIN, TEMPLATE], ids=lambda unit: unit.name)
PAGE = section("As a service")
PROGRAM = "/opt/runway-watch/bin/runway-watch"
THRESHOLD = "13"
"""The most that the units may expose, in tenths, as `systemd-analyze security` counts."""


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def directives(unit: Path) -> Mapping[str, Sequence[str]]:
    """Every value of each directive of a unit, in order."""
    found = defaultdict(list)
    for line in unit.read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def spoken(start: str) -> str:
    """The command of the page that begins like this, with the lines that it goes on in."""
    lines = "".join(blocks(PAGE, "sh")).replace("\\\n", "")
    (command,) = [line for line in lines.splitlines() if line.startswith(start)]
    return command


def complete(*command: str | Path) -> str:
    """Run a tool, which has to succeed, and what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@both
def test_the_daemon_is_started_again_whatever_ends_it_but_a_bad_configuration(unit: Path) -> None:
    found = directives(unit)
    assert found["Restart"] == ["always"]
    assert found["RestartSec"] == ["5"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["RestartPreventExitStatus"] == ["78"]


@both
def test_systemd_hears_of_the_daemon_and_the_daemon_of_a_reload_as_252_can_do_it(unit: Path) -> None:
    found = directives(unit)
    assert found["Type"] == ["notify"]
    assert found["ExecReload"] == ["+/bin/kill -HUP $MAINPID"]
    assert {"WatchdogSec", "TimeoutStartSec"} <= found.keys()
    assert int(found["TimeoutStopSec"][0]) > 30


@both
def test_what_is_made_belongs_to_a_lasting_user_and_a_group_that_may_change_it(unit: Path) -> None:
    found = directives(unit)
    assert (found["User"], found["Group"], found["UMask"]) == (["runway-watch"], ["runway-watch"], ["0007"])
    assert "DynamicUser" not in found


@both
def test_nothing_but_a_mount_point_or_a_local_folder_may_be_written_to(unit: Path) -> None:
    """A folder below a mount point would be held on to when the share is gone."""
    assert directives(unit)["ReadWritePaths"] == ["%f" if unit == TEMPLATE else "/srv/runway"]


def test_the_folder_of_the_example_settings_is_the_one_that_is_made_and_may_be_written_to() -> None:
    (watch,) = config.load(ROOT / "config.example.toml", {}).watch
    assert directives(PLAIN)["ReadWritePaths"] == [str(watch.root)]
    assert f"d {watch.root} 2770 " in (UNITS / "tmpfiles.d/runway-watch.conf").read_text()


@both
def test_where_files_may_be_written_none_is_ever_a_program(unit: Path) -> None:
    found = directives(unit)
    barred = set(" ".join(found["NoExecPaths"]).split())
    assert {*found["ReadWritePaths"], f"%S/{found['StateDirectory'][0]}", "/", "/tmp"} <= barred
    assert found["ExecPaths"] == found["BindReadOnlyPaths"], "what may run has to be read-only"


def test_the_template_and_the_unit_bar_the_same() -> None:
    mark = "# What follows is the same in"
    plain, template = (
        unit.read_text().partition(mark)[2].partition("[Install]") for unit in (PLAIN, TEMPLATE)
    )
    assert plain[0] == template[0] != ""


@pytest.mark.parametrize("unit", [TEMPLATE, UNITS / "examples/mount.conf"], ids=lambda unit: unit.name)
def test_the_service_of_a_mount_starts_with_it_and_never_without(unit: Path) -> None:
    found = directives(unit)
    mount = "%i.mount" if unit == TEMPLATE else "srv-runway.mount"
    assert found["Requires"] == [mount]
    assert mount in found["After"]
    assert found["WantedBy"] == [mount]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(UNITS)))
def test_no_secret_can_stand_in_what_everybody_reads(file: Path) -> None:
    names = directives(file).keys()
    assert not {name for name in names if name.startswith(("SetCredential", "Environment", "PassEnv"))}


@both
def test_the_key_that_systemd_hands_over_is_the_one_that_the_daemon_looks_for(
    unit: Path, tmp_path: Path
) -> None:
    (credential,) = directives(unit)["LoadCredential"]
    name, _, file = credential.partition(":")
    assert file in spoken("install -m 600")
    (tmp_path / name).write_text("key_of_a_test")
    settings = config.load(ROOT / "config.example.toml", {})
    key = config.read_key(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert key is not None
    assert key.get_secret_value() == "key_of_a_test"


@needs("bash")
@pytest.mark.parametrize(
    ("unit", "instance", "root"),
    [(PLAIN, "", "/srv/runway"), (TEMPLATE, "mnt-share", "/mnt/share")],
    ids=["plain", "template"],
)
def test_a_command_finds_the_ledger_of_the_service_by_its_settings(
    unit: Path, instance: str, root: str, tmp_path: Path
) -> None:
    state = f"/var/lib/{directives(unit)['StateDirectory'][0]}".replace("%i", instance)
    (start,) = directives(unit)["ExecStart"]
    program, _, file = start.replace("%i", instance).partition(" run --config ")
    assert program == PROGRAM
    written = tmp_path / "written.toml"
    pattern = "sed 's|^root" if instance else "sed 's|^url"
    edit = spoken(pattern).replace(file, str(written))
    complete("bash", "-c", f"cd {ROOT} && {edit}")
    settings = config.load(written, {})
    assert config.ledger_url(settings, {}) == config.ledger_url(
        config.load(ROOT / "config.example.toml", {}), {"STATE_DIRECTORY": state}
    )
    assert [str(watch.root) for watch in settings.watch] == [root]


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"(?<![\w/.])(?:systemd/[\w@./-]+|[\w.]+\.example\.toml)", PAGE)
    assert "systemd/runway-watch@.service" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_of_the_folder_is_on_the_page() -> None:
    assert [file for file in FILES if str(file.relative_to(ROOT)) not in PAGE] == []


@needs("bash")
def test_every_line_of_the_page_is_one_that_a_shell_takes() -> None:
    for block in blocks(PAGE, "sh"):
        assert complete("bash", "-n", "-c", block) == ""


@needs("systemd-analyze")
def test_the_units_verify(tmp_path: Path) -> None:
    """As copies: what they start has to be there, and the template needs an instance and its mount."""
    program = tmp_path / "runway-watch"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    instance = tmp_path / "runway-watch@mnt-share.service"
    (tmp_path / "mnt-share.mount").write_text("[Mount]\nWhat=share\nWhere=/mnt/share\nType=tmpfs\n")
    for unit, copy in ((PLAIN, tmp_path / PLAIN.name), (TEMPLATE, instance)):
        copy.write_text(unit.read_text().replace(PROGRAM, str(program)))
        assert complete("systemd-analyze", "verify", "--man=no", copy) == ""


@needs("systemd-analyze")
@both
def test_the_units_expose_little(unit: Path) -> None:
    look = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={THRESHOLD}"]
    assert "Overall exposure level" in complete(*look, unit)


def allowed(unit: Path) -> set[str]:
    """The system calls that a unit lets pass."""
    look = ["systemd-analyze", "syscall-filter", "--no-pager"]

    def calls(group: str) -> set[str]:
        words = [line.split("#")[0].strip() for line in complete(*look, group).splitlines()[1:]]
        return {name for word in filter(None, words) for name in (calls(word) if word[0] == "@" else {word})}

    found: set[str] = set()
    for value in directives(unit)["SystemCallFilter"]:
        groups = [calls(group) for group in value.removeprefix("~").split()]
        found = found.difference(*groups) if value.startswith("~") else found.union(*groups)
    return found


@needs("systemd-analyze")
@needs("strace")
def test_pictures_are_converted_and_films_looked_into_behind_the_units_filter(tmp_path: Path) -> None:
    """As seen from outside: no call that is barred, and no memory that is written to and run."""
    may = allowed(PLAIN)
    assert {"read", "execve"} <= may
    assert "reboot" not in may
    for order, data in (
        ({"do": "convert", "extension": ".heic", "pad": "", "keeps_metadata": False}, phone_heic()),
        ({"do": "convert", "extension": ".avif", "pad": "", "keeps_metadata": False}, saved(scene(), "AVIF")),
        ({"do": "probe", "extension": ".mp4"}, film()),
    ):
        words = json.dumps({**order, "result": None, "memory": 2 << 30, "cpu": 60})
        (tmp_path / "file").write_bytes(data)
        trace = ["strace", "-f", "-qq", "-o", f"{tmp_path}/calls", sys.executable, "-s", "-P"]
        with (tmp_path / "file").open("rb") as file:
            done = subprocess.run(
                [*trace, "-m", "runway_watch.media.darkroom", words], stdin=file, capture_output=True
            )
        if done.returncode and not done.stdout:
            pytest.skip(f"nothing may be traced here: {done.stderr.decode()}")
        assert "found" in json.loads(done.stdout)
        lines = (tmp_path / "calls").read_text().splitlines()
        made = {match[1] for line in lines if (match := re.match(r"\d+ +(\w+)\(", line))}
        assert made - may == set()
        assert not [line for line in lines if re.search(r" (mprotect|pkey_mprotect)\(.*PROT_EXEC", line)]
        assert not [line for line in lines if "PROT_WRITE|PROT_EXEC" in line]


@needs("systemd-sysusers")
@needs("systemd-tmpfiles")
@as_root
def test_what_people_make_in_the_drop_folder_the_daemon_may_move_and_nobody_else_may_see(
    tmp_path: Path,
) -> None:
    for folder in ("etc", "srv", "var/lib"):
        (tmp_path / folder).mkdir(parents=True)
    complete("systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.d/runway-watch.conf")
    _, _, uid, gid, _, home, shell = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (home, shell) == ("/var/lib/runway-watch", "/usr/sbin/nologin")
    complete("systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.d/runway-watch.conf")
    modes = {
        name: oct((tmp_path / name).stat().st_mode)[-4:]
        for name in ("etc/runway-watch", "var/lib/runway-watch", "srv/runway")
    }
    assert modes == {"etc/runway-watch": "0755", "var/lib/runway-watch": "0700", "srv/runway": "2770"}
    made = tmp_path / "srv/runway/inbox"
    complete("sh", "-c", f"umask 022 && mkdir {made}")
    assert oct(made.stat().st_mode)[-4:] == "2770"
    assert (made.parent.stat().st_uid, made.stat().st_gid) == (int(uid), int(gid))
