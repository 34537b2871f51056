"""Retire: file a finished job. Outputs first, then the inputs, then the record that says it is complete."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runway_watch import records
from runway_watch.errors import NameTaken, OutputGone, SpoolError
from runway_watch.job import Done, Generation, Job, Later, Outcome, Output, Place
from runway_watch.spool import ERROR, HELD, RESULT, Spool
from runway_watch.stages.trouble import folder_trouble

OUTPUT_GONE = "output_gone"
"""The reason not to be filed yet: an output has to be fetched again."""


def endings(calls: Sequence[Generation]) -> Mapping[str, Output]:
    """The outputs of a job by the suffix of their final names: `.out.mp4`, or `.out-1.png`, `.out-2.png`."""
    outputs = [output for call in calls for output in call.outputs]
    if len(outputs) == 1:
        return {f".out{outputs[0].extension}": outputs[0]}
    return {f".out-{k}{output.extension}": output for k, output in enumerate(outputs, 1)}


def endings_of(calls: Sequence[Generation]) -> Mapping[int, Mapping[str, Output]]:
    """The same for each generation that has outputs, by its number."""
    owners = [call.n for call in calls for _ in call.outputs]
    found: dict[int, dict[str, Output]] = {}
    for n, (suffix, output) in zip(owners, endings(calls).items(), strict=True):
        found.setdefault(n, {})[suffix] = output
    return found


def retire(job: Job, calls: Sequence[Generation], *, spool: Spool, at: float) -> Outcome:
    """File the job where its target says, under its target name.

    Args:
        job: the job with a committed target, and its verdict if it failed.
        calls: its generations.
        spool: the watch's folders.
        at: the moment for the record.

    Returns:
        Done with the names of inputs that were `missing`; Later("name_taken") when the name has to be
        chosen anew, with every file back in its place; Later("output_gone") when an output has to be
        fetched again; Later("share") when the folders are in trouble.
    """
    outputs = endings(calls) if job.target is Place.DONE else {}
    try:
        missing = spool.carry(job, outputs)
        if job.target is Place.DONE:
            spool.record(job, RESULT, _result(job, calls, at), target=True)
        elif job.verdict is not None:
            spool.record(job, ERROR, records.error(job, calls, job.verdict), target=True)
        spool.withdraw(job, HELD, place=Place.PROCESSING, name=job.name)
    except NameTaken as error:
        return _back(job, outputs, spool, error)
    except OutputGone as error:
        return Later(OUTPUT_GONE, str(error), counts=False, after=0.0)
    except SpoolError as error:
        return replace(folder_trouble(error), counts=True)  # each pause is longer than the one before
    spool.tidy(job)
    return Done({"missing": missing})


def _back(job: Job, outputs: Mapping[str, Output], spool: Spool, error: NameTaken) -> Later:
    """The files stay together: a record that has no place takes none of them away."""
    try:
        spool.go_back(job, outputs)
    except SpoolError as trouble:
        return Later("share", str(trouble))
    return Later("name_taken", str(error), counts=False, after=0.0)


def _result(job: Job, calls: Sequence[Generation], at: float) -> str:
    names = {n: [f"{job.target_name}{suffix}" for suffix in of_n] for n, of_n in endings_of(calls).items()}
    return records.result(job, calls, names, at=at)
