"""Survey: what lies in an inbox, which of it is complete and still, and what the rest waits for."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runway_watch import clock, drops, settle, sidecar
from runway_watch.config import WatchSettings
from runway_watch.drops import FOLDER_DEFAULTS, Group, join
from runway_watch.errors import Refusal, SpoolError
from runway_watch.settle import Watched
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Listing, Spool, scan
from runway_watch.stages.desk import NO_OPERATION, Candidate

UNSUPPORTED = "unsupported: "
"""How it begins what is said of a file that can be no drop."""

RECORD = "a record that runway-watch wrote beside a job: never a drop; delete it, or move it back to its job"
ARRIVING = "still arriving"


@dataclass(slots=True)
class Known:
    """What one look leaves to the next.

    Args:
        seen: since when each file has been as it is, by path.
        judged: when what had to wait was judged last (monotonic seconds), by the path of its first file.
        still: what waits for nothing but a change, by the same.
    """

    seen: dict[str, Watched] = field(default_factory=dict)
    judged: dict[str, float] = field(default_factory=dict)
    still: dict[str, Candidate] = field(default_factory=dict)


@dataclass(slots=True)
class Survey:
    """The outcome of one look at an inbox."""

    candidates: list[Candidate] = field(default_factory=list)  # what is new first, each folder's in turn
    waiting: dict[str, str] = field(default_factory=dict)  # path -> why
    soonest: float | None = None  # seconds until something may have settled
    known: Known = field(default_factory=Known)

    def wait(self, folder: str, group: Group, why: str) -> None:
        """Note why a group's files stay where they are."""
        self.waiting |= {join(folder, name): why for name in group.files}


def survey(spool: Spool, watch: WatchSettings, known: Known, now: float) -> Survey:
    """Look at the whole inbox once.

    Args:
        spool: the watch's folders.
        watch: its settings.
        known: what the last look left.
        now: the moment on the monotonic clock.

    Raises:
        OSError: the inbox cannot be read; nothing is concluded from that.
    """
    found = Survey()
    for listing in scan(spool.inbox, watch.ignore):
        if listing.unseen:
            found.waiting[listing.path] = listing.unseen
        for name, sight in listing.files.items():
            path = join(listing.path, name)
            found.known.seen[path] = settle.watch(known.seen.get(path), sight, now)
        for candidate in _sort(listing, spool, watch, found, now):
            _compare(candidate, known, found)
    found.candidates = in_turns(found.candidates)
    found.candidates.sort(key=lambda candidate: found.known.judged.get(candidate.first, 0.0))
    return found


def _compare(candidate: Candidate, known: Known, found: Survey) -> None:
    """Let what was judged already wait its turn again, or for a change."""
    first = candidate.first
    if first in known.judged:
        found.known.judged[first] = known.judged[first]
    before = known.still.get(first)
    if before == candidate:
        found.known.still[first] = before
        found.wait(candidate.folder, candidate.group, NO_OPERATION)
    else:
        found.candidates.append(candidate)


def in_turns(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The first of each folder, then the second of each: no folder's heap keeps another's drops waiting."""
    met: Counter[str] = Counter()

    def turn(candidate: Candidate) -> int:
        met[candidate.folder] += 1
        return met[candidate.folder]

    return sorted(candidates, key=turn)


def as_it_lies(spool: Spool, watch: WatchSettings) -> Survey:
    """Look once, for who has not looked before: nobody knows how long it has been still. Raises OSError."""
    return survey(spool, watch.model_copy(update={"settle_seconds": 0.0}), Known(), clock.monotonic())


def defaults(spool: Spool, watch: WatchSettings, folder: str) -> tuple[Sidecar, ...]:
    """What a drop in a folder need not say: `[watch.defaults]` and each `_folder.prompt.toml`, in order.

    Raises:
        Refusal: one of them cannot be read.
    """
    layers = [sidecar.split(watch.defaults, name="[watch.defaults]")]
    layers += [_folder_defaults(spool, above) for above in _chain(folder)]
    return tuple(layers)


def _sort(
    listing: Listing, spool: Spool, watch: WatchSettings, found: Survey, now: float
) -> Iterator[Candidate]:
    """What is complete and has settled in a folder; why the rest waits is noted."""
    if not listing.files:
        return
    try:
        layers = defaults(spool, watch, listing.path)
    except (Refusal, SpoolError) as error:
        found.waiting |= {join(listing.path, name): str(error) for name in listing.files}
        return
    strange = drops.unsupported(listing.files, convert=watch.convert)
    found.waiting |= {join(listing.path, name): UNSUPPORTED + why for name, why in strange.items()}
    found.waiting |= {join(listing.path, name): RECORD for name in listing.files if drops.is_record(name)}
    for group in drops.pair(listing.files, optional=sidecar.is_optional(layers), convert=watch.convert):
        watched = [found.known.seen[join(listing.path, name)] for name in group.files]
        pause = max(settle.remaining(w, now=now, settle=watch.settle_seconds) for w in watched)
        if group.why:
            found.wait(listing.path, group, group.why)
        elif pause > 0:
            found.wait(listing.path, group, ARRIVING)
            found.soonest = pause if found.soonest is None else min(found.soonest, pause)
        else:
            late = [settle.overdue(w, now=now, timeout=watch.settle_timeout_seconds) for w in watched]
            sights = {name: w.sight for name, w in zip(group.files, watched, strict=True)}
            yield Candidate(listing.path, group, sights, layers, patient=not all(late))


def _folder_defaults(spool: Spool, folder: str) -> Sidecar:
    path = join(folder, FOLDER_DEFAULTS)
    try:
        with spool.referred(path) as file:
            raw = file.read(sidecar.MAX_BYTES + 1)
    except Refusal as refusal:
        if refusal.code == "reference.missing":
            return sidecar.EMPTY
        raise
    return sidecar.parse(raw, name=path)


def _chain(folder: str) -> Iterator[str]:
    """A folder and those above it, the inbox itself first."""
    yield ""
    parts = folder.split("/") if folder else []
    for n in range(len(parts)):
        yield "/".join(parts[: n + 1])
