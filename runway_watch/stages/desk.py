"""What admission works with: the desk it is given, and the findings it gathers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Self

from runway_watch import catalogue
from runway_watch.config import ApiSettings, Settings
from runway_watch.drops import Group, join
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts, Place, Preparation, Reference, Verdict
from runway_watch.media import Policy
from runway_watch.settle import Sight
from runway_watch.sidecar import JobTable, Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.asking import Asked

NO_PICTURE = "waits for its picture"

Reading = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a file by its path; Refusal when it is not there or no plain file."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group whose files have settled.

    Args:
        folder: in which it lies, below its place.
        group: which files belong together.
        sights: size, time and inode of each file, by name.
        layers: defaults for its folder, the most general first.
        patient: a file that is not whole yet may still become so.
    """

    folder: str
    group: Group
    sights: Mapping[str, Sight]
    layers: Sequence[Sidecar] = ()
    patient: bool = False

    def path(self, name: str) -> str:
        """Where one of its files lies, below its place."""
        return join(self.folder, name)

    @property
    def first(self) -> str:
        """Where its first file lies: no two candidates share one."""
        return self.path(self.group.files[0])

    @property
    def paths(self) -> list[str]:
        """Where its files lie, below its place."""
        return [self.path(name) for name in self.group.files]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the one who admits needs besides the candidate.

    Args:
        root: the watch's root, as the ledger names it.
        place: where the candidate lies: inbox, or failed when it is looked at again.
        reading: opens a file of the candidate by its path below that place.
        referred: opens a referred file by its path below the inbox.
        api: strictness and allowed hosts.
        now: the moment, seconds since 1970.
        credits_per_job: the operator's cap, 0 for none.
        decodes: pictures are decoded to their end too, and converted if they are to be; without that their
            structure has to do.
        convert, keeps_metadata: as the watch has them.
    """

    root: str
    place: Place
    reading: Reading
    referred: Reading
    api: ApiSettings
    now: float
    credits_per_job: int = 0
    decodes: bool = True
    convert: bool = True
    keeps_metadata: bool = False

    @property
    def policy(self) -> Policy:
        """How files are to be sent."""
        return Policy(self.convert, self.keeps_metadata, self.decodes)

    @classmethod
    def at(cls, place: Place, spool: Spool, settings: Settings, *, now: float) -> Self:
        """The desk at one of a watch's four folders."""
        watch = settings.watch_of(spool.root)
        return cls(
            root=str(spool.root),
            place=place,
            reading=partial(spool.in_place, place),
            referred=spool.referred,
            api=settings.api,
            now=now,
            credits_per_job=settings.budget.credits_per_job,
            convert=watch is None or watch.convert,
            keeps_metadata=watch is not None and watch.keep_metadata,
        )


@dataclass(frozen=True, slots=True)
class Waits:
    """It is no drop yet.

    Args:
        why: what for, in words for `status`.
        soon: that may come without a sign.
        still: only a change of its files, or of its folder's defaults, can bring it.
    """

    why: str
    soon: bool = False
    still: bool = False


@dataclass(slots=True)
class Findings:
    """What looking at a candidate has told so far."""

    facts: dict[str, MediaFacts] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    asked: Asked | None = None
    prepared: dict[str, Preparation] = field(default_factory=dict)
    padded: dict[tuple[str, str], Preparation] = field(default_factory=dict)  # by file and shape
    fits: list[dict[str, Preparation]] = field(default_factory=list)  # what each generation has otherwise
    table: JobTable = field(default_factory=JobTable)
    requests: list[catalogue.Request] = field(default_factory=list)  # one for each generation
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def is_uniform(self) -> bool:
        """Whether all generations have their files sent alike."""
        return bool(self.fits) and all(each == self.fits[0] for each in self.fits)

    def noting(self) -> "Noting":
        """Note a refusal and go on looking: a person wants to hear of everything at once."""
        return Noting(self.refusals)

    def verdict(self) -> Verdict | None:
        """All refusals as one; None when there were none."""
        if not self.refusals:
            return None
        first = self.refusals[0]
        if len(self.refusals) == 1:
            told = first.problems or (first.message,)
            return Verdict("admit", first.code, first.message, hint=first.hint, problems=told)
        problems = tuple(p for r in self.refusals for p in (r.problems or (r.message,)))
        message = f"{len(problems)} things are wrong: {problems[0]} (and more)"
        return Verdict("admit", first.code, message, hint=first.hint, problems=problems)


@dataclass(frozen=True, slots=True)
class Noting:
    refusals: list[Refusal]

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, Refusal):
            self.refusals.append(error)
            return True
        return False
