"""A job's history in words: a line for each event, for somebody who has never seen the state table."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from runway_watch import hours
from runway_watch.job import State

READY, UPLOADING, SUBMITTING, RUNNING = State.READY, State.UPLOADING, State.SUBMITTING, State.RUNNING
COLLECTING, RETIRING, HELD = State.COLLECTING, State.RETIRING, State.HELD
FAILED, CANCELLED = State.FAILED, State.CANCELLED

SENTENCES: Mapping[tuple[State, str], str] = {
    (READY, "accepted"): "accepted: it takes its place in the queue",
    (RETIRING, "refused"): "refused as it was dropped: nothing was asked of Runway",
    (READY, "upload"): "its turn came: what it needs is brought to Runway",
    (READY, "duplicate"): "the job that asked for the same is done: it shares that result and pays nothing",
    (READY, "release"): "its files came back through the inbox: it begins anew",
    (READY, "fail"): "it ended before anything was asked of Runway",
    (UPLOADING, "later"): "the upload did not work: it is tried again",
    (UPLOADING, "uploaded"): "its files lie at Runway",
    (UPLOADING, "stale"): "its files have lain at Runway for too long: they are uploaded again",
    (UPLOADING, "submit"): "the paid request was about to be sent",
    (UPLOADING, "release"): "its files came back through the inbox: it begins anew",
    (UPLOADING, "fail"): "it ended before the paid request was sent",
    (SUBMITTING, "submitted"): "Runway took the paid request and works on it",
    (SUBMITTING, "later"): "the paid request surely was not carried out: it is sent again",
    (SUBMITTING, "doubt"): "no answer to the paid request: held, as nobody knows whether it was paid for",
    (SUBMITTING, "again"): "no answer to the paid request: sent again, as [retry] uncertain_submit says",
    (SUBMITTING, "fail"): "Runway turned the paid request down: nothing was paid",
    (RUNNING, "later"): "Runway could not say how it stands: it is asked again",
    (RUNNING, "succeeded"): "Runway has finished it: the result is fetched",
    (RUNNING, "again"): "it failed at Runway in a way that may pass: it is asked for anew, and paid anew",
    (RUNNING, "fail"): "it came to nothing at Runway",
    (COLLECTING, "later"): "the result could not be fetched yet: it is tried again",
    (COLLECTING, "collected"): "the whole result is here",
    (COLLECTING, "again"): "there was no earlier result to share after all: it runs for itself",
    (COLLECTING, "fail"): "its result could not be had",
    (RETIRING, "later"): "its files could not be moved yet: it is tried again",
    (RETIRING, "recollect"): "its result vanished before it was filed: it is fetched again, for nothing",
    (RETIRING, "done"): "done: its files and the result were moved to done/",
    (RETIRING, "failed"): "failed: its files were moved to failed/, with the reason beside them",
    (RETIRING, "cancelled"): "cancelled: its files were moved to failed/",
    (HELD, "release"): "a person let it go on: it begins anew",
    (HELD, "fail"): "it was ended while it was held",
    (FAILED, "release"): "put back to work: it begins anew",
    (FAILED, "fail"): "it came back, and is refused again",
    (FAILED, "recollect"): "put back to work: what was paid for is only fetched",
    (CANCELLED, "release"): "put back to work: it begins anew",
    (CANCELLED, "fail"): "it came back, and is refused",
    (CANCELLED, "recollect"): "put back to work: what was paid for is only fetched",
}
"""What each event meant, by where the job stood before; the state table has no row that is not here."""

_RESTORED = "the ledger had been lost: it was written down anew from its record and its files"

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def story(rows: Iterable[Mapping[str, Any]], zone: tzinfo) -> Iterator[str]:
    """A line for each row of a job's history, in order.

    Args:
        rows: as the ledger's `story` gives them.
        zone: whose wall clock the times are of.
    """
    rows = list(rows)
    several = any(row["n"] > 1 for row in rows)
    spent: dict[int, int] = {}
    for row in rows:
        whose = f"generation {row['n']}: " if several and row["n"] else ""
        details = ", ".join(_details(row, spent))
        since = f"+{span(row['at'] - rows[0]['at'])}"
        yield f"{local(row['at'], zone)}  {since:<12}  {whose}{_sentence(row)}{details and f' ({details})'}"


def local(moment: float, zone: tzinfo) -> str:
    """A moment (seconds since 1970) as people read it, with its zone."""
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M:%S %Z}"


def here() -> tzinfo:
    """The machine's own zone; UTC where it has none that can be read."""
    try:
        return hours.zone("")
    except ValueError:
        return UTC


def span(seconds: float) -> str:
    """How long, in its two largest units: `2 h 5 min`."""
    left = max(0, round(seconds))
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((k for k, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def _sentence(row: Mapping[str, Any]) -> str:
    """The event in words; one of another version of this program in that version's own."""
    if row["event"] == "restored":
        return _RESTORED
    if row["event"] == "fail" and row["note"].get("code") == "cancelled":
        return "a person cancelled it"
    known = {(state.value, event): told for (state, event), told in SENTENCES.items()}
    return known.get((row["was"], row["event"])) or f"{row['was']}: {row['event']}, now {row['state']}"


def _details(row: Mapping[str, Any], spent: dict[int, int]) -> Iterator[str]:
    """What else the history knows of an event; `spent` is what each generation had cost before it."""
    note, before = row["note"], spent.get(row["n"], 0)
    spent[row["n"]] = note.get("credits", before)
    if note.get("task_id"):
        yield f"task {note['task_id']}"
    if note.get("attempt"):
        yield f"attempt {note['attempt']}"
    code, message = note.get("code") or note.get("reason"), note.get("message")
    if code:
        yield f"{code}: {message}" if message else str(code)
    if spent[row["n"]] > before:
        yield f"{spent[row['n']] - before} credits charged"
