"""Every exception of httpx has its place in the table, and no text that comes out of it tells a secret."""

import inspect

import httpx
import pytest

from runway_watch.api.trouble import TABLE, api_errors, scrub, transfer_errors
from runway_watch.errors import AnswerLost, ApiError, Interrupted, Unreachable
from tests.test_api_loopback import KEY

EVERY = sorted(
    (
        kind
        for _, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__.startswith("httpx")
    ),
    key=lambda kind: kind.__name__,
)
NEVER_SENT = {
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
    "InvalidURL",
}


def an(kind: type[Exception], text: str) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


@pytest.mark.parametrize("kind", EVERY)
def test_every_exception_of_httpx_is_in_the_table(kind: type[Exception]) -> None:
    assert kind in TABLE


@pytest.mark.parametrize("kind", EVERY)
def test_only_what_surely_never_arrived_is_unreachable(kind: type[Exception]) -> None:
    wanted = Unreachable if kind.__name__ in NEVER_SENT else AnswerLost
    with pytest.raises(ApiError) as raised, api_errors():
        raise an(kind, "boom")
    assert type(raised.value) is wanted


@pytest.mark.parametrize("kind", [*EVERY, TimeoutError, OSError])
def test_no_exception_brings_the_key_or_a_signed_address_along(kind: type[Exception]) -> None:
    text = f"Illegal header value b'Bearer {KEY}' for https://s3.example/x/y?X-Signature=abc\x1b[2J\n"
    with pytest.raises(ApiError) as raised, api_errors():
        raise an(kind, text)
    with pytest.raises(Interrupted) as cut, transfer_errors("download"):
        raise an(kind, text)
    for error in (raised.value, cut.value):
        assert KEY not in str(error)
        assert "Signature" not in str(error)
        assert "\x1b" not in str(error)
        assert error.__suppress_context__


def test_foreign_text_becomes_one_safe_line() -> None:
    told = scrub(f"a\n\tb \x1b[31m {KEY} https://h/p?jwt=1 https://docs.dev.runwayml.com/errors " + "x" * 900)
    assert told.startswith("a b [31m *** https://h/... https://docs.dev.runwayml.com/errors xx")
    assert len(told) == 500
