"""How jobs are called."""

import secrets

from runway_watch.clock import as_utc


def new_id(now: float) -> str:
    """A name for a job of this moment: its day, for people, and enough chance to be the only one."""
    return f"{as_utc(now):%y%m%d}-{secrets.token_hex(4)}"
