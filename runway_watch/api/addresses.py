"""Decides which addresses may be spoken to, with the parser that later connects.

Plain http is for a stand-in on this machine only; a key or a picture never crosses a network in clear.
"""

import re

import httpx

from runway_watch.errors import ConfigError
from runway_watch.hosts import is_this_machine

_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~%:@-]+)+")
"""Absolute within the API's origin: no scheme, no host, no query, no step up."""


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine."""
    try:
        return is_this_machine(httpx.URL(url).host)
    except httpx.InvalidURL:
        return False


def is_plain(url: str) -> bool:
    """Whether the URL says http, not https."""
    return url[:5].lower() == "http:"


def is_allowed(url: str, *, allow_http: bool) -> bool:
    """Whether bytes may go there: https anywhere, and http on this machine if `allow_http`."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    if parsed.scheme == "https":
        return bool(parsed.host)
    return allow_http and parsed.scheme == "http" and is_loopback(url)


def check_base_url(url: str) -> str:
    """The API's base address as given.

    Raises:
        ConfigError: it is no https address (or http on loopback), or carries more than host and path.
    """
    if not is_allowed(url, allow_http=True):
        raise ConfigError([f"api.base_url {_shown(url)!r}: https is needed; http works on loopback only"])
    parsed = httpx.URL(url)
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ConfigError(["api.base_url: only host, port and path belong there"])
    return url


def is_api_path(path: str) -> bool:
    """Whether `path` stays below the API's base address whatever it is joined to."""
    return _PATH.fullmatch(path) is not None


def _shown(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url).partition("?")[0]
