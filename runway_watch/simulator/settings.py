"""What a stand-in is like: guarantees that it binds to loopback only. Standard library only."""

from dataclasses import dataclass

from runway_watch.hosts import is_this_machine

DEFAULT_KEY = "key_" + "0" * 128
API_VERSION = "2024-11-06"


class DemoExtraError(ImportError):
    """The web server or the encoder is not installed; the message says how to install them."""

    def __init__(self) -> None:
        super().__init__("the simulator needs aiohttp and av: pip install 'runway-watch[demo]'")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Times in seconds, money in credits; a port of 0 takes any free one.

    `concurrency` and `daily` are per model, None means no limit. `image_seconds` of None means the same as
    `seconds`. `spread` of 0.2 makes durations vary by up to a fifth either way, the same way for one `seed`.
    `film_seconds` caps how much of a film is rendered: short films keep a rehearsal of many jobs cheap.
    """

    host: str = "127.0.0.1"
    api_port: int = 0
    upload_port: int = 0
    output_port: int = 0
    key: str = DEFAULT_KEY
    concurrency: int | None = 5
    daily: int | None = None
    credits: int = 100_000
    seconds: float = 10.0
    image_seconds: float | None = None
    spread: float = 0.0
    url_lifetime: float = 86_400.0
    uri_lifetime: float = 86_400.0
    film_seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_this_machine(self.host):
            raise ValueError(f"the simulator answers on loopback only, not on {self.host!r}")
