"""What must be true whatever was done to a daemon: one function, that believes nobody but the disk.

It reads the four folders, the ledger by sqlite3 alone, and the simulator's bill (I1 to I7 of the faults
that must be survived). It holds while nothing is running, whether or not all work is over.
"""

import hashlib
import json
import re
import sqlite3
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDS = (".result.toml", ".error.toml", ".held.toml")
PLACES = ("inbox", "processing", "done", "failed")
OVER = ("done", "failed", "cancelled")

Row = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the disk and the bill say."""

    roots: Sequence[Path]
    jobs: list[Row]
    calls: dict[str, list[Row]]
    history: dict[str, list[Row]]
    tasks: dict[str, list[Row]]  # by prompt

    def home(self, job: Row) -> Path:
        """The root that has a job's files."""
        root = Path(job["root"])
        return root if root in self.roots else self.roots[0]

    def prompts_of(self, job: Row) -> set[str]:
        """What its generations say; nothing where it was refused before that was known."""
        asked = [job["params"] | call["asks"] for call in self.calls[job["id"]]]
        return {params["prompt_text"] for params in asked if "prompt_text" in params}

    def tasks_of(self, job: Row) -> list[Row]:
        """The tasks that were made for a job, known to the ledger or not."""
        if job["duplicate_of"]:  # it shares what another one paid for
            return []
        prompts = self.prompts_of(job)
        alone = [other for other in self.jobs if not other["duplicate_of"] and other is not job]
        rivals = [other for other in alone if self.prompts_of(other) & prompts]
        assert all(self._shared_in_part(job, other) for other in rivals), f"prompts are not unique: {prompts}"
        told = [json.loads(line["note"]) for other in rivals for line in self.history[other["id"]]]
        theirs = {note["task_id"] for note in told if "task_id" in note}
        tasks = [task for prompt in sorted(prompts) for task in self.tasks.get(prompt, [])]
        return [task for task in tasks if task["id"] not in theirs]

    def _shared_in_part(self, *jobs: Row) -> bool:
        """Whether one of them took what worked of the other, and made the rest itself."""
        return any(line["event"] == "duplicate" for job in jobs for line in self.history.get(job["id"], []))

    def tasks_for(self, job: Row, call: Row) -> list[Row]:
        """The tasks that were made for one of several generations, told apart by what it asks for."""
        asks = job["params"] | call["asks"]
        wanted = {"promptText": asks.get("prompt_text"), "seed": asks.get("seed"), "model": asks.get("model")}
        tasks = self.tasks_of(job)
        return [task for task in tasks if all(task["body"].get(key) == v for key, v in wanted.items())]


_SALVAGED = re.compile(r"\d{6}-[0-9a-f]{8}-\d+-\d+\.[a-z0-9]+")
"""Outputs of a job that was lost with its ledger."""


def check(
    roots: Sequence[Path],
    ledger: Path,
    bill: Mapping[str, Any],
    *,
    key: str,
    dropped: Mapping[str, int],
    logs: Path,
) -> None:
    """Fail unless I1 to I7 hold.

    Args:
        roots: those of all watches.
        ledger: the SQLite file.
        bill: as the simulator gives it.
        key: what must be nowhere.
        dropped: how many files of each SHA-256 were dropped.
        logs: a folder with what the daemons wrote to standard error.
    """
    facts = _read(roots, ledger, bill)
    problems = [
        *(f"I1 {p}" for p in _paid_once(facts)),
        *(f"I2 {p}" for p in _nothing_lost(roots, dropped)),
        *(f"I3 {p}" for p in _rows_and_files(facts)),
        *(f"I4 {p}" for p in _whole_outputs(facts)),
        *(f"I5 {p}" for p in _credits(facts)),
        *(f"I6 {p}" for p in _no_key(key, (*roots, ledger.parent, logs))),
        *(f"I7 {p}" for p in _integrity(ledger)),
        *(f"a bug: {p}" for p in _bugs(logs)),
    ]
    assert not problems, "\n".join(problems)


def _read(roots: Sequence[Path], ledger: Path, bill: Mapping[str, Any]) -> Facts:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        jobs = [_job(dict(row)) for row in db.execute("SELECT * FROM jobs")]
        calls = _by(
            "job", [_call(dict(row)) for row in db.execute("SELECT * FROM generations ORDER BY job, n")]
        )
        history = _by("job", [dict(row) for row in db.execute("SELECT * FROM history ORDER BY id")])
    tasks: dict[str, list[Row]] = {}
    for task in bill["tasks"]:
        tasks.setdefault(task["body"].get("promptText", ""), []).append(task)
    return Facts(roots, jobs, calls, history, tasks)


def _job(row: Row) -> Row:
    return row | {name: json.loads(row[name]) for name in ("params", "inputs", "options")}


def _call(row: Row) -> Row:
    return row | {"asks": json.loads(row["asks"])}


def _by(key: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _paid_once(facts: Facts) -> list[str]:
    """Every paid call beyond a generation's first is there because the history says why."""
    problems = []
    for job in facts.jobs:
        told = facts.history.get(job["id"], [])
        paid, calls = len(facts.tasks_of(job)), len(facts.calls[job["id"]])
        # What comes back as a whole may be paid for as a whole.
        reasons = sum(1 if line["n"] else calls for line in told if line["event"] in ("release", "again"))
        if paid > calls + reasons:
            problems.append(f"{job['id']}: paid {paid} times for {calls} calls and {reasons} reasons")
        problems += _each_paid_once(facts, job)
        known = {call["task_id"] for call in facts.calls[job["id"]] if call["task_id"]}
        if not known <= {task["id"] for tasks in facts.tasks.values() for task in tasks}:
            problems.append(f"{job['id']}: the bill does not know {known}")
    return problems


def _each_paid_once(facts: Facts, job: Row) -> list[str]:
    """The same for each of several generations that ask for different things."""
    calls, told = facts.calls[job["id"]], facts.history.get(job["id"], [])
    asked = [json.dumps(call["asks"], sort_keys=True) for call in calls]
    if len(calls) < 2 or len(set(asked)) < len(asked):
        return []
    problems = []
    for call in calls:
        mine = [line for line in told if line["n"] in (0, call["n"])]
        reasons = sum(line["event"] in ("release", "again") for line in mine)
        if (paid := len(facts.tasks_for(job, call))) > 1 + reasons:
            problems.append(
                f"{job['id']}: generation {call['n']} was paid {paid} times for {reasons} reasons"
            )
    return problems


def _nothing_lost(roots: Sequence[Path], dropped: Mapping[str, int]) -> list[str]:
    there: Counter[str] = Counter()
    for path in (path for root in roots for place in PLACES for path in (root / place).rglob("*")):
        if path.is_file():
            there[_digest(path)] += 1
    wrong = {sha: (there[sha], n) for sha, n in dropped.items() if there[sha] != n}
    return [f"{sha}: found {found} times, dropped {n} times" for sha, (found, n) in wrong.items()]


def _rows_and_files(facts: Facts) -> list[str]:
    problems, known = [], set()
    for job in facts.jobs:
        if job["target"]:  # on its way: I2 says that nothing is lost, start-up brings it home
            places = {job["place"]: job["name"], job["target"]: job["target_name"]}
            known |= {
                facts.home(job) / place / job["folder"] / (name + suffix)
                for place, name in places.items()
                for suffix in _suffixes(job)
            }
            continue
        if job["state"] in OVER and job["place"] != {"done": "done"}.get(job["state"], "failed"):
            problems.append(f"{job['id']} is {job['state']} in {job['place']}/")
        if job["state"] not in OVER and job["place"] != "processing":
            problems.append(f"{job['id']} is {job['state']} and at rest in {job['place']}/")
        folder = facts.home(job) / job["place"] / job["folder"]
        for item in job["inputs"]:
            path = folder / (job["name"] + item["suffix"])
            if not path.is_file():
                problems.append(f"{job['id']}: {path} is not there")
            elif item["sha256"] and _digest(path) != item["sha256"]:
                problems.append(f"{job['id']}: {path} is another file")
        known |= {folder / (job["name"] + suffix) for suffix in _suffixes(job)}
        known |= {folder / (job["name"] + suffix) for suffix, _ in _outputs(facts, job)}
    for folder in (root / place for root in facts.roots for place in ("processing", "done", "failed")):
        strangers = (p for p in folder.rglob("*") if p not in known and not _SALVAGED.fullmatch(p.name))
        problems += [
            f"{path} belongs to no row"
            for path in strangers
            if path.is_file() and not path.name.startswith(".")
        ]
    return problems


def _suffixes(job: Row) -> set[str]:
    return {item["suffix"] for item in job["inputs"]} | set(RECORDS)


def _outputs(facts: Facts, job: Row) -> list[tuple[str, Row]]:
    """A done job's outputs by the end of their names."""
    outputs = [o for call in facts.calls[job["id"]] for o in json.loads(call["outputs"])]
    if len(outputs) == 1:
        return [(f".out{outputs[0]['extension']}", outputs[0])]
    return [(f".out-{k}{output['extension']}", output) for k, output in enumerate(outputs, 1)]


def _whole_outputs(facts: Facts) -> list[str]:
    problems = _leftovers(facts)
    for job in (job for job in facts.jobs if job["state"] == "done"):
        folder = facts.home(job) / job["place"] / job["folder"]
        record = folder / f"{job['name']}.result.toml"
        if not record.is_file():
            problems.append(f"{job['id']}: no {record.name}")
            continue
        told = [
            pair
            for call in tomllib.loads(record.read_text())["generation"]
            for pair in zip(call["outputs"], call["output_sha256"], strict=True)
        ]
        tasks = [task for prompt in facts.prompts_of(job) for task in facts.tasks.get(prompt, [])]
        served = {o["sha256"] for task in tasks for o in task["outputs"]}
        for (suffix, output), (name, sha256) in zip(_outputs(facts, job), told, strict=True):
            path = folder / (job["name"] + suffix)
            if path.name != name or output["sha256"] != sha256:
                problems.append(f"{job['id']}: the record says {name} {sha256}, the ledger {path.name}")
            if not path.is_file() or _digest(path) != sha256 or sha256 not in served:
                problems.append(f"{job['id']}: {path} is not what was served")
        if (folder / f"{job['name']}.error.toml").exists():
            problems.append(f"{job['id']}: done, with an error file")
    for job in (job for job in facts.jobs if job["state"] in ("failed", "cancelled")):
        record = facts.home(job) / job["place"] / job["folder"] / f"{job['name']}.error.toml"
        if not record.is_file() or tomllib.loads(record.read_text())["job"] != job["id"]:
            problems.append(f"{job['id']}: no {record.name} of its own")
    return problems


def _leftovers(facts: Facts) -> list[str]:
    """Hidden files under which something is written: only in processing/, only for jobs that go on."""
    live = {job["id"] for job in facts.jobs if job["state"] not in OVER}
    places = (root / place for root in facts.roots for place in PLACES)
    hidden = (path for place in places for path in place.rglob(".*"))
    return [
        f"{path} is left over"
        for path in hidden
        if path.is_file() and not any(path.name.startswith(f".{job}") for job in live)
    ]


def _credits(facts: Facts) -> list[str]:
    """What the ledger says equals what was charged, wherever all of its calls have a known end."""
    problems = []
    for job in (job for job in facts.jobs if job["state"] in OVER):
        ledger = sum(call["credits"] for call in facts.calls[job["id"]])
        charged = sum(task["credits"] or 0 for task in facts.tasks_of(job))
        told = facts.history.get(job["id"], [])
        unknown = any(line["event"] == "doubt" for line in told)
        unknown |= any((line["was"], line["event"]) == ("submitting", "again") for line in told)
        if any(call["submitted_at"] and not call["ended_at"] for call in facts.calls[job["id"]]):
            unknown |= _record(facts, job).get("charged") == "unknown"
        if ledger > charged or (ledger < charged and not unknown):
            problems.append(f"{job['id']}: {ledger} credits in the ledger, {charged} charged")
    return problems


def _record(facts: Facts, job: Row) -> Row:
    """The record beside a job that is over."""
    ending = "result" if job["state"] == "done" else "error"
    path = facts.home(job) / job["place"] / job["folder"] / f"{job['name']}.{ending}.toml"
    return tomllib.loads(path.read_text())


def _no_key(key: str, tops: Iterable[Path]) -> list[str]:
    needles = (key.encode(), key[4:40].encode(), b"_jwt=")
    return [
        f"{path} holds {needle[:8]!r}..."
        for top in tops
        for path in top.rglob("*")
        if path.is_file()
        for needle in needles
        if needle in path.read_bytes()
    ]


def _bugs(logs: Path) -> list[str]:
    """Lines in which a daemon says itself that something happened that should be impossible."""
    words = ("work.broken", "stage.broken", "job.overtaken", "Traceback", "never retrieved")
    lines = (line for path in logs.rglob("*.log") for line in path.read_text().splitlines())
    return [line for line in lines if any(word in line for word in words)]


def _integrity(ledger: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
        said = [row[0] for row in db.execute("PRAGMA integrity_check")]
        orphans = db.execute("PRAGMA foreign_key_check").fetchall()
    return [line for line in said if line != "ok"] + [f"orphan: {row}" for row in orphans]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
