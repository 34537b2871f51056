"""The command line with a kill switch: the process kills itself at one exact point, by SIGKILL.

Nothing is simulated: the rows that a transaction writes are written, and the process dies inside the
transaction ("before") or right after its commit ("after").
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import runway_watch.catalogue
import runway_watch.daemon
import runway_watch.report.retrying
import runway_watch.spool.spool as spools
from runway_watch.cli import main as command
from runway_watch.ledger import Ledger
from runway_watch.ledger.ledger import RETURNS, ending

PRELOADED = (runway_watch.catalogue, runway_watch.daemon, runway_watch.report.retrying)
"""Imported before the process forks, so that no test waits for it."""

LEDGER = ("move", "admit", "readmit", "arrived", "aim", "retire", "uploaded")


@dataclass(frozen=True)
class Kill:
    """When to die.

    Args:
        point: a method of the ledger, or `rename` (one file's), or `record` (written beside a job).
        when: before (inside the transaction) or after (its commit).
        row: of the state table, as words; None for whatever comes.
        nth: which of the times that this happens.
    """

    point: str
    when: str
    row: tuple[str, str] | None = None
    nth: int = 1

    def __str__(self) -> str:
        row = f" of {self.row[0]} {self.row[1]}" if self.row else ""
        return f"{self.when} {self.point}{row}"


def main(words: Sequence[str], kill: Kill | None) -> None:
    """Run the command line as a process of its own would, and die where it is wanted."""
    sys.argv = ["runway-watch", *words]
    if kill is not None:
        _arm(kill)
    command()


def die() -> None:
    """Be gone at once, as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(kill: Kill) -> None:
    if kill.point in LEDGER:
        method = getattr(Ledger, kill.point)
        setattr(Ledger, kill.point, _deadly(kill, method))
    elif kill.point == "rename":
        module = sys.modules["runway_watch.spool.carry"]
        module.move = _mortal(kill, module.move)  # type: ignore[attr-defined]
    elif kill.point == "record":
        spools.Spool.record = _mortal(kill, spools.Spool.record)  # type: ignore[method-assign]
    else:
        raise ValueError(kill.point)


def _deadly(kill: Kill, method: Callable[..., Any]) -> Callable[..., Any]:
    left = [kill.nth]

    def dying(ledger: Ledger, *args: Any, **kwargs: Any) -> Any:
        if kill.row is not None and kill.row not in rows_of(kill.point, args, kwargs):
            return method(ledger, *args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            _die_at_commit(ledger, kill.when)
        return method(ledger, *args, **kwargs)

    return dying


def _die_at_commit(ledger: Ledger, when: str) -> None:
    """Die at the commit of what is being written: other calls of this moment may share it."""
    dialect = ledger._engine.dialect
    commit = dialect.do_commit

    def committing(connection: Any) -> None:
        if when == "after":
            commit(connection)
        die()

    dialect.do_commit = committing  # type: ignore[method-assign, assignment]


def _mortal(kill: Kill, work: Callable[..., Any]) -> Callable[..., Any]:
    left = [kill.nth]

    def dying(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and kill.when == "before":
            die()
        result = work(*args, **kwargs)
        if left[0] == 0:
            die()
        return result

    return dying


def rows_of(method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of the state table that a call of the ledger takes."""
    match method:
        case "move":
            return [(call.state.value, move.event) for call, move in args[0]]
        case "retire":
            return [(call.state.value, ending(call, args[0])) for call in args[1]]
        case "readmit":
            return [(kwargs["was"].state.value, RETURNS.get(args[0].job.state, "release"))]
    return []
