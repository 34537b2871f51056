"""How long a batch takes, how soon an end is noticed, at how many questions and how much CPU.

Measured against a script of the usual kind, the official SDK in a pool of threads, on the same simulator
settings and the same machine, one after the other.

    python benchmarks/makespan.py [--jobs 60] [--slots 20] [--seconds 10]
"""

import argparse
import hashlib
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from stage import Measured, daemon, drops, measure, simulator

SDK = Path(__file__).with_name("sdk_script.py")


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--slots", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    wanted = parser.parse_args()
    ideal = -(-wanted.jobs // wanted.slots) * wanted.seconds
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (("runway-watch", ours), ("SDK in threads", theirs)):
            work = Path(folder) / name
            work.mkdir()
            drops(work / "inbox", wanted.jobs, (640, 360))
            like = {"seconds": wanted.seconds, "concurrency": wanted.slots, "film_seconds": 0.5}
            with simulator(**like) as api:
                measured, noticed = run(work, api, wanted.slots)
                report(name, api.bill(), measured, noticed, ideal)


def ours(work: Path, api: Any, _: int) -> tuple[Measured, dict[str, float]]:
    """The daemon. Checks that each output is what was served."""
    measured = daemon(work, api)
    served = {task["id"]: [o["sha256"] for o in task["outputs"]] for task in api.bill()["tasks"]}
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (work / "done").glob("*.out.mp4")}
    assert found == {digest for digests in served.values() for digest in digests}, "outputs differ"
    with sqlite3.connect(work / "ledger.sqlite3") as ledger:
        rows = ledger.execute("SELECT task_id, ended_at FROM generations WHERE state = 'done'").fetchall()
    return measured, dict(rows)


def theirs(work: Path, api: Any, slots: int) -> tuple[Measured, dict[str, float]]:
    """The script. It writes down when it noticed each task's end."""
    notes = work / "noticed.txt"
    command = [sys.executable, str(SDK), str(work / "inbox"), str(slots), str(notes)]
    measured = measure(command, {"RUNWAYML_API_SECRET": api.key, "RUNWAYML_BASE_URL": api.base_url})
    pairs = (line.split() for line in notes.read_text().splitlines())
    return measured, {task: float(at) for task, at in pairs}


def report(name: str, bill: dict[str, Any], took: Measured, noticed: dict[str, float], ideal: float) -> None:
    """Print one line of figures."""
    tasks = bill["tasks"]
    late = [noticed[t["id"]] - t["ended_at"] for t in tasks if t["id"] in noticed]
    first = min(t["created_at"] for t in tasks)
    span = max(noticed.values()) - first
    polls = sum(t["polls"] for t in tasks) / len(tasks)
    print(
        f"{name:15} {len(tasks)} tasks, {bill['paid']} paid, {len(noticed)} noticed; "
        f"makespan {span:.1f} s = {span / ideal:.3f} of the ideal {ideal:.0f} s "
        f"({took.wall:.1f} s from start to exit); "
        f"noticed after {sum(late) / len(late):.2f} s (mean) at {polls:.2f} polls; "
        f"{1000 * took.cpu / len(tasks):.0f} ms CPU a job; peak {took.peak_mb:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
