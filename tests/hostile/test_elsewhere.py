"""Runway's answers lead elsewhere: bytes may go where Runway says, the key goes nowhere but to Runway."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.harness import KEY, Site
from tests.samples import PNG
from tests.secrecy import assert_key_nowhere


@dataclass
class Elsewhere:
    """A server that is not Runway's, and what it got to see."""

    url: str = ""
    seen: dict[str, str] = field(default_factory=dict)  # each request's head and body, by what it asks for


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """One that gives everybody a picture."""
    found = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.seen[f"{self.command} {self.path}"] = f"{self.headers}{body!r}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()
            self.wfile.write(PNG)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - so they have to be called

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


def test_files_go_where_runway_says_and_the_key_does_not(site: Site, elsewhere: Elsewhere) -> None:
    site.runway.fault("task", {"merge": {"output": [f"{elsewhere.url}/down?signed=5161ed"]}}, times=None)
    site.drop("comes.png")
    came = site.cli("run", "--once")
    assert came.returncode == 0
    site.runway.fault("upload_slot", {"merge": {"uploadUrl": f"{elsewhere.url}/up?signed=5161ed"}})
    site.drop("goes.png")
    went = site.cli("run", "--once")
    assert went.returncode == 1  # Runway has not got it
    assert [*elsewhere.seen] == ["GET /down?signed=5161ed", "POST /up?signed=5161ed"]
    for request in elsewhere.seen.values():
        assert KEY not in request
        assert "authorization" not in request.lower()
    assert_key_nowhere(site.base, KEY, ["signed=5161ed"])
    assert elsewhere.url not in came.stderr + went.stderr


@pytest.mark.parametrize(
    ("place", "end"),
    [
        *[(place, "done") for place in ("organization", "upload_slot", "upload_form", "task", "output")],
        ("create", "held"),  # a redirect does not say whether it was paid for
    ],
)
def test_no_answer_leads_anybody_elsewhere(site: Site, elsewhere: Elsewhere, place: str, end: str) -> None:
    away = f"{elsewhere.url}/v1/{place}"
    hints = dict.fromkeys(("Location", "Content-Location", "Retry-After", "Refresh", "Link", "Alt-Svc"), away)
    site.runway.fault(place, {"status": 307, "headers": {**hints, "Set-Cookie": "a=b; Domain=127.0.0.1"}})
    site.drop()
    site.cli("run", "--once")
    assert site.runway.hits() == [1]
    assert site.counts() == {end: 1}
    assert elsewhere.seen == {}


def test_a_task_that_is_called_like_an_address_is_not_asked_for_there(
    site: Site, elsewhere: Elsewhere
) -> None:
    site.runway.fault("create", {"merge": {"id": f"{elsewhere.url}/v1/tasks/1"}})
    site.drop()
    assert site.cli("run", "--once").returncode == 1
    assert site.counts() == {"held": 1}
    assert elsewhere.seen == {}
