"""The legs of a job's move: which files of it lie in which folder, and what they are to be called there."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runway_watch.job import Input, Job, Output, Place
from runway_watch.spool.carry import Leg, clear_strange, of_input, of_output
from runway_watch.spool.folder import Folder, entered
from runway_watch.spool.spot import Spot


@contextmanager
def journey(root: Path, job: Job, outputs: Mapping[str, Output]) -> Iterator[list[Leg]]:
    """The legs of a move, outputs first, while the folders at both ends are held open.

    Args:
        root: the folder of the four folders.
        job: the job, with its target. Its folder there is made if it is missing.
        outputs: finished outputs by the suffix of their final name, ".out.mp4".

    Raises:
        OSError: one of the four folders is gone, or a folder in it is closed to us.
    """
    assert job.target is not None
    with ExitStack() as stack:
        here = stack.enter_context(entered(root / job.place, job.folder))
        there = stack.enter_context(entered(root / job.target, job.folder, make=True))
        legs = []
        if outputs:
            staging = stack.enter_context(entered(root / Place.PROCESSING, job.folder))
            legs = [_output_leg(job, staging, there, suffix, outputs[suffix]) for suffix in outputs]
        yield legs + [_input_leg(job, here, there, item) for item in job.inputs]


def called(job: Job, item: Input) -> str:
    """The name of an input where it is, when no move of it is under way."""
    return item.dropped_as if job.place is Place.INBOX else job.name + item.suffix


def _input_leg(job: Job, here: Folder, there: Folder, item: Input) -> Leg:
    return Leg(Spot(here, called(job, item)), _target(job, there, item.suffix), of_input(item))


def _output_leg(job: Job, staging: Folder, there: Folder, suffix: str, output: Output) -> Leg:
    staged = Spot(staging, output.staged)
    clear_strange(staged, output)
    return Leg(staged, _target(job, there, suffix), of_output(output, staged))


def _target(job: Job, there: Folder, suffix: str) -> Spot:
    return Spot(there, f"{job.target_name}{suffix}")
