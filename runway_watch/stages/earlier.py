"""Whether a drop was here before: then its job goes on, with its history and with what it has cost."""

from collections.abc import Iterable

from runway_watch.job import Job, Place
from runway_watch.spool import Spool
from runway_watch.states import CAN_RETURN, WAITING


def earlier(job: Job, called: Iterable[Job], *, spool: Spool) -> Job | None:
    """The job whose files these were: they have left their place, and it is not filed in done/.

    Args:
        job: what admission makes of the files now.
        called: jobs that have, or had, files of these names, the latest first.
        spool: the folders of both.

    Raises:
        SpoolError: nobody can tell; a share that is gone is no empty one.
    """
    return next((was for was in called if _may_be(was, job) and not _is_present(was, spool)), None)


def is_kept(was: Job) -> bool:
    """Whether files of a job that lie in the inbox again go back to it, and are not begun anew.

    It is at work with them; or it is held, or failed, and who moved them could not know that yet: that is no
    person's word, and to send it again may pay twice.
    """
    if was.state in CAN_RETURN:
        return was.told_at is None
    return was.state not in WAITING


def _may_be(was: Job, job: Job) -> bool:
    at_rest = was.target is None and was.place in (Place.PROCESSING, Place.FAILED)
    # What is kept goes on with its own files only; of the others, changed files are a mended drop.
    return at_rest and (not is_kept(was) or _contents(was) == _contents(job))


def _contents(job: Job) -> set[tuple[str, str]]:
    """What a job's files hold, by their endings."""
    return {(item.suffix, item.sha256) for item in job.inputs}


def _is_present(was: Job, spool: Spool) -> bool:
    return spool.present(was, was.place, was.name)
