"""What the client makes of every answer and every broken one, over real sockets."""

import asyncio
import gzip
import json
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any

import pytest

from runway_watch import clock
from runway_watch.api import Account, Api, Created, Patience, Slot, Task, safe_filename
from runway_watch.api.addresses import is_loopback
from runway_watch.errors import (
    AnswerLost,
    ApiError,
    ConfigError,
    Denied,
    NotFound,
    OutOfCredits,
    Rejected,
    TurnedAway,
    Unreachable,
)
from tests.test_api_loopback import (
    KEY,
    Loopback,
    Script,
    Seen,
    always,
    drip,
    listening,
    loopback,
    raw,
    reset,
    run,
    stall,
)

PATIENT = Patience()
QUICK = Patience(connect=2, read=0.3, call=0.6, reason=0.2)  # for what never ends; a busy machine is late too
Call = Callable[[Api], Coroutine[Any, Any, Any]]


def create(api: Api) -> Coroutine[Any, Any, Created]:
    return api.create("/v1/image_to_video", {"model": "gen4.5"})


CALLS: dict[str, Call] = {
    "create": create,
    "slot": lambda api: api.create_slot("cat.png"),
    "task": lambda api: api.task("1-2-3"),
    "delete": lambda api: api.delete("1-2-3"),
    "organization": lambda api: api.organization(),
}


async def _ask(script: Script, call: Call, patience: Patience) -> tuple[Any, Loopback]:
    async with loopback(script) as server, Api(base_url=server.url, key=KEY, patience=patience) as api:
        try:
            return await call(api), server
        except ApiError as error:
            return error, server


def ask(script: Script, call: Call = create, patience: Patience = PATIENT) -> Any:
    answer, server = run(_ask(script, call, patience))
    assert len(server.seen) <= 1, "a request was sent twice"
    return answer


def answered(value: object, call: Call = create) -> Any:
    return ask(always(raw(200, json.dumps(value).encode())), call)


STATUSES = [
    (301, AnswerLost),
    (307, AnswerLost),
    (400, Rejected),
    (401, Denied),
    (402, Rejected),
    (403, Denied),
    (405, Rejected),
    (408, AnswerLost),
    (409, Rejected),
    (413, Rejected),
    (422, Rejected),
    (429, TurnedAway),
    (500, AnswerLost),
    (501, AnswerLost),
    (502, AnswerLost),
    (503, TurnedAway),
    (504, AnswerLost),
    (529, AnswerLost),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "kind"), [*STATUSES, (404, NotFound)])
def test_every_status_has_its_meaning(call: str, status: int, kind: type[ApiError]) -> None:
    error = ask(always(raw(status, b'{"error":"no"}', "Location: http://127.0.0.1:9/x")), CALLS[call])
    if (call, status) == ("delete", 404):
        assert error is None
    else:
        assert type(error) is kind
        assert error.status == status


def test_too_few_credits_are_told_from_a_bad_request() -> None:
    text = b'{"error":"You do not have enough credits to run this task."}'
    assert type(ask(always(raw(400, text)))) is OutOfCredits


def test_a_refusals_issues_become_sentences() -> None:
    issues = [
        {"code": "too_small", "path": ["promptImage", 0, "uri"], "message": "Too short"},
        {"code": "custom", "path": [], "message": f"Do not send {KEY}"},
        {"code": "invalid", "path": ["ratio"]},
        "nonsense",
    ]
    error = ask(always(raw(400, json.dumps({"error": "Validation failed", "issues": issues}).encode())))
    assert error.issues == ("promptImage[0].uri: Too short", "Do not send ***", "ratio: invalid")
    assert "Validation failed" in error.message


PAGES = [b"", b"<html>nginx</html>", b"[1]", b'{"error": 5, "issues": 7}', b'{"message": "no"}', b"\xff\xfe"]
NOT_PASSED_ON = (404, 405, 410, 413, 414, 431)


@pytest.mark.parametrize("body", PAGES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 402, 404, 409, 413, 418, 422])
def test_a_refusal_in_the_words_of_somebody_else_is_not_runways(status: int, call: str, body: bytes) -> None:
    error = ask(always(raw(status, body)), CALLS[call])
    # Whoever answers that it knows no such way has not passed the request on.
    assert type(error) is (TurnedAway if status in NOT_PASSED_ON else AnswerLost)
    assert error.status == status


@pytest.mark.parametrize(("status", "kind"), [(401, Denied), (403, Denied), (429, TurnedAway)])
def test_a_page_about_the_key_or_about_haste_is_believed(status: int, kind: type[ApiError]) -> None:
    assert type(ask(always(raw(status, b"<html>nginx</html>")))) is kind


@pytest.mark.parametrize("status", NOT_PASSED_ON)
def test_what_was_passed_on_to_nobody_may_be_sent_again(status: int) -> None:
    assert type(ask(always(raw(status, b"<html>nginx</html>")))) is TurnedAway


def test_a_refusal_that_is_cut_may_be_anybodys() -> None:
    assert type(ask(always(raw(422, b'{"error":"the prom', length=99)))) is AnswerLost
    assert type(ask(always(raw(404, b'{"error":"not', length=99)), CALLS["task"])) is TurnedAway


def test_a_refusal_whose_reason_is_cut_or_never_ends_keeps_its_status() -> None:
    assert type(ask(always(raw(401, b"{", length=99)))) is Denied
    assert type(ask(drip(raw(429, b"{", length=99)), patience=QUICK)) is TurnedAway
    assert type(ask(always(raw(403, b"x" * 2_000_000)))) is Denied


def test_a_cut_400_may_have_been_about_credits_and_can_be_asked_again() -> None:
    assert type(ask(always(raw(400, b'{"error":"You do not', length=99)))) is TurnedAway


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 1.5"], 1.5),
        (["Retry-After: 0"], None),
        (["Retry-After: -3"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: nan"], None),
        (["Retry-After: inf"], None),
        (["Retry-After: 1e400"], None),
        (["Retry-After: 999999999"], 86_400.0),
        (["retry-after-ms: 2500", "Retry-After: 7"], 2.5),
        (["retry-after-ms: x", "Retry-After: 7"], 7.0),
        (["Retry-After: Fri, 20 Nov 2026 10:00:30 GMT", "Date: Fri, 20 Nov 2026 10:00:00 GMT"], 30.0),
        (["Retry-After: Fri, 20 Nov 2026 09:00:00 GMT", "Date: Fri, 20 Nov 2026 10:00:00 GMT"], None),
        (["Retry-After: Fri, 99 Nov 2026 09:00:00 GMT"], None),
        ([], None),
    ],
)
def test_retry_after_is_read_with_care(headers: list[str], seconds: float | None) -> None:
    error = ask(always(raw(429, b'{"error":"slow down"}', *headers)))
    assert error.retry_after == seconds


def test_a_retry_after_date_without_a_date_beside_it_is_taken_by_our_clock() -> None:
    error = ask(always(raw(503, b"", f"Retry-After: {formatdate(clock.now() + 100, usegmt=True)}")))
    assert 90 < error.retry_after <= 101


@pytest.mark.parametrize(
    "data",
    [
        raw(200, b"<html>Welcome to the airport's network</html>"),
        raw(200, b""),
        raw(200, b'{"id":"abc"', length=500),
        raw(200, b'{"id":"abc"'),
        raw(200, b"[]"),
        raw(200, b"null"),
        raw(200, b'{"task":"abc"}'),
        raw(200, b'{"id":7}'),
        raw(200, b'{"id":""}'),
        raw(200, b'{"id":null}'),
        raw(200, b'{"id":".."}'),
        raw(200, b'{"id":"a\\nb"}'),
        raw(200, b"[" * 900_000),
        raw(200, b'{"id":"abc","x":"' + b"x" * 10_000_000 + b'"}'),
        raw(200, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"),
        raw(200, b'{"id":"abc"}', "Content-Encoding: br"),
        raw(200, b'{"id":"abc"}', "Content-Encoding: gzip"),
        raw(204),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"',
        b"220 smtp.example.org ESMTP\r\n",
        b"",
    ],
)
def test_an_answer_that_cannot_be_read_is_lost(data: bytes) -> None:
    assert type(ask(always(data))) is AnswerLost


@pytest.mark.parametrize(
    "script", [reset, stall, drip(raw(200, length=10_000)), drip(b"HTTP/1.1 200 OK\r\nX: ")]
)
def test_a_connection_that_breaks_stalls_or_drips_loses_the_answer(script: Script) -> None:
    assert type(ask(script, patience=QUICK)) is AnswerLost


def test_a_packed_answer_is_opened() -> None:
    body = gzip.compress(b'{"id":"abc"}')
    assert ask(always(raw(200, body, "Content-Encoding: gzip"))) == Created("abc", None)


def closed_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_a_refused_connection_never_arrived() -> None:
    async def work() -> None:
        async with Api(base_url=f"http://127.0.0.1:{closed_port()}", key=KEY) as api:
            with pytest.raises(Unreachable):
                await create(api)

    run(work())


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_cannot_prove_who_it_is_never_gets_the_request(greeting: bytes) -> None:
    heard = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65_536))
        writer.write(greeting)
        heard.extend(await reader.read())

    async def work() -> None:
        async with listening(greet) as address:
            patience = Patience(connect=0.3, read=2, call=4)
            async with Api(base_url=f"https://{address}", key=KEY, patience=patience) as api:
                with pytest.raises(Unreachable):
                    await create(api)

    run(work())
    assert heard
    assert b"key_" not in heard


def test_the_key_does_not_follow_a_redirect() -> None:
    async def work() -> None:
        async with loopback(always(raw(200, b'{"id":"x"}'))) as elsewhere:
            away = raw(307, b"", f"Location: {elsewhere.url}/v1/tasks/1")
            async with loopback(always(away)) as server, Api(base_url=server.url, key=KEY) as api:
                with pytest.raises(AnswerLost):
                    await api.task("1")
            assert elsewhere.connections == 0

    run(work())


@pytest.mark.parametrize(
    "path",
    ["http://127.0.0.1:9/v1/x", "//evil.example/x", "v1/x", "/v1/../x", "/v1//x", "/v1/x?y", "/", "", "/a\n"],
)
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_sent(path: str) -> None:
    answer, server = run(_ask(always(raw(200, b'{"id":"x"}')), lambda api: api.create(path, {}), PATIENT))
    assert type(answer) is Rejected
    assert server.connections == 0


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": clock.as_utc(0)}, {"a": "\ud800"}])
def test_a_body_that_json_cannot_say_is_refused_before_anything_is_sent(body: dict[str, Any]) -> None:
    answer, server = run(_ask(always(raw(200)), lambda api: api.create("/v1/image_to_video", body), PATIENT))
    assert type(answer) is Rejected
    assert server.connections == 0


def test_on_loopback_no_proxy_sees_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with loopback(always(raw(200, b'{"id":"x"}'))) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            async with (
                loopback(always(raw(200, b'{"id":"x"}'))) as server,
                Api(base_url=server.url, key=KEY) as api,
            ):
                assert await create(api) == Created("x", None)
            assert proxy.connections == 0

    run(work())


def test_a_proxy_that_makes_no_connection_never_passed_the_request_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work() -> None:
        async with loopback(always(raw(502))) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            async with Api(base_url="https://127.0.0.1:9", key=KEY) as api:
                with pytest.raises(Unreachable):
                    await create(api)
            assert [seen.method for seen in proxy.seen] == ["CONNECT"]
            assert "authorization" not in proxy.seen[0].headers

    run(work())


def test_a_paid_request_does_not_go_over_a_connection_that_was_idle() -> None:
    async def work() -> None:
        async def script(_seen: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(raw(200, b'{"id":"x","creditBalance":1,"status":"RUNNING"}'))
            await writer.drain()

        async with loopback(script) as server, Api(base_url=server.url, key=KEY) as api:
            await api.task("1")
            await create(api)
            await create(api)
            assert server.connections == 3

    run(work())


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.dev.runwayml.com",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "ftp://127.0.0.1",
        "https://user:secret@api.example",
        "https://api.example?x=1",
        "https://",
        "api.example",
        "",
    ],
)
def test_an_address_that_would_show_the_key_is_a_matter_of_configuration(base_url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Api(base_url=base_url, key=KEY)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["", "key with spaces", "key_abc\n", "kéy"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Api(base_url="https://127.0.0.1:9", key=key)
    assert not key or key not in str(raised.value)


def test_a_proxy_that_cannot_be_used_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:9")
    with pytest.raises(ConfigError):
        Api(base_url="https://127.0.0.1:9", key=KEY)


def test_the_client_does_not_show_its_key() -> None:
    class Hidden:
        def get_secret_value(self) -> str:
            return KEY

    async def work() -> None:
        async with Api(base_url="http://localhost:9/", key=Hidden()) as api:
            assert KEY not in repr(api)
            assert len(api.fingerprint) == 12
            assert api.fingerprint not in KEY

    run(work())


@pytest.mark.parametrize(
    ("url", "yes"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80/x", True),
        ("http://localhost", True),
        ("http://localhost.evil.example", False),
        ("http://10.0.0.1", False),
        ("https://api.dev.runwayml.com", False),
        ("nonsense", False),
        ("http://[", False),
    ],
)
def test_loopback_is_told_by_the_host(url: str, yes: bool) -> None:
    assert is_loopback(url) is yes


@pytest.mark.parametrize(
    ("answer", "estimated"),
    [
        ({"id": "t", "estimatedCost": {"credits": 60}}, 60),
        ({"id": "t", "estimatedCost": {"credits": 59.01}}, 60),
        ({"id": "t", "routing": {"estimatedCost": {"credits": 12.5}}}, 13),
        ({"id": "t", "estimatedCost": {"credits": "60"}}, None),
        ({"id": "t", "estimatedCost": {"credits": True}}, None),
        ({"id": "t", "estimatedCost": {"credits": -1}}, None),
        ({"id": "t", "estimatedCost": {"credits": 10**400}}, None),
        ({"id": "t", "estimatedCost": 60, "routing": []}, None),
        ({"id": "t"}, None),
    ],
)
def test_a_create_gives_the_task_and_what_it_may_cost(answer: object, estimated: int | None) -> None:
    assert answered(answer) == Created("t", estimated)


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        ({"status": "PENDING", "estimatedCost": {"credits": 60}}, Task("PENDING", estimated=60)),
        ({"status": "RUNNING", "progress": 0.25}, Task("RUNNING", progress=0.25)),
        ({"status": "RUNNING", "progress": "half"}, Task("RUNNING")),
        ({"status": "RUNNING", "progress": 7}, Task("RUNNING", progress=1.0)),
        ({"status": "RUNNING", "progress": float("nan")}, Task("RUNNING")),
        ({"status": "canceled", "cost": {"credits": 0}}, Task("CANCELED", credits=0)),
        ({"status": " Dreaming "}, Task("DREAMING")),
        (
            {"status": "SUCCEEDED", "output": ["a", "b"], "cost": {"credits": 5}},
            Task("SUCCEEDED", None, ("a", "b"), credits=5),
        ),
        ({"status": "SUCCEEDED", "output": []}, Task("SUCCEEDED")),
        (
            {"status": "SUCCEEDED", "output": {"n1": ["a"], "n2": ["b", "c"]}},
            Task("SUCCEEDED", None, ("a", "b", "c"), nodes=("n1", "n2", "n2")),
        ),
        (
            {
                "status": "SUCCEEDED",
                "output": {"n1": "a", "n2": {"n3": "b"}, "n4": [7]},
                "nodeErrors": {
                    "n4": {"message": "no\nfaces", "failureCode": "SAFETY", "nodeName": "Cut"},
                    "n5": {},
                    "n6": "?",
                },
            },
            Task(
                "SUCCEEDED",
                outputs=("a",),
                nodes=("n1",),
                troubles=("Cut: no faces (SAFETY)", "n5: failed", "n6: failed"),
            ),
        ),
        ({"status": "SUCCEEDED", "output": 5}, Task("SUCCEEDED")),
        (
            {
                "status": "FAILED",
                "failure": "no\nfaces",
                "failureCode": "SAFETY.INPUT.TEXT",
                "cost": {"credits": 60},
            },
            Task("FAILED", failure="no faces", failure_code="SAFETY.INPUT.TEXT", credits=60),
        ),
        ({"status": "FAILED", "failureCode": None, "cost": None}, Task("FAILED")),
    ],
)
def test_a_poll_gives_what_is_there_and_nothing_for_the_rest(answer: object, task: Task) -> None:
    assert answered(answer, CALLS["task"]) == task


@pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": 5}, {"status": ""}])
def test_a_task_without_a_status_is_a_lost_answer(answer: object) -> None:
    assert type(answered(answer, CALLS["task"])) is AnswerLost


def test_a_workflows_run_is_asked_for_by_its_own_route() -> None:
    async def work() -> None:
        async with loopback(always(raw(200, b'{"status":"PENDING"}'))) as server:
            async with Api(base_url=server.url + "/gateway", key=KEY) as api:
                await api.task("a-b.1", route="/v1/workflow_invocations/{id}")
                with pytest.raises(NotFound):
                    await api.task("..")
            assert [seen.path for seen in server.seen] == ["/gateway/v1/workflow_invocations/a-b.1"]

    run(work())


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ({"uploadUrl": "https://s3/x", "fields": {"key": "k"}, "runwayUri": "runway://u"}, True),
        ({"uploadUrl": "https://s3/x", "fields": {}, "runwayUri": "runway://u"}, True),
        ({"uploadUrl": "https://s3/x", "fields": {"key": 1}, "runwayUri": "runway://u"}, False),
        ({"uploadUrl": "https://s3/x", "fields": [], "runwayUri": "runway://u"}, False),
        ({"uploadUrl": None, "fields": {}, "runwayUri": "runway://u"}, False),
        ({"uploadUrl": "https://s3/x", "fields": {}}, False),
    ],
)
def test_a_slot_has_all_its_parts_or_is_lost(answer: dict[str, Any], good: bool) -> None:
    got = answered(answer, CALLS["slot"])
    assert got == Slot("https://s3/x", answer["fields"], "runway://u") if good else type(got) is AnswerLost
    assert "s3" not in repr(got)


def test_the_account_is_read_and_a_figure_of_a_wrong_type_is_no_permission() -> None:
    answer = {
        "creditBalance": 1234,
        "tier": {
            "maxMonthlyCreditSpend": 10_000,
            "models": {
                "gen4.5": {"maxConcurrentGenerations": 2, "maxDailyGenerations": 200},
                "free": {"maxConcurrentGenerations": None, "maxDailyGenerations": None},
                "odd": {"maxConcurrentGenerations": "many", "maxDailyGenerations": -1},
                "worse": 7,
            },
        },
        "usage": {"models": {"gen4.5": {"dailyGenerations": 3}, "odd": {}}},
    }
    assert answered(answer, CALLS["organization"]) == Account(
        balance=1234,
        concurrency={"gen4.5": 2, "free": None},
        daily={"gen4.5": 200, "free": None},
        used_today={"gen4.5": 3},
    )


@pytest.mark.parametrize("answer", [{}, {"creditBalance": "12"}, {"creditBalance": None}])
def test_an_account_without_a_balance_is_a_lost_answer(answer: object) -> None:
    assert type(answered(answer, CALLS["organization"])) is AnswerLost


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("cat (2).png", "cat (2).png"),
        ("Löwe.JPG", "Lo_we.JPG"),
        ('a"b\r\nc.png', "a_b_c.png"),
        ("猫.png", "_.png"),
        ("../../etc/passwd.png", "_.._etc_passwd.png"),
        (".png", "file.png"),
        ("a", "a__"),
        ("x" * 400 + ".webp", "x" * 250 + ".webp"),
    ],
)
def test_a_name_is_made_fit_for_runway(name: str, safe: str) -> None:
    assert safe_filename(name) == safe
