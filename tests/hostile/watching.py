"""A daemon under strace, and whether it kept to its business: what it opened, changed, started, spoke to.

strace names the file behind each descriptor (`-y`), so that it counts what was opened, by whatever way it was
reached. A name in a call counts below the folder that its descriptor stands for.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness import AUTHORITY, Site

OPENS = ("open", "openat", "openat2", "creat")
CHANGES = (
    *("link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "mknod", "mknodat", "rmdir"),
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "truncate", "utime", "utimes", "utimensat"),
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "setxattr", "lsetxattr"),
)
STARTS = ("execve", "execveat")
SPEAKS = ("connect",)
SECONDS = 60
"""A run takes four; one that opened a pipe would never end."""

SYSTEM = (
    *("/usr", "/lib", "/lib64"),  # libraries, time zones
    *("/proc", "/sys"),  # mounts, and what is left of the limits for inotify
    *("/dev/null", "/dev/urandom"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/locale.alias", "/etc/ssl", "/etc/hosts"),
    *("/etc/nsswitch.conf", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/mime.types"),
)
"""What an interpreter and its libraries read for themselves."""

_CALL = re.compile(r"(?P<name>\w+)\((?P<given>.*)\) += (?P<result>-?\d+)(?:<(?P<opened>[^>]*)>)?")
_NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>(?:\(deleted\))?, )?"(?P<name>(?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
_BROKEN_OFF, _RESUMED = " <unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>")


@dataclass(frozen=True)
class Call:
    """A system call as strace prints it: what it was given, what came of it, and what was opened by it."""

    name: str
    given: str
    result: int
    opened: str | None

    def __str__(self) -> str:
        return f"{self.name}({self.given}) = {self.result}"

    @property
    def paths(self) -> list[Path]:
        """The file that was opened, or those that were named."""
        if self.opened is not None:
            return [Path(_plain(self.opened))]
        named = (Path(_plain(f["folder"] or "/"), _plain(f["name"])) for f in _NAMED.finditer(self.given))
        return [Path(os.path.realpath(path.parent), path.name) for path in named]

    @property
    def may_change(self) -> bool:
        """Whether files were different afterwards, or may have been."""
        return self.name in CHANGES or (self.name in OPENS and _WRITES.search(self.given) is not None)


def run_traced(site: Site, report: Path) -> int:
    """Let a daemon work on a site under strace, until nothing can go on. Returns its exit code."""
    calls = ",".join(f"?{name}" for name in (*OPENS, *CHANGES, *STARTS, *SPEAKS))
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", str(report), "-e", f"trace={calls}"]
    command = [sys.executable, "-m", "runway_watch", "run", "--once", "--config", str(site.config)]
    environment = site.surroundings() | {"PYTHONDONTWRITEBYTECODE": "1"}
    with (site.logs / "traced.log").open("wb") as log:
        ran = subprocess.run(
            [*strace, *command], stdout=log, stderr=log, cwd=site.base, env=environment, timeout=SECONDS
        )
    return ran.returncode


def assert_nothing_outside(report: Path, site: Site, outside: Path) -> None:
    """Fail where a daemon touched what is none of its business, started a program, or spoke to the world.

    Args:
        report: what strace saw.
        site: a root, a ledger, a configuration, all below one folder.
        outside: the folder of secrets; even to try and fail to open them is too much.
    """
    ours = [site.root, site.ledger.parent]
    readable = [site.base, AUTHORITY, *map(Path, (sys.prefix, sys.base_prefix, *sys.path, *SYSTEM))]
    calls = list(_calls(report))
    touched = [(call, path) for call in calls if call.name in OPENS + CHANGES for path in call.paths]
    assert len(touched) > 100, "strace saw nothing"
    problems = [
        *(f"tried {path}: {call}" for call, path in touched if _lies_in(path, [outside])),
        *(f"opened {path}: {call}" for call, path in touched if call.opened and not _lies_in(path, readable)),
        *(
            f"changed {path}: {call}"
            for call, path in touched
            if call.may_change and not _lies_in(path, ours)
        ),
        *(f"started: {call}" for call in [call for call in calls if call.name in STARTS][1:]),
        *(f"spoke: {call}" for call in calls if call.name in SPEAKS and '"127.0.0.1"' not in call.given),
    ]
    assert not problems, "\n".join(problems)


def _calls(report: Path) -> Iterator[Call]:
    """All calls, those that were broken off and resumed as one."""
    begun: dict[str, str] = {}
    for line in report.read_text().splitlines():
        thread, _, text = line.partition(" ")
        text = text.lstrip()
        if text.endswith(_BROKEN_OFF):
            begun[thread] = text.removesuffix(_BROKEN_OFF)
            continue
        if _RESUMED.match(text):
            text = begun.pop(thread) + _RESUMED.sub("", text, count=1)
        if found := _CALL.match(text):
            yield Call(found["name"], found["given"], int(found["result"]), found["opened"])


def _plain(text: str) -> str:
    """What strace writes with escapes, as Python has it in paths."""
    raw = text.encode("ascii").decode("unicode_escape").encode("latin-1")
    return os.fsdecode(raw)


def _lies_in(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
