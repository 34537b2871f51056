"""A site with all threats at once, beside good neighbours; and secrets outside, that nobody may touch."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import straced
from tests.harness import Runway, Site, picture, sidecar, unique
from tests.hostile.things import Thing, link, put
from tests.hostile.threats import CAP, ROWS, STYLED
from tests.hostile.watching import run_traced
from tests.samples import PNG, SIDECAR

NAMES = (
    "cat",
    "sub/cat",
    "-rf",
    "$(touch pwned);&|`x`>y",
    "quo\"te' and space",
    "back\\slash",
    "261125-deadbeef",
)
TAKEN = ("output taken", "record taken", "picture taken")
NEIGHBOURS: Mapping[str, str] = {
    **{name: name for name in (*NAMES, "styled", "way taken")},
    **{name: f"{name} (2)" for name in TAKEN},
}
"""Good drops, by path below the inbox; and below done/."""

STUCK: Mapping[str, bytes] = {"led/cat": sidecar("stuck"), "led/refused": b"ratoi = 1"}
"""Drops, by what their sidecars say, for which there is nothing but a link where their folder has to be."""

PLANTED: Mapping[str, Thing] = {
    "done/output taken.out.mp4": link("made"),
    "done/record taken.result.toml": lambda path: put(path / "in the way", b""),
    "done/picture taken.png": os.mkfifo,
    "processing/way taken.png": link("secret.png"),
    "processing/.261125-deadbeef-1-1.part": link("secret.png"),
    "failed/refused.error.toml": link("made"),
    **{f"{place}/led": link("pair") for place in ("processing", "done", "failed")},
    "processing/stray.png": PNG,
    "processing/stray.prompt.toml": SIDECAR,
}
"""What lies in the way of our files, and a drop that has come past the inbox, by path below the root."""


Identity = tuple[int, int]
"""A file's inode and time, which stay when it is moved; an inode alone is given to the next file."""


@dataclass
class Hostile:
    """The site, and the folder of secrets beside it.

    Args:
        prompts: what the good neighbours ask for.
        pictures: what they bring, by SHA-256.
        things: every file, link and pipe that was put there, by inode and time.
    """

    site: Site
    outside: Path
    prompts: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    things: Mapping[Identity, Path] = field(default_factory=dict)

    def put(self, path: str, thing: Thing) -> None:
        """Let something lie in the inbox."""
        put(self.site.root / "inbox" / path, thing)

    def picture(self, path: str) -> None:
        """A good picture, unlike any other."""
        content = picture()
        self.pictures.add(hashlib.sha256(content).hexdigest())
        self.put(path, content)

    def drop(self, name: str) -> None:
        """A good neighbour."""
        prompt = unique()
        self.prompts.add(prompt)
        self.picture(f"{name}.png")
        text = STYLED.format(prompt, "file:_refs/style.png").encode() if name == "styled" else sidecar(prompt)
        self.put(f"{name}.prompt.toml", text)


def prepare(base: Path, runway: Runway) -> Hostile:
    """Make all of it below a folder."""
    outside = base / "outside"
    for name in ("secret.png", "pair/cat.png"):
        put(outside / name, picture())
    put(outside / "pair/cat.prompt.toml", sidecar("secret"))
    site = Site(base / "site", runway, {"settle_timeout": 1})
    site.config.write_text(f"{site.config.read_text()}\n[budget]\ncredits_per_job = {CAP}\n")
    hostile = Hostile(site, outside)
    for path, thing in (item for row in ROWS.values() for threat in row for item in threat.things.items()):
        hostile.put(path, thing)
    for path, thing in PLANTED.items():
        put(site.root / path, thing)
    for name, text in STUCK.items():
        hostile.put(f"{name}.png", PNG)
        hostile.put(f"{name}.prompt.toml", text)
    hostile.picture("_refs/style.png")
    for name in NEIGHBOURS:
        hostile.drop(name)
    hostile.things = everything(site.root)
    return hostile


def everything(top: Path) -> dict[Identity, Path]:
    """Every file, link and pipe below a folder, however deep."""
    found: dict[Identity, Path] = {}
    folders = [top]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    found[entry.inode(), entry.stat(follow_symlinks=False).st_mtime_ns] = Path(entry.path)
    return found


@dataclass(frozen=True)
class Outcome:
    """What became of it all.

    Args:
        hostile: the site.
        report: what strace saw.
        went: where each thing is now, by where it was put; paths below the root.
        made: what has come into being.
        status: as `status --json` tells it.
    """

    hostile: Hostile
    report: Path
    went: Mapping[str, str]
    made: Sequence[Path]
    status: Mapping[str, Any]

    @property
    def why(self) -> Mapping[str, str]:
        """What is said of all that waits in the inbox, by path below it."""
        inbox = f"{self.hostile.site.root}/inbox/"
        return {line["path"].removeprefix(inbox): line["why"] for line in self.status["waiting"]}


def work_off(hostile: Hostile) -> Outcome:
    """Let a daemon work until nothing can go on, under strace if there is one."""
    site, report = hostile.site, hostile.outside.with_name("strace.txt")
    code = site.cli("run", "--once").returncode if straced.why_not() else run_traced(site, report)
    assert code == 1  # something was refused
    now = everything(site.root)
    went = {
        _below(was, site.root): _below(now.get(known), site.root) for known, was in hostile.things.items()
    }
    made = [path for found, path in now.items() if found not in hostile.things]
    asked = site.cli("status", "--json")
    assert asked.returncode == 0, asked.stderr
    return Outcome(hostile, report, went, made, json.loads(asked.stdout))


def _below(path: Path | None, root: Path) -> str:
    return "" if path is None else str(path.relative_to(root))
