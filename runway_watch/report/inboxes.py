"""What the daemon would make of what lies in the inboxes now. Nothing is moved, made or written.

Every group is judged by the daemon's own admission, hashes and all, but for two things: what has just been
dropped counts as settled, and pictures are not decoded, which takes six times as long as everything else.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from runway_watch import clock
from runway_watch.config import Settings, WatchSettings
from runway_watch.errors import SpoolError
from runway_watch.hands import within
from runway_watch.job import Place
from runway_watch.spool import Spool
from runway_watch.stages.admit import Judged, judge
from runway_watch.stages.desk import Candidate, Desk, Waits
from runway_watch.stages.survey import as_it_lies

ANSWER_SECONDS = 4.0
"""How long a share may take to answer somebody who waits at a terminal."""

Part = tuple[WatchSettings, str]
"""A watch, and the folder or file below its inbox that is meant; "" for all of it."""


@dataclass(slots=True)
class Found:
    """What lies in the inboxes.

    Args:
        drops: jobs as they would be, refused ones with their verdict, in the order of the daemon's look.
        waiting: what is no drop yet, or never will be, and why.
        troubles: inboxes that cannot be read.
    """

    drops: list[Judged] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def inside(settings: Settings, path: Path | None) -> list[Part]:
    """The parts of the inboxes that a path means, all for None; nothing when it is not there or in none."""
    if path is None:
        return [(watch, "") for watch in settings.watch]
    if not os.path.lexists(path):
        return []
    real = path.resolve() if path.is_dir() else path.parent.resolve() / path.name
    for watch in settings.watch:
        inbox = (watch.root / Place.INBOX).resolve()
        if real in (inbox, watch.root.resolve()):
            return [(watch, "")]
        if real.is_relative_to(inbox):
            return [(watch, real.relative_to(inbox).as_posix())]
    return []


def look(settings: Settings, parts: Sequence[Part]) -> Found:
    """Judge everything in these parts of the inboxes.

    A path is one below the inbox where there is one inbox only, else the whole path.
    """
    found = Found()
    for watch, part in parts:
        spool = Spool(watch.root)
        try:
            within(ANSWER_SECONDS, watch.root.stat)
            if os.path.lexists(spool.inbox):  # else the first run makes it
                _look(spool, watch, part, settings, found)
        except (OSError, SpoolError) as error:
            found.troubles.append(f"{spool.inbox} cannot be read: {told(error)}")
    return found


def told(error: OSError | SpoolError) -> str:
    """What is wrong with a folder, in words."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def name(settings: Settings, root: str, path: str) -> str:
    """How a person calls what lies at a path below the inbox of a root."""
    return path if len(settings.watch) == 1 else str(Path(root, Place.INBOX, path))


def _look(spool: Spool, watch: WatchSettings, part: str, settings: Settings, found: Found) -> None:
    seen = as_it_lies(spool, watch)
    waiting = {path: why for path, why in seen.waiting.items() if _in(part, path)}
    for candidate in seen.candidates:
        if not any(_in(part, path) for path in candidate.paths):
            continue
        judged = look_into(candidate, spool, settings)
        if isinstance(judged, Waits):
            waiting |= dict.fromkeys(candidate.paths, judged.why)
        else:
            found.drops.append(judged)
    called = partial(name, settings, str(watch.root))
    found.waiting += [(called(path), why) for path, why in sorted(waiting.items())]


def _in(part: str, path: str) -> bool:
    return not part or path == part or path.startswith(f"{part}/")


def look_into(candidate: Candidate, spool: Spool, settings: Settings) -> Judged | Waits:
    """What admission would say of one, but for the decoding of its pictures."""
    desk = replace(Desk.at(Place.INBOX, spool, settings, now=clock.now()), decodes=False)
    label = f"{spool.root}/{candidate.path(candidate.group.name)}"  # it has no number yet
    return judge(candidate, desk=desk, job_id=label)
