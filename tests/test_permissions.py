"""Files of other people: what may be read and moved is done, the rest waits, is told of, and stops nobody.

The daemon is a real one and runs as nobody; the files are root's, who may do anything.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cli_tools
from tests.harness import Site, eventually, picture, sidecar, simulator, unique

PAIR = ("cat.png", "cat.prompt.toml")


@dataclass
class Guest:
    """A site whose folders belong to a user without any rights beyond them."""

    site: Site
    user: int

    def command(self, *words: str) -> list[str]:
        """A command line as the user."""
        command = [sys.executable, "-m", "runway_watch", *words, "--config", str(self.site.config)]
        return [*cli_tools._as(self.user), *command]

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """A running daemon, which has to stop without a complaint."""
        with (self.site.logs / "daemon.log").open("wb") as out:
            process = subprocess.Popen(
                self.command("run"), stdout=out, stderr=out, cwd=self.site.base, env=self.site.surroundings()
            )
        try:
            yield
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()

    def drop(self, name: str) -> Path:
        """A pair of root's in a folder that belongs to the user."""
        folder = self.site.root / "inbox" / name
        for file, content in zip(PAIR, (picture((160, 120)), sidecar(unique())), strict=True):
            self.site.put(f"{name}/{file}", content)
        os.chown(folder, self.user, self.user)
        return folder

    def waiting(self) -> dict[str, str]:
        """What `status` tells the user of the files that wait, by their way below the inbox."""
        status = self.command("status", "--json")
        done = subprocess.run(status, capture_output=True, cwd=self.site.base, env=self.site.surroundings())
        inbox = self.site.root / "inbox"
        told = json.loads(done.stdout)["waiting"]
        return {str(Path(line["path"]).relative_to(inbox)): line["why"] for line in told}

    def done(self) -> set[str]:
        """The folders whose jobs are done; none has failed."""
        rows = self.site.rows("SELECT folder, state FROM jobs")
        assert not [folder for folder, state in rows if state == "failed"]
        return {folder for folder, state in rows if state == "done"}


@pytest.fixture
def guest() -> Iterator[Guest]:
    with simulator() as runway, cli_tools.unprivileged() as (base, user):
        if user is None:
            pytest.skip("only root can make files of one user and be another")
        site = Site(base, runway)
        for path in (base, *base.rglob("*")):
            os.chown(path, user, user)
        yield Guest(site, user)
        site.verify()


def chmod(name: str, mode: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).chmod(mode)


def give_to_root(mode: int) -> Callable[[Path], None]:
    def give(folder: Path) -> None:
        os.chown(folder, 0, 0)
        folder.chmod(mode)

    return give


def close_defaults(folder: Path) -> None:
    (folder / "_folder.prompt.toml").write_text("duration = 5\n")
    (folder / "_folder.prompt.toml").chmod(0o600)


CLOSED: dict[str, tuple[Callable[[Path], None], str, Callable[[Path], None]]] = {
    "picture": (chmod("cat.png", 0o600), "cannot be read: ", chmod("cat.png", 0o644)),
    "sidecar": (chmod("cat.prompt.toml", 0o600), "cannot be read: ", chmod("cat.prompt.toml", 0o644)),
    "defaults": (close_defaults, "_folder.prompt.toml: Perm", chmod("_folder.prompt.toml", 0o644)),
    "folder": (give_to_root(0o755), "cannot be moved: let the user", give_to_root(0o777)),
    "sticky": (give_to_root(0o1777), "cannot be moved: in ", give_to_root(0o777)),
}
"""How something is closed to us, what is told of it, and how it is opened."""


def test_what_is_closed_to_us_waits_and_is_told_and_its_neighbours_go_on(guest: Guest) -> None:
    for name, (close, _, _) in CLOSED.items():
        close(guest.drop(name))
    with guest.daemon():
        guest.drop("open")
        eventually(lambda: guest.done() == {"open"})
        waiting = guest.waiting()
        for name, (_, why, open_up) in CLOSED.items():
            for file in PAIR:
                assert why in waiting.pop(f"{name}/{file}")
            open_up(guest.site.root / "inbox" / name)
        assert waiting == {}
        eventually(lambda: guest.done() == {"open", *CLOSED})


def test_files_that_may_only_be_read_are_taken_as_they_are(guest: Guest) -> None:
    folder = guest.drop("archive")
    for name in PAIR:
        (folder / name).chmod(0o444)
    with guest.daemon():
        eventually(lambda: guest.done() == {"archive"})
    for name in PAIR:
        found = (guest.site.root / "done/archive" / name).stat()
        assert (found.st_mode & 0o777, found.st_uid) == (0o444, 0)
