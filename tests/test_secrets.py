"""The key is nowhere: not in a log, a file, the ledger or a process, whatever breaks and whoever quotes it.

A real daemon at a simulator; each of its stages breaks once with all its secrets in the traceback.
"""

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runway_watch.api import Api, Courier, Slot
from runway_watch.errors import RunwayWatchError
from runway_watch.hands import Hands, Lent
from tests.betraying import STAGES
from tests.harness import Site, eventually, simulator
from tests.secrecy import assert_key_nowhere
from tests.test_api_calls import CALLS
from tests.test_api_loopback import always, loopback, raw, run

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


ADDRESS = "https://storage.example/cat.png?X-Amz-Signature=5161ed&Expires=9"


def test_the_key_is_nowhere_when_runway_quotes_it(tmp_path: Path) -> None:
    quote = f"no account has {ODD}, see {ADDRESS}"
    refusal = {"error": quote, "issues": [{"path": ["promptText"], "message": quote}]}
    with simulator(key=ODD) as runway:
        site = Site(tmp_path / "site", runway)
        runway.fault("organization", {"status": 500, "body": refusal})
        runway.fault("upload_slot", {"status": 500, "body": refusal})
        runway.fault("create", {"status": 400, "body": refusal})
        runway.fault("create", {"fail_task": "INTERNAL.BAD_OUTPUT.CODE01", "failure": quote})
        site.drop("refused.png")
        with site.daemon() as daemon:
            site.reaches(failed=1)
            site.drop("broken.png")
            site.reaches(failed=2)
            for name in ("refused", "broken"):
                told = site.cli("explain", str(site.root / f"failed/{name}.png")).stdout
                assert "no account has ***" in told
                (site.logs / f"{name}.out").write_text(told)
            assert daemon.stop() == 0
        assert runway.hits() == [1] * 4
        assert "no account has ***" in daemon.log.read_text()
        assert_key_nowhere(site.base, ODD, ["5161ed"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
def test_no_call_follows_runway_elsewhere(call: str, status: int) -> None:
    async def work() -> None:
        async with loopback(always(raw(200, b'{"id": "x"}'))) as elsewhere:
            away = raw(
                status, b"{}", f"Location: {elsewhere.url}/v1/tasks/1", "Set-Cookie: a=b; Domain=127.0.0.1"
            )
            async with loopback(always(away)) as server, Api(base_url=server.url, key=ODD) as api:
                with pytest.raises(RunwayWatchError):
                    await CALLS[call](api)
            assert [seen.headers["authorization"] for seen in server.seen] == [f"Bearer {ODD}"]
            assert elsewhere.connections == 0

    run(work())


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308])
def test_no_transfer_carries_the_key_or_follows_a_storage_elsewhere(status: int, tmp_path: Path) -> None:
    """Not to the API's own origin either: an address that Runway gives us may lead anywhere."""
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat")
    facts: dict[str, Any] = {
        "name": "cat.png",
        "mime": "image/png",
        "size": 3,
        "sha256": hashlib.sha256(b"cat").hexdigest(),
    }

    async def work() -> None:
        async with loopback(always(raw(200, b"x"))) as elsewhere:
            answer = raw(status, b"{}", f"Location: {elsewhere.url}/", "Set-Cookie: a=b")
            async with (
                loopback(always(answer)) as server,
                Api(base_url=server.url, key=ODD) as api,
                Courier(allow_http=True) as courier,
            ):
                with suppress(RunwayWatchError):
                    await api.task("1")
                with suppress(RunwayWatchError):
                    into = Lent(io.BytesIO(), Hands("tests"))
                    await courier.download(f"{server.url}/out?_jwt=x", into, max_bytes=9)
                with suppress(RunwayWatchError), path.open("rb") as file:
                    slot = Slot(f"{server.url}/up?sig=x", {}, "runway://x")
                    await courier.upload(slot, Lent(file, Hands("tests")), **facts)
            task, *transfers = server.seen
            assert task.headers["authorization"] == f"Bearer {ODD}"
            assert [seen.path for seen in transfers] == ["/out?_jwt=x", "/up?sig=x"]
            for seen in transfers:
                assert not {"authorization", "cookie"} & set(seen.headers)
                assert ODD not in f"{seen}"
            assert elsewhere.connections == 0

    run(work())
