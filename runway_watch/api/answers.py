"""Reads Runway's answers with a cap, and says what a refusal means.

Whatever an answer is - HTML, cut, packed, huge - it becomes a value or one of our errors. What refuses a
request for good is Runway's own word; a page of some gateway on the way is none.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import httpx

from runway_watch.api.trouble import scrub
from runway_watch.api.waits import retry_after
from runway_watch.errors import (
    AnswerLost,
    ApiError,
    Denied,
    NotFound,
    OutOfCredits,
    Rejected,
    TurnedAway,
)

MOST_BYTES = 1024 * 1024
"""Bytes of a JSON answer that are read; Runway's have a few hundred."""

_MOST_ISSUES = 50


async def read(response: httpx.Response) -> bytes:
    """The answer's body.

    Raises:
        AnswerLost: it is larger than `MOST_BYTES` or packed in a way we did not ask for.
        httpx.HTTPError: the connection broke.
    """
    body = bytearray()
    async for block in response.aiter_raw():
        body += block
        if len(body) > MOST_BYTES:
            raise AnswerLost("Runway's answer is lost: it was too large", status=response.status_code)
    return _unpacked(bytes(body), response.headers.get("content-encoding", "identity"), response.status_code)


def _unpacked(body: bytes, packing: str, status: int) -> bytes:
    """We ask for `identity`; some gateways pack all the same, so gzip is opened, up to the same cap."""
    if packing.strip().lower() in ("", "identity"):
        return body
    try:
        opened = zlib.decompressobj(47).decompress(body, MOST_BYTES + 1)  # 47: gzip or zlib
    except zlib.error:
        opened = None
    if opened is None or len(opened) > MOST_BYTES:
        raise AnswerLost("Runway's answer is lost: it could not be unpacked", status=status)
    return opened


def parse(body: bytes, status: int) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        AnswerLost: there is none.
    """
    answer = _json(body)
    if answer is None:
        raise AnswerLost("Runway's answer is lost: it was not the JSON that the API speaks", status=status)
    return answer


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def refusal(status: int, headers: Mapping[str, str], body: bytes | None) -> ApiError:
    """Our error for an answer that is not a 2xx.

    Args:
        status: the HTTP status.
        headers: the answer's, with lower-case names.
        body: what could be read of it; None when it was cut.
    """
    answer = (_json(body) if body else None) or {}
    text = scrub(_text(answer))
    kind, sentence = _meaning(status, text, is_runways=_is_runways(answer), is_cut=body is None)
    return kind(
        f"{sentence} ({status}{': ' + text if text else ''})",
        status=status,
        retry_after=retry_after(headers),
        issues=_issues(answer),
    )


_MEANINGS: Mapping[int, tuple[type[ApiError], str]] = {
    401: (Denied, "Runway does not accept the API key"),
    403: (Denied, "Runway does not accept the API key"),
    408: (AnswerLost, "Runway's answer is lost: it waited for the request too long"),
    429: (TurnedAway, "Runway turned the request away for now"),
    503: (TurnedAway, "Runway turned the request away for now"),
}
"""What a status says about the request, where it alone says it (docs, errors/errors)."""

_NOT_PASSED_ON = frozenset({404, 405, 410, 413, 414, 431})
"""What a gateway answers that knows no way for a request, or will not have it: it was passed on to nobody."""


def _meaning(status: int, text: str, *, is_runways: bool, is_cut: bool) -> tuple[type[ApiError], str]:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if not 400 <= status < 500:
        return AnswerLost, "Runway answered with an error of its own"
    return _refused(status, text) if is_runways else _strange(status, is_cut=is_cut)


def _is_runways(answer: Mapping[str, Any]) -> bool:
    """Whether Runway says it: in its errors, `error` is always a string (docs, errors/errors)."""
    return isinstance(answer.get("error"), str)


def _refused(status: int, text: str) -> tuple[type[ApiError], str]:
    if status == 404:
        return NotFound, "Runway does not know it"
    if status == 400 and "enough credits" in text.lower():
        return OutOfCredits, "The account has too few credits"
    return Rejected, "Runway refused the request"


def _strange(status: int, *, is_cut: bool) -> tuple[type[ApiError], str]:
    """A 4xx without Runway's reason says nothing about the file, whoever it is from."""
    if status == 400 and is_cut:
        # Not carried out, and the reason got lost: it may have been the credits. Asking again will tell.
        return TurnedAway, "Runway refused the request, and the reason got lost"
    if status in _NOT_PASSED_ON:
        return TurnedAway, "Something on the way turned the request away in Runway's place"
    return AnswerLost, "Runway's answer is lost: the refusal that came is not in the API's words"


def _text(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    return error if isinstance(error, str) else ""


def _issues(answer: Mapping[str, Any]) -> tuple[str, ...]:
    issues = answer.get("issues")
    if not isinstance(issues, list):
        return ()
    return tuple(scrub(_sentence(issue)) for issue in issues[:_MOST_ISSUES] if isinstance(issue, dict))


def _sentence(issue: Mapping[str, Any]) -> str:
    message = issue.get("message")
    said = message if isinstance(message, str) and message else str(issue.get("code", "not accepted"))
    path = issue.get("path")
    where = _joined(path) if isinstance(path, list) else ""
    return f"{where}: {said}" if where else said


def _joined(path: list[Any]) -> str:
    """`["references", 0, "uri"]` as people write it: `references[0].uri`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
