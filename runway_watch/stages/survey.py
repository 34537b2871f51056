"""Survey: what lies in an inbox, which of it is complete and still, and what the rest waits for."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runway_watch import clock, drops, settle, sidecar
from runway_watch.config import WatchSettings
from runway_watch.drops import Group, join
from runway_watch.errors import Refusal, SpoolError
from runway_watch.settle import Sight, Watched
from runway_watch.spool import Listing, Spool, scan
from runway_watch.stages.desk import NO_PICTURE, Candidate
from runway_watch.stages.presets import seen_defaults

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
            _watch(join(listing.path, name), sight, known, found, now)
        for candidate in _sort(listing, spool, watch, known, found, now):
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
        found.wait(candidate.folder, candidate.group, NO_PICTURE)
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


def _sort(
    listing: Listing, spool: Spool, watch: WatchSettings, known: Known, found: Survey, now: float
) -> Iterator[Candidate]:
    """What is complete and has settled in a folder; why the rest waits is noted."""
    if not listing.files:
        return
    try:
        seen = seen_defaults(spool, watch, listing.path)
    except (Refusal, SpoolError) as error:
        found.waiting |= {join(listing.path, name): str(error) for name in listing.files}
        return
    layers = tuple(layer for layer, _ in seen)
    above = [_watch(layer.name, sight, known, found, now) for layer, sight in seen if sight is not None]
    strange = drops.unsupported(listing.files, convert=watch.convert)
    found.waiting |= {join(listing.path, name): UNSUPPORTED + why for name, why in strange.items()}
    found.waiting |= {join(listing.path, name): RECORD for name in listing.files if drops.is_record(name)}
    for group in drops.pair(listing.files, optional=sidecar.is_optional(layers), convert=watch.convert):
        watched = [found.known.seen[join(listing.path, name)] for name in group.files]
        pause = max(settle.remaining(w, now=now, settle=watch.settle_seconds) for w in (*watched, *above))
        if group.why:
            found.wait(listing.path, group, group.why)
        elif pause > 0:
            found.wait(listing.path, group, ARRIVING)
            found.soonest = pause if found.soonest is None else min(found.soonest, pause)
        else:
            late = [settle.overdue(w, now=now, timeout=watch.settle_timeout_seconds) for w in watched]
            sights = {name: w.sight for name, w in zip(group.files, watched, strict=True)}
            yield Candidate(listing.path, group, sights, layers, patient=not all(late))


def _watch(path: str, sight: Sight, known: Known, found: Survey, now: float) -> Watched:
    """Note one more look at a file."""
    watched = found.known.seen[path] = settle.watch(known.seen.get(path), sight, now)
    return watched
