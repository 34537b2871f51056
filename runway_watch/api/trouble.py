"""Turns every exception of httpx into one of ours, through one table.

What the table says decides about money: `Unreachable` promises that a request never arrived, and it
may be sent again by itself; `AnswerLost` promises nothing. A test fails on an exception that is not here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import httpx

from runway_watch.errors import AnswerLost, ApiError, Away, Interrupted, Unreachable
from runway_watch.masking import masked

TABLE: Mapping[type[Exception], tuple[type[ApiError], str]] = {
    # Before a byte of the request left.
    httpx.ConnectError: (Unreachable, "no connection could be made"),
    httpx.ConnectTimeout: (Unreachable, "no connection could be made in time"),
    httpx.PoolTimeout: (Unreachable, "no connection came free in time"),
    httpx.ProxyError: (Unreachable, "the proxy made no connection"),
    httpx.UnsupportedProtocol: (Unreachable, "the address is not http or https"),
    httpx.InvalidURL: (Unreachable, "the address cannot be read"),
    # On the way, or somewhere that cannot be told.
    httpx.ReadTimeout: (AnswerLost, "no answer came in time"),
    httpx.WriteTimeout: (AnswerLost, "the request could not be sent in time"),
    httpx.ReadError: (AnswerLost, "the connection broke before the answer was complete"),
    httpx.WriteError: (AnswerLost, "the connection broke while the request was sent"),
    httpx.CloseError: (AnswerLost, "the connection broke when it was closed"),
    httpx.RemoteProtocolError: (AnswerLost, "the connection ended without a complete answer"),
    httpx.LocalProtocolError: (AnswerLost, "the request was not valid HTTP"),
    httpx.DecodingError: (AnswerLost, "the answer could not be decoded"),
    httpx.TooManyRedirects: (AnswerLost, "the answer led elsewhere too often"),
    httpx.HTTPStatusError: (AnswerLost, "the answer was an error"),
    httpx.StreamConsumed: (AnswerLost, "the answer was read twice"),
    httpx.StreamClosed: (AnswerLost, "the answer was read after it was closed"),
    httpx.ResponseNotRead: (AnswerLost, "the answer was not read"),
    httpx.RequestNotRead: (AnswerLost, "the request was not read"),
    httpx.CookieConflict: (AnswerLost, "the answer set cookies that contradict each other"),
    # The families, for members that a newer httpx may bring.
    httpx.TimeoutException: (AnswerLost, "it took too long"),
    httpx.NetworkError: (AnswerLost, "the network failed"),
    httpx.ProtocolError: (AnswerLost, "the answer was not valid HTTP"),
    httpx.TransportError: (AnswerLost, "the connection failed"),
    httpx.RequestError: (AnswerLost, "the request failed"),
    httpx.HTTPError: (AnswerLost, "the request failed"),
    httpx.StreamError: (AnswerLost, "the answer could not be read"),
    # What may come through httpx from below: our own deadline, sockets, TLS after the handshake.
    TimeoutError: (AnswerLost, "the answer was not complete in time"),
    OSError: (AnswerLost, "the connection failed"),
}

CAUGHT: tuple[type[Exception], ...] = tuple(TABLE)

_ADDRESS = re.compile(r"(https?://[^\s/?#]+)[^\s?#]*[?#]\S*", re.IGNORECASE)
_LONGEST = 500
"""Characters of foreign text that go into a message."""


def scrub(text: str) -> str:
    """Foreign text made fit for a record: no key, no signed address, one line, not too long."""
    text = masked(_ADDRESS.sub(r"\1/...", text))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def api_trouble(error: Exception) -> ApiError:
    """Our error for what stopped a call to the API."""
    kind, sentence = _row(error)
    detail = scrub(str(error)) if kind is Unreachable else ""
    why = f"{sentence} ({detail})" if detail else sentence
    return kind(
        f"Runway could not be reached: {why}" if kind is Unreachable else f"Runway's answer is lost: {why}"
    )


def _row(error: Exception) -> tuple[type[ApiError], str]:
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


@contextmanager
def api_errors() -> Iterator[None]:
    """Within it, httpx's exceptions become `ApiError`s; the old ones are hidden, as they may hold the key."""
    with _turned(api_trouble):
        yield


@contextmanager
def transfer_errors(what: str) -> Iterator[None]:
    """Within it, httpx's exceptions become `Interrupted`; the old ones are hidden, as they may hold a URL."""
    with _turned(partial(_interruption, what)):
        yield


def _interruption(what: str, error: Exception) -> Interrupted:
    kind, sentence = _row(error)
    return (Away if kind is Unreachable else Interrupted)(f"The {what} was interrupted: {sentence}.")


@contextmanager
def _turned(into: Callable[[Exception], Exception]) -> Iterator[None]:
    try:
        yield
    except CAUGHT as error:
        raise into(error) from None
