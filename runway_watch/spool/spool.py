"""The four folders of a watch, and the only hands that move anything in them.

Inputs are only ever renamed: never changed, never replaced, never deleted. Every move is named in the
ledger before it is made, and making it again is harmless: a file that has arrived is recognised by its
inode, or by its size and time where a network drive gives it a new one.

Strangers can write here. Below the four folders everything is done by descriptor, without following a link
(`folder.py`); paths are for messages and records. The four folders themselves are never made on the way:
one that is gone is a share that is gone.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from runway_watch.drops import RECORDS, SIDECAR, join, numbered, safe
from runway_watch.errors import OutputGone, Refusal, SpoolError
from runway_watch.hands import Hands
from runway_watch.job import DROPPABLE, Input, Job, Output, Place
from runway_watch.spool.beneath import opened
from runway_watch.spool.carry import carry, go_back
from runway_watch.spool.checksum import digest_of
from runway_watch.spool.duplicate import MODE, duplicate
from runway_watch.spool.folder import Folder, entered
from runway_watch.spool.ground import Ground, make_folders, survey_ground
from runway_watch.spool.journey import called, journey
from runway_watch.spool.posting import post, take_down
from runway_watch.spool.spot import Spot


class Spool:
    """One watch's folders.

    Args:
        root: the folder that holds inbox/, processing/, done/ and failed/.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hands = Hands(str(root))
        """Who does an event loop's work here."""
        self.ground: Ground | None = None
        """What the root was when it was found to be in order. Only there does a file that is not found count
        as gone; None where nobody has looked."""

    @property
    def inbox(self) -> Path:
        """Where people drop."""
        return self.root / Place.INBOX

    def make(self) -> None:
        """Make the four folders below an existing root. Raises SpoolError when they cannot be made."""
        with _spool_errors():
            make_folders(self.root)

    def where(self, place: Place, folder: str, name: str = "") -> Path:
        """The path of a file in one of the four folders."""
        return self.root / place / folder / name

    def path_of(self, job: Job, item: Input) -> Path:
        """Where an input of a job lies when no move of it is under way."""
        return self.where(job.place, job.folder, called(job, item))

    @contextmanager
    def reading(self, job: Job, item: Input) -> Iterator[BinaryIO]:
        """An input's bytes. Raises Refusal when it is gone or is no plain file any more, SpoolError else."""
        with self.in_place(job.place, join(job.folder, called(job, item))) as file:
            yield file

    @contextmanager
    def in_place(self, place: Place, path: str, *, shared: bool = False) -> Iterator[BinaryIO]:
        """The bytes of a file below one of the four folders. Raises as `reading` does.

        Args:
            place: one of them.
            path: the way down from there.
            shared: it may have other names too, as an output may.
        """
        with _spool_errors(), self._believing(), opened(self.root / place, path, shared=shared) as file:
            yield file

    @contextmanager
    def referred(self, path: str) -> Iterator[BinaryIO]:
        """A file that a person has written the path of, below the inbox. Raises as `reading` does."""
        with _spool_errors(), self._believing(), opened(self.root / Place.INBOX, path, is_typed=True) as file:
            yield file

    def look(self, place: Place, folder: str, name: str) -> os.stat_result | None:
        """What lies under a name, a link as a link; None for nothing.

        Raises:
            SpoolError: nobody can tell; a share that is gone is no empty one.
        """
        with self._entered(place, folder) as open_folder:
            found = Spot(open_folder, name).look()
        if found is None:
            self._be_at_home()
        return found

    def name_for(
        self, job: Job, place: Place, wanted: str, *, outputs: Iterable[str] = (), after: int = 0
    ) -> str:
        """The first name like `wanted` that a job's files, and these outputs, may have; as `free_name`."""
        suffixes = [*(item.suffix for item in job.inputs), *outputs]
        return self.free_name(place, job.folder, safe(wanted), suffixes, after=after)

    def free_name(
        self, place: Place, folder: str, wanted: str, suffixes: Iterable[str], *, after: int = 0
    ) -> str:
        """The first of `wanted`, `wanted (2)` ... that a group may have there.

        Args:
            place: one of the four folders.
            folder: the folder below it.
            wanted: what the group would like to be called.
            suffixes: those of all its files, outputs included.
            after: how many names not to try, because they turned out to be taken.

        Where nobody can look it is the first of them: whoever moves files there replaces nothing.
        """
        # What another group of this name would have counts too, so that outputs and records never meet.
        endings = {*suffixes, *RECORDS, *DROPPABLE, SIDECAR}
        names = (numbered(wanted, n) for n in count(after + 1))
        with suppress(SpoolError), self._entered(place, folder) as found:
            return next(name for name in names if not found.has_any(name + e for e in endings))
        return numbered(wanted, after + 1)

    def carry(self, job: Job, outputs: Mapping[str, Output] | None = None) -> list[str]:
        """Take a job's files where the ledger says that they are being taken.

        Args:
            job: the job, with its target.
            outputs: finished outputs by the suffix of their final name, ".out.mp4".

        Returns:
            The names of inputs that were nowhere to be found.

        Raises:
            NameTaken: something else has the name; what had been moved was moved back.
            OutputGone: an output is at neither end.
            SpoolError: the move failed midway; it can be repeated.
        """
        outputs = outputs or {}
        with _spool_errors(), journey(self.root, job, outputs) as legs:
            missing = carry(legs)
            if missing:
                self._be_at_home()
            gone = {output.staged for output in outputs.values()} & set(missing)
            if gone:
                go_back(legs)  # its siblings are fetched again with it, and must not stand in their own way
        if gone:
            raise OutputGone(f"{', '.join(sorted(gone))} is gone: the output has to be fetched again")
        return missing

    def staging(self, job: Job, name: str) -> Path:
        """Where an output is written before it has a final name: hidden, on the same filesystem."""
        return self.where(Place.PROCESSING, job.folder, name)

    @contextmanager
    def stage(self, job: Job, name: str) -> Iterator[BinaryIO]:
        """A new file there; what an earlier try, or anybody else, has left under the name goes away.

        Raises:
            SpoolError: it cannot be made.
        """
        with self._entered(Place.PROCESSING, job.folder, make=True) as folder:
            file = Spot(folder, name).fresh(MODE)
        with file:
            yield file

    def record(self, job: Job, ending: str, text: str, *, target: bool) -> None:
        """Write a record beside a job's files, whole or not at all.

        Args:
            job: the job.
            ending: RESULT, ERROR or HELD.
            text: the record.
            target: beside where the files are being taken, instead of where they are.

        Raises:
            NameTaken: something else has that name, a record of another job or whatever it is.
            SpoolError: it could not be written.
        """
        place, name = (job.target, job.target_name) if target else (job.place, job.name)
        assert place is not None
        with self._entered(place, job.folder) as folder:
            half = Spot(folder, f".{job.id}{ending}.part")
            post(Spot(folder, f"{name}{ending}"), text, job=job.id, half=half)

    def withdraw(self, job: Job, ending: str, *, place: Place, name: str) -> None:
        """Remove a record of this job that no longer holds. Raises SpoolError."""
        self.take_down(place, job.folder, name + ending, job=job.id)

    def take_down(self, place: Place, folder: str, name: str, *, job: str) -> None:
        """The same for a record by its name, and a job by its id."""
        with self._entered(place, folder) as found:
            take_down(Spot(found, name), job=job)

    def duplicate(
        self, job: Job, staged: str, output: Output, *, of: Job, suffix: str, theirs: "Spool"
    ) -> bool:
        """Give the output of another job a second name, where those of a job are staged.

        Args:
            job, staged: for whom, and the name.
            output: what it has to be.
            of, suffix: whose it is, and the suffix of its name there.
            theirs: that job's folders.

        Returns:
            False when it is not there, or not what it was.

        Raises:
            SpoolError: the folders are in trouble.
        """
        with (
            _spool_errors(),
            entered(theirs.root / of.place, of.folder) as there,
            self._entered(Place.PROCESSING, job.folder, make=True) as here,
        ):
            found = duplicate(Spot(there, of.name + suffix), Spot(here, staged), sha256=output.sha256)
        if not found:
            theirs._be_at_home()  # noqa: SLF001 - a spool like this one
        return found

    def tidy(self, job: Job) -> None:
        """Remove what a filed job leaves in processing/: halves of files, folders that are empty."""
        with suppress(SpoolError), self._entered(Place.PROCESSING, job.folder) as folder:
            for name in folder.names():
                if name.startswith(f".{job.id}") and name.endswith(".part"):
                    Spot(folder, name).unlink()
            self._remove_empty(job.folder)

    def _remove_empty(self, folder: str) -> None:
        """Remove a folder in processing/ and those above it. Raises SpoolError at one that is not empty."""
        while folder:
            folder, _, name = folder.rpartition("/")
            with self._entered(Place.PROCESSING, folder) as above:
                Spot(above, name).remove_folder()

    def present(self, job: Job, place: Place, name: str) -> bool:
        """Whether anything lies where the job's inputs would lie under that name.

        Raises:
            SpoolError: nobody can tell; a share that is gone is no empty one.
        """
        with self._entered(place, job.folder) as folder:
            found = any(Spot(folder, name + item.suffix).look() for item in job.inputs)
        if not found:
            self._be_at_home()
        return found

    def is_unchanged(self, job: Job) -> bool:
        """Whether a job's inputs still are as they were when it was judged. Raises SpoolError."""
        with self._entered(job.place, job.folder) as folder:
            return all(_is_as_seen(Spot(folder, called(job, item)), item) for item in job.inputs)

    def digest(self, job: Job, item: Input) -> str:
        """The SHA-256 of what lies in an input's place. Raises as `reading` does."""
        with self.reading(job, item) as file:
            return digest_of(file)

    def go_back(self, job: Job, outputs: Mapping[str, Output]) -> None:
        """Take back what `carry` has carried, for its name turned out to be no good."""
        with _spool_errors(), journey(self.root, job, outputs) as legs:
            go_back(legs)

    @contextmanager
    def _believing(self) -> Iterator[None]:
        """Let nothing be taken for missing on another ground."""
        try:
            yield
        except Refusal as refusal:
            if refusal.code == "reference.missing":
                self._be_at_home()
            raise

    def _be_at_home(self) -> None:
        """Raises SpoolError when something else stands where the root was."""
        if self.ground is not None and survey_ground(self.root) != self.ground:
            raise SpoolError(f"{self.root} is not the folder that it was: what is not there is not gone")

    @contextmanager
    def _entered(self, place: Place, folder: str, *, make: bool = False) -> Iterator[Folder]:
        """A folder below one of the four; trouble with it, and in the block, is a SpoolError."""
        with _spool_errors(), entered(self.root / place, folder, make=make) as found:
            yield found


def _is_as_seen(spot: Spot, item: Input) -> bool:
    found = spot.look()
    seen = (item.size, item.mtime_ns, item.ino)
    return found is not None and (found.st_size, found.st_mtime_ns, found.st_ino) == seen


@contextmanager
def _spool_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError.of(error, "the folder") from error
