"""The demo: drop, watch, look. It uses nothing that a real night does not use, but for the simulator."""

import asyncio
import secrets
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.tree import Tree

from runway_watch import config, log
from runway_watch.config import LogSettings
from runway_watch.daemon import Daemon
from runway_watch.daemon.daemon import run
from runway_watch.demo.samples import drop_samples
from runway_watch.job import Place
from runway_watch.simulator import Settings as Like
from runway_watch.simulator import Simulator
from runway_watch.spool import Spool

_SECONDS = 6.0
"""How long a generation of the demo runs: long enough to be seen, short enough to be waited for."""

_WORKS = {"hills": ".mp4", "portraits/boat": ".png", "lighthouse": ".png"}
"""The samples that are to work, below done/, and what comes out."""


def demo(directory: Path | None) -> bool:
    """Show the whole thing. Returns whether it went as it should.

    Args:
        directory: where to make the folders; a temporary folder, which is kept, without it.
    """
    root = (directory or Path(tempfile.mkdtemp(prefix="runway-watch-demo-"))).absolute()
    root.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    spool = Spool(root)
    spool.make()
    console.print(f"The demo's folder is {root}. Dropped into its inbox:")
    for line in drop_samples(spool.inbox):
        console.print(f"  {line}")
    console.print("\nThe daemon's log, with a simulator in place of Runway:\n")
    bill = asyncio.run(_work(root))
    console.print("\nWhat there is now:\n")
    console.print(_tree(root))
    for line in _where_to_look(root, bill):
        console.print(line)
    return _went_well(root, bill)


async def _work(root: Path) -> dict[str, Any]:
    log.set_up(LogSettings(format="console"))
    # A key of its own for each demo: what an earlier one uploaded does not lie with this simulator.
    key = f"key_{secrets.token_hex(64)}"
    async with Simulator(Like(key=key, seconds=_SECONDS, film_seconds=5.0)) as simulator:
        settings = config.parse(_table(root, simulator.base_url), {})
        state = root / ".state"
        daemon = Daemon(
            settings,
            read_key=lambda _: SecretStr(simulator.key),
            ledger_url=f"sqlite:///{state / 'ledger.sqlite3'}",
            lock_path=state / "ledger.lock",
            once=True,
        )
        await run(daemon)
        bill: dict[str, Any] = simulator.bill()
        return bill


def _table(root: Path, url: str) -> dict[str, Any]:
    return {
        "api": {"base_url": url},
        "watch": [{"root": str(root), "settle_seconds": 1.0}],
        "poll": {"min_seconds": 2.0},
    }


def _tree(root: Path) -> Tree:
    tree = Tree(str(root))
    for place in (Place.INBOX, Place.PROCESSING, Place.DONE, Place.FAILED):
        _grow(tree.add(f"{place}/"), root / place)
    return tree


def _grow(branch: Tree, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            _grow(branch.add(f"{path.name}/"), path)
        else:
            branch.add(f"{path.name}  ({_size(path.stat().st_size)})")


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1000:.0f} kB"


def _where_to_look(root: Path, bill: dict[str, Any]) -> Iterator[str]:
    yield f"\nThe film:           {_latest(root / Place.DONE, 'hills*.out.mp4')}"
    yield f"What it cost:       {_latest(root / Place.DONE, 'hills*.result.toml')}"
    record = _latest(root / Place.FAILED, "mistake*.error.toml")
    yield f"Why one failed:     {record}"
    if isinstance(record, Path):
        yield from (f"    {problem}" for problem in tomllib.loads(record.read_text("utf-8"))["problems"])
    price = f"{bill['paid']} generations, {bill['charged']} credits"
    yield f"The simulator's bill: {price}. Nothing was really spent."
    if shared := sum("duplicate_of" in record for record in _results(root)):
        yield f"{shared} of the drops were made before in this folder: they share what came out, for nothing."


def _results(root: Path) -> list[dict[str, Any]]:
    """The newest record of each sample that is to work."""
    found = (_latest(root / Place.DONE, f"{name}*.result.toml") for name in _WORKS)
    return [tomllib.loads(path.read_text("utf-8")) for path in found if isinstance(path, Path)]


def _latest(folder: Path, pattern: str) -> Path | str:
    """The newest file of that name: a demo may be shown in the same folder again. Links are of one age."""
    found = folder.glob(pattern)
    newest = max(found, key=lambda path: (path.stat().st_mtime_ns, len(path.name), path.name), default=None)
    return newest or f"nothing in {folder}"


def _went_well(root: Path, bill: dict[str, Any]) -> bool:
    """Whether everything came out, and was paid for unless it was there already."""
    results = _results(root)
    outputs = [root / Place.DONE / f"{name}.out{ending}" for name, ending in _WORKS.items()]
    new = sum("duplicate_of" not in record for record in results)
    return len(results) == len(outputs) and bill["paid"] == new and all(path.is_file() for path in outputs)
