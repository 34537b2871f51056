"""Folders and files that are closed to us keep their own drops waiting, with the reason, and nobody else."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli_tools import cli, unprivileged
from tests.harness import Runway, Site


@dataclass
class Somebody:
    """A site, and the user for whom permissions count there; None is ourselves."""

    site: Site
    user: int | None

    def run(self) -> str:
        """Let a daemon work until nothing can go on; its log."""
        return self.ask("run", "--once")

    def why(self) -> dict[str, str]:
        """What `status` says of all that waits, by path below the root."""
        status = json.loads(self.ask("status", "--json"))
        told = [(line["path"], line["why"]) for line in status["waiting"]]
        told += [(line["path"], line["message"]) for line in status["jobs"] if line["state"] != "done"]
        return {path.removeprefix(f"{self.site.root}/"): why for path, why in told}

    def ask(self, *words: str) -> str:
        """What a command says, all below the site being the user's own."""
        for path in (self.site.base, *self.site.base.rglob("*")):
            if self.user is not None:
                os.chown(path, self.user, self.user)
        words += ("--config", str(self.site.config))
        ran = cli(*words, at=self.site.base, env=self.site.environment, user=self.user)
        assert ran.returncode in (0, 1), ran.stderr
        return ran.stderr if words[0] == "run" else ran.stdout


@pytest.fixture
def somebody(runway: Runway) -> Iterator[Somebody]:
    try:
        with unprivileged() as (folder, user):
            yield Somebody(Site(folder / "site", runway), user)
    except PermissionError as error:
        pytest.skip(str(error))


@contextmanager
def closed(*paths: Path) -> Iterator[None]:
    for path in paths:
        path.chmod(0)
    yield
    for path in paths:
        path.chmod(0o755)


def test_what_is_closed_waits_with_its_reason_and_its_neighbours_are_done(somebody: Somebody) -> None:
    site = somebody.site
    names = ("cat", "open/cat", "closed/cat", "taken/cat", "locked")
    for name in names:
        site.drop(f"{name}.png")
    (site.root / "processing/taken").mkdir(parents=True)
    inbox = site.root / "inbox"
    with closed(inbox / "closed", inbox / "locked.png", site.root / "processing/taken"):
        somebody.run()
        assert site.counts() == {"done": 2, "ready": 1}
        why = somebody.why()
        assert "Permission denied" in why["inbox/closed"]
        assert "Permission denied" in why["inbox/locked.png"]
        assert "still being moved" in why["inbox/taken/cat.png"]
    somebody.run()
    assert site.counts() == {"done": len(names)}
    site.verify()


def test_a_folder_in_failed_that_is_closed_does_not_end_the_look(somebody: Somebody) -> None:
    site = somebody.site
    site.drop("sub/cat.png", text="ratoi = 1")
    somebody.run()
    site.drop("sub/cat.png")
    site.drop("dog.png")
    with closed(site.root / "failed/sub"):
        log = somebody.run()
        assert site.counts() == {"failed": 1, "done": 1}
        refused = [json.loads(line) for line in log.splitlines() if "share.refused" in line]
        assert {line["path"] for line in refused} == {"sub/cat.png"}
        assert "sub/cat.png" in site.files("inbox")


def test_a_job_whose_folder_was_closed_meanwhile_does_not_keep_its_root_away(somebody: Somebody) -> None:
    site = somebody.site
    site.drop("sub/cat.png", text="[job]\nnot_before = 2100-01-01T00:00:00")
    somebody.run()
    site.drop("dog.png")
    with closed(site.root / "processing/sub"):
        somebody.run()
    assert site.counts() == {"ready": 1, "done": 1}
    site.verify()
