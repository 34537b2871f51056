"""What admission works with: the desk it is given, and the findings it gathers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO

from runway_watch import catalogue
from runway_watch.config import ApiSettings
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts, Place, Reference, Verdict
from runway_watch.sidecar import JobTable, Sidecar

Reading = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a file by its path; Refusal when it is not there or no plain file."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the one who admits needs besides the files.

    Args:
        root: the watch's root, as the ledger names it.
        place: the folder in which the group lies: inbox, or failed when it is looked at again.
        reading: opens a file of the group by its path below that folder.
        referred: opens a referred file by its path below the inbox.
        layers: defaults for the group's folder, the most general first.
        api: strictness and allowed hosts.
        credits_per_job: the operator's cap, 0 for none.
        now: the moment, seconds since 1970.
        patient: a file that is not whole yet may still become so.
        decodes: pictures are decoded to their end too; without that their structure has to do.
    """

    root: str
    place: Place
    reading: Reading
    referred: Reading
    layers: Sequence[Sidecar]
    api: ApiSettings
    credits_per_job: int
    now: float
    patient: bool
    decodes: bool = True


@dataclass(frozen=True, slots=True)
class Waits:
    """The group is no drop yet; `why` is for `status`, `soon` whether it may change without a sign."""

    why: str
    soon: bool = False


@dataclass(slots=True)
class Findings:
    """What looking at a group has told so far."""

    facts: dict[str, MediaFacts] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    table: JobTable = field(default_factory=JobTable)
    request: catalogue.Request | None = None
    refusals: list[Refusal] = field(default_factory=list)

    def noting(self) -> "Noting":
        """Note a refusal and go on looking: a person wants to hear of everything at once."""
        return Noting(self.refusals)

    def verdict(self) -> Verdict | None:
        """All refusals as one; None when there were none."""
        if not self.refusals:
            return None
        first = self.refusals[0]
        if len(self.refusals) == 1:
            return Verdict("admit", first.code, first.message, hint=first.hint, problems=first.problems)
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
