"""The key is nowhere: not in a log, a file, the ledger or a process, whatever breaks and whoever quotes it.

A real daemon at a simulator; each of its stages breaks once with all its secrets in the traceback.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.betraying import STAGES
from tests.harness import Site, eventually, simulator
from tests.secrecy import assert_key_nowhere

PLAIN = "key_" + "5ec2e7" * 21 + "ed"
ODD = "0dd-looking/credential+of.a=different+make"
"""Not in the form of Runway's keys: nothing but its value tells it from any other word."""

UNHEARD = ("task", "thread", "finaliser", "warning")
"""What breaks where none of ours catches it."""


@dataclass
class Vault:
    """A site whose key comes from a file that lies elsewhere, and the notes of its traitors."""

    site: Site
    notes: Path
    environment: Mapping[str, str]

    @contextmanager
    def run(self, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
        """A command with traitors in it; what it says goes to a file of the site. Killed at the end."""
        log = self.site.logs / f"{words[0]}.log"
        command = [sys.executable, "-m", "tests.betraying", str(self.notes)]
        command += [*words, "--config", str(self.site.config)]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env=self.site.surroundings(self.environment)
            )
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()

    def ask(self, *words: str) -> None:
        """An honest command; what it says goes to files of the site."""
        done = self.site.cli(*words, environment=self.environment)
        assert "Traceback" not in done.stderr
        name = " ".join(words).replace("/", "_")
        (self.site.logs / f"{name}.out").write_text(done.stdout + done.stderr)

    def assert_sealed(self, *, pid: int | None = None) -> None:
        """The key is nowhere, nor is what else the daemon knew."""
        key, *others = self.notes.read_text().split("\n")
        assert key == self.site.runway.key
        assert_key_nowhere(self.site.base, key, others, pid=pid)


@pytest.fixture(params=[("json", PLAIN, "credential"), ("console", ODD, "key file")], ids=lambda p: p[0])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    form, key, source = request.param
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "runwayml_api_secret"
    secret.write_text(f"{key}\n")
    secret.chmod(0o600)
    with simulator(key=key) as runway:
        site = Site(tmp_path / "site", runway)
        text = site.config.read_text()
        if source == "key file":
            text = text.replace("[api]", f'[api]\nkey_file = "{secret}"')
        site.config.write_text(f'{text}format = "{form}"\n')
        known = {name: site.environment[name] for name in ("SSL_CERT_FILE", "PYTHONUNBUFFERED")}
        if source == "credential":
            known["CREDENTIALS_DIRECTORY"] = str(outside)
        yield Vault(site, outside / "notes", known)


def test_the_key_is_nowhere_whichever_stage_breaks_with_it(vault: Vault) -> None:
    site = vault.site
    site.drop("cat.png")
    with vault.run("run") as (daemon, log):
        site.reaches(held=1)  # nobody knows what became of the request that broke
        vault.ask("status")
        vault.ask("retry", "--all")
        site.reaches(done=1)
        eventually(lambda: all(f"{stage} betrays" in log.read_text() for stage in UNHEARD), what=str(UNHEARD))
        site.put("waits.png", b"no picture")
        for words in (
            ["status", "--json"],
            ["explain", str(site.root / "done/cat.png")],
            ["check"],
            ["plan"],
        ):
            vault.ask(*words)
        vault.assert_sealed(pid=daemon.pid)
        daemon.terminate()
        assert daemon.wait(30) == 0
    told = log.read_text()
    for stage in {*STAGES, *UNHEARD} - {"check"}:
        assert f"{stage} betrays" in told, f"{stage} did not break, or nobody told of it"
    assert "child.started" not in told
    assert "betraying.py" in told  # there are tracebacks
    vault.assert_sealed()


def test_the_key_is_nowhere_when_a_command_breaks_with_it(vault: Vault) -> None:
    with vault.run("check") as (process, log):
        assert process.wait(60) == 1
    assert "process.broken" in log.read_text()
    assert "check betrays" in log.read_text()
    vault.assert_sealed()
