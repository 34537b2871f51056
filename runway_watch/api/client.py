"""Speaks to Runway's JSON API, and to nothing else.

The key goes to the base address's origin only: no redirect is followed, no absolute address is taken.
No request is ever sent twice by itself. Every failure is one of `errors.ApiError`, without the key in it.
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx

from runway_watch import USER_AGENT
from runway_watch.api import answers, records
from runway_watch.api.addresses import check_base_url, is_api_path, is_plain
from runway_watch.api.trouble import CAUGHT, api_errors
from runway_watch.errors import AnswerLost, ConfigError, Denied, NotFound, Rejected
from runway_watch.masking import conceal

API_VERSION = "2024-11-06"
"""The version of the API that is spoken, as Runway dates it."""

_UNREADABLE: tuple[type[Exception], ...] = (*CAUGHT, AnswerLost)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that we wait. The SDK waits 60 for each read."""

    connect: float = 10.0
    read: float = 60.0  # and for each write, and for a connection to come free
    call: float = 150.0  # all in: a read timeout never catches an answer that comes byte by byte
    reason: float = 10.0  # the body of a refusal: its status already says what matters


class Secret(Protocol):
    """A key that does not show itself; pydantic's SecretStr is one."""

    def get_secret_value(self) -> str:
        """The key."""
        ...


class Api:
    """Runway's API with one account's key.

    Args:
        base_url: `https://...`, or `http://` on loopback.
        key: the API secret; None as long as there is none.
        patience: how long to wait.

    Raises:
        ConfigError: the address or the key cannot be used, or the environment's proxy settings.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: str | Secret | None,
        patience: Patience | None = None,
    ) -> None:
        self._base_url = check_base_url(base_url)
        self.use(key)
        headers = {
            "X-Runway-Version": API_VERSION,
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._patience = patience or Patience()
        waits = httpx.Timeout(self._patience.read, connect=self._patience.connect)
        tls = httpx.create_ssl_context()
        self._client = _client(self._base_url, headers, tls, timeout=waits, idle=20)
        # A connection that was idle may be dead without our knowing, and a paid request that is lost on
        # it is in doubt; on a new one the doubt is smaller.
        self._fresh = _client(self._base_url, headers, tls, timeout=waits, idle=0)

    def __repr__(self) -> str:
        return f"Api({self._base_url}, key {self.fingerprint})"

    def use(self, key: str | Secret | None) -> None:
        """Go on with another key, which no text of ours shows any more. ConfigError when it can be none."""
        text = key if isinstance(key, str) or key is None else key.get_secret_value()
        conceal(text or "")
        self._key = None if text is None else _checked(text)
        account = f"{self._base_url}\n{self._key or ''}".encode()
        self.fingerprint = hashlib.sha256(account).hexdigest()[:12]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
        await self._fresh.aclose()

    async def create_slot(self, filename: str) -> records.Slot:
        """A place to upload a file of that name to (see `names.safe_filename`). Any ApiError."""
        body = {"filename": filename, "type": "ephemeral"}
        return records.slot(await self._answer(self._client, "POST", "/v1/uploads", body))

    async def create(self, path: str, body: Mapping[str, Any]) -> records.Created:
        """Makes a paid task with exactly one POST.

        Args:
            path: of the endpoint, `/v1/image_to_video`.
            body: the request in Runway's wire names.

        Raises:
            Unreachable, TurnedAway: it was surely not made.
            AnswerLost: it may have been made.
            ApiError: it was refused; the class says why.
        """
        return records.created(await self._answer(self._fresh, "POST", path, body))

    async def task(self, task_id: str, *, route: str = "/v1/tasks/{id}") -> records.Task:
        """How a task (or, by another route, a workflow's run) stands. Any ApiError."""
        return records.task(await self._answer(self._client, "GET", _path(route, task_id)))

    async def node_names(self, workflow: str) -> Mapping[str, str]:
        """What a workflow's author calls its nodes, by their ids; it costs nothing. Any ApiError."""
        path = _path("/v1/workflows/{id}", workflow)
        return records.node_names(await self._answer(self._client, "GET", path))

    async def delete(self, task_id: str) -> None:
        """Cancels a task, or deletes a finished one and its outputs; if it is gone, fine. Any ApiError."""
        try:
            await self._ask(self._client, "DELETE", _path("/v1/tasks/{id}", task_id))
        except NotFound:
            return

    async def organization(self) -> records.Account:
        """What the account has and may do; it costs nothing. Any ApiError."""
        return records.account(await self._answer(self._client, "GET", "/v1/organization"))

    async def _answer(
        self, client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        status, content = await self._ask(client, method, path, body)
        return answers.parse(content, status)

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, bytes]:
        """One request, one answer: the status and body of a 2xx, an error for all others."""
        if not is_api_path(path):
            raise Rejected("the path is not one of Runway's API")
        key = self._key
        if key is None:
            raise Denied("there is no API key")
        content = None if body is None else _encoded(body)
        headers = {"Authorization": f"Bearer {key}"}
        headers |= {} if content is None else {"Content-Type": "application/json"}
        with api_errors():
            async with (
                asyncio.timeout(self._patience.call),
                client.stream(method, path, content=content, headers=headers) as response,
            ):
                if response.is_success:
                    return response.status_code, await answers.read(response)
                reason = await _reason(response, self._patience.reason)
        raise answers.refusal(response.status_code, response.headers, reason)


def _client(
    base_url: str, headers: Mapping[str, str], tls: ssl.SSLContext, *, timeout: httpx.Timeout, idle: int
) -> httpx.AsyncClient:
    """A client bound to the base address. On loopback no proxy may come between: it would see the key."""
    try:
        return httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            verify=tls,
            timeout=timeout,
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=idle,
                keepalive_expiry=30.0,  # polls come every few seconds; a handshake for each would cost more
            ),
            follow_redirects=False,
            trust_env=not is_plain(base_url),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(["HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used"]) from None


async def _reason(response: httpx.Response, seconds: float) -> bytes | None:
    """The body of a refusal, or None when it does not come whole: then the status has to do."""
    try:
        async with asyncio.timeout(seconds):
            return await answers.read(response)
    except _UNREADABLE:
        return None


def _checked(key: str) -> str:
    """A key that can stand in a header. The message must not show it."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            ["the API key is empty or has characters that no key has; look at where it is stored"]
        )
    return key


def _path(route: str, task_id: str) -> str:
    if not records.is_task_id(task_id):
        raise NotFound("Runway does not know it: that is no task id")
    return route.replace("{id}", quote(task_id, safe=""))


def _encoded(body: Mapping[str, Any]) -> bytes:
    """JSON as httpx and the SDK write it; what JSON cannot say (NaN, dates) is refused before it is sent."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(f"the request cannot be written as JSON: {error}") from None
