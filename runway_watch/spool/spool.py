"""The four folders of a watch, and the only hands that move anything in them.

Inputs are only ever renamed: never changed, never replaced, never deleted. Every move is named in the
ledger before it is made, and making it again is harmless: a file that has arrived is recognised by its
inode, or by its size and time where a network drive gives it a new one.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from runway_watch.drops import RECORDS, SIDECAR, numbered
from runway_watch.errors import NameTaken, OutputGone, Refusal, SpoolError
from runway_watch.hands import Hands
from runway_watch.job import MEDIA_SUFFIXES, Input, Job, Output, Place
from runway_watch.records import MOST_BYTES, owner_of
from runway_watch.spool.beneath import opened
from runway_watch.spool.carry import Leg, carry, go_back, of_input, of_output
from runway_watch.spool.checksum import digest_of
from runway_watch.spool.duplicate import duplicate
from runway_watch.spool.ground import Ground, make_folders, survey_ground
from runway_watch.spool.rename import sync_folder


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
        name = item.dropped_as if job.place is Place.INBOX else job.name + item.suffix
        return self.where(job.place, job.folder, name)

    @contextmanager
    def reading(self, job: Job, item: Input) -> Iterator[BinaryIO]:
        """An input's bytes. Raises Refusal when it is gone or is no plain file any more, SpoolError else."""
        path = self.path_of(job, item).relative_to(self.root / job.place)
        with self.in_place(job.place, path.as_posix()) as file:
            yield file

    @contextmanager
    def in_place(self, place: Place, path: str) -> Iterator[BinaryIO]:
        """The bytes of a file below one of the four folders. Raises as `reading` does."""
        with _spool_errors(), self._believing(), opened(self.root / place, path) as file:
            yield file

    def referred(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A referred file's bytes, by its path below the inbox. Raises as `reading` does."""
        return self.in_place(Place.INBOX, path)

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
        """
        directory = self.where(place, folder)
        # What another group of this name would have counts too, so that outputs and records never meet.
        endings = {*suffixes, *RECORDS, *MEDIA_SUFFIXES, SIDECAR}
        names = (numbered(wanted, n) for n in count(after + 1))
        return next(n for n in names if not any(os.path.lexists(directory / (n + e)) for e in endings))

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
        legs = self._legs(job, outputs or {})
        with _spool_errors():
            for place in (job.place, job.target):
                self.where(place or job.place, "").stat()  # a share that is not there is no empty one
            missing = carry(legs)
            if missing:
                self._be_at_home()
            if set(missing) & {output.staged for output in (outputs or {}).values()}:
                go_back(legs)  # its siblings are fetched again with it, and must not stand in their own way
        if gone := {output.staged for output in (outputs or {}).values()} & set(missing):
            raise OutputGone(f"{', '.join(sorted(gone))} is gone: the output has to be fetched again")
        return missing

    def _legs(self, job: Job, outputs: Mapping[str, Output]) -> list[Leg]:
        legs = [self._output_leg(job, suffix, output) for suffix, output in outputs.items()]
        return legs + [
            Leg(self.path_of(job, i), self._target(job, i.suffix), of_input(i)) for i in job.inputs
        ]

    def _output_leg(self, job: Job, suffix: str, output: Output) -> Leg:
        staged = self.staging(job, output.staged)
        return Leg(staged, self._target(job, suffix), of_output(output, staged))

    def staging(self, job: Job, name: str) -> Path:
        """Where an output is written before it has a final name: hidden, on the same filesystem."""
        return self.where(Place.PROCESSING, job.folder, name)

    def record(self, job: Job, ending: str, text: str, *, target: bool) -> None:
        """Write a record beside a job's files, whole or not at all.

        Args:
            job: the job.
            ending: RESULT, ERROR or HELD.
            text: the record.
            target: beside where the files are being taken, instead of where they are.

        Raises:
            NameTaken: a record of another job has that name.
            SpoolError: it could not be written.
        """
        path = self._target(job, ending) if target else self.where(job.place, job.folder, job.name + ending)
        with _spool_errors():
            if path.exists() and _owner(path) != job.id:
                raise NameTaken(f"{path} belongs to another job")
            temporary = path.with_name(f".{job.id}{ending}.part")
            _write(temporary, text)
            temporary.replace(path)
            sync_folder(path.parent)

    def withdraw(self, job: Job, ending: str, *, place: Place, name: str) -> None:
        """Remove a record of this job that no longer holds."""
        path = self.where(place, job.folder, name + ending)
        with _spool_errors(), suppress(FileNotFoundError):
            if _owner(path) == job.id:
                path.unlink()

    def duplicate(self, source: Path, target: Path, *, sha256: str) -> bool:
        """Give an output a second name. False when it is not there, or not what it was. Raises SpoolError."""
        with _spool_errors():
            return duplicate(source, target, sha256=sha256)

    def tidy(self, job: Job) -> None:
        """Remove what a filed job leaves in processing/: halves of files, folders that are empty."""
        folder = job.folder
        with suppress(OSError):
            for half in self.where(Place.PROCESSING, folder).glob(f".{job.id}*.part"):
                half.unlink()
            while folder:
                self.where(Place.PROCESSING, folder).rmdir()
                folder = folder.rpartition("/")[0]

    def present(self, job: Job, place: Place, name: str) -> bool:
        """Whether anything lies where the job's inputs would lie under that name.

        Raises:
            SpoolError: nobody can tell; a share that is gone is no empty one.
        """
        with _spool_errors():
            self.where(place, "").stat()
            paths = [self.where(place, job.folder, name + item.suffix) for item in job.inputs]
            found = any(_exists(path) for path in paths)
            if not found:
                self._be_at_home()
            return found

    def is_unchanged(self, job: Job) -> bool:
        """Whether a job's inputs still are as they were when it was judged. Raises SpoolError."""
        with _spool_errors():
            return all(_is_as_seen(self.path_of(job, item), item) for item in job.inputs)

    def digest(self, job: Job, item: Input) -> str:
        """The SHA-256 of what lies in an input's place. Raises as `reading` does."""
        with self.reading(job, item) as file:
            return digest_of(file)

    def go_back(self, job: Job, outputs: Mapping[str, Output]) -> None:
        """Take back what `carry` has carried, for its name turned out to be no good."""
        with _spool_errors():
            go_back(self._legs(job, outputs))

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

    def _target(self, job: Job, suffix: str) -> Path:
        assert job.target is not None
        assert job.target_name is not None
        return self.where(job.target, job.folder, job.target_name + suffix)


def _owner(path: Path) -> str | None:
    """The job that a record belongs to; None for what is none of ours, whatever it is."""
    try:
        with opened(path.parent, path.name) as file:
            return owner_of(file.read(MOST_BYTES + 1))
    except Refusal:
        return None


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as file:  # never through a link that somebody has put there
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _exists(path: Path) -> bool:
    """As `os.path.lexists`, which takes every trouble for absence."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_as_seen(path: Path, item: Input) -> bool:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (found.st_size, found.st_mtime_ns, found.st_ino) == (item.size, item.mtime_ns, item.ino)


@contextmanager
def _spool_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(f"{error.filename or 'the folder'}: {error.strerror or error}") from error
