"""A status for people: a table on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


def summary(status: dict[str, Any]) -> str:
    """One line: is it running, how many of what, what it cost today."""
    daemon, money = status["daemon"], status["credits"]
    running = f"running since {daemon['since']}" if daemon["running"] else "not running"
    counts = ", ".join(f"{n} {state}" for state, n in status["counts"].items() if n) or "nothing to do"
    cap = f" of {money['cap']}" if money["cap"] else ""
    spent = f"{money['today']}{cap} credits today, {money['reserved']} more reserved"
    if money["balance"] is not None:
        spent += f", balance {money['balance']}"
    return f"daemon {running} - {counts} - {spent}"


def plain(status: dict[str, Any]) -> Iterator[str]:
    """The status as lines of text."""
    yield summary(status)
    yield from _holds(status)
    for job in status["jobs"]:
        progress = f" {job['progress']:.0%}" if job["progress"] is not None else ""
        why = f" - {job['code']}: {job['message']}" if job["code"] else ""
        yield f"{job['job']}  {job['state']}{progress}  {job['path']}{why}"
    for line in status["waiting"]:
        yield f"waiting  {line['path']} - {line['why']}"


def _holds(status: dict[str, Any]) -> Iterator[str]:
    for hold in status["holds"]:
        until = f", until {hold['until']}" if hold["until"] else ""
        what = "everything" if hold["scope"] == "all" else hold["scope"]
        yield f"HOLD {hold['reason']} ({what}) since {hold['since']}{until} - {hold['message']}"


def table(status: dict[str, Any], *, height: int = 40) -> RenderableType:
    """The status as a table with bars of progress.

    Args:
        status: what `snapshot` gives.
        height: rows at most; the rest is counted.
    """
    jobs = Table(expand=True, box=None, pad_edge=False)
    for name in ("job", "file", "state", "progress", "credits", "what"):
        jobs.add_column(name, overflow="ellipsis", no_wrap=name != "what")
    for job in status["jobs"][:height]:
        jobs.add_row(
            job["job"],
            Text(PurePath(job["path"]).name),
            job["state"],
            _bar(job),
            str(job["credits"] or ""),
            Text(job["message"] or job["code"] or ""),
        )
    rest = len(status["jobs"]) - height
    lines: list[RenderableType] = [Text(summary(status), style="bold")]
    lines += [Text(line, style="yellow") for line in _holds(status)]
    lines.append(jobs)
    if rest > 0:
        lines.append(Text(f"... and {rest} more"))
    lines += [Text(f"waiting  {w['path']} - {w['why']}") for w in status["waiting"][:height]]
    return Group(*lines)


def _bar(job: dict[str, Any]) -> RenderableType:
    if job["progress"] is None:
        return ""
    return ProgressBar(total=1.0, completed=job["progress"], width=20)
