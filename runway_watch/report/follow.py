"""`status --follow`: a live table on a terminal, a line for every change elsewhere."""

import json
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live

from runway_watch.report.tables import plain, table

_SECONDS = 1.0


def follow(look: Callable[[], dict[str, Any]], console: Console, *, as_json: bool = False) -> None:
    """Show the status until Ctrl-C.

    Args:
        look: takes a snapshot.
        console: where to.
        as_json: one JSON document a line, for every change.
    """
    try:
        if console.is_terminal and not as_json:
            _table(look, console)
        else:
            _lines(look, console, as_json=as_json)
    except KeyboardInterrupt:
        return


def _table(look: Callable[[], dict[str, Any]], console: Console) -> None:
    with Live(console=console, refresh_per_second=4, screen=False) as live:
        while True:
            live.update(table(look(), height=max(5, console.height - 6)))
            time.sleep(_SECONDS)


def _lines(look: Callable[[], dict[str, Any]], console: Console, *, as_json: bool) -> None:
    before: set[str] = set()
    while True:
        status = look()
        lines = [json.dumps(status)] if as_json else list(plain(status))
        for line in lines:
            if line not in before:
                console.out(line, highlight=False)
        before = set(lines)
        time.sleep(_SECONDS)
