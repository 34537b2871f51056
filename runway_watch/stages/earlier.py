"""Whether a drop was here before: then its job goes on, with its history and with what it has cost."""

from collections.abc import Collection, Iterable

from runway_watch.job import Job, Place, State
from runway_watch.reviving import files_of
from runway_watch.spool import Spool
from runway_watch.states import CAN_RETURN, WAITING


def earlier(job: Job, called: Iterable[Job], *, begun: Collection[str], spool: Spool) -> Job | None:
    """The job whose files these were: they have left their place, and it is not filed in done/.

    Args:
        job: what admission makes of the files now.
        called: jobs that have, or had, files of these names, the latest first.
        begun: those of them that have something at Runway, or have got something from there.
        spool: the folders of both.

    Raises:
        SpoolError: nobody can tell; a share that is gone is no empty one.
    """
    return next((was for was in called if _may_be(was, job, begun) and not _is_present(was, spool)), None)


def is_kept(was: Job, begun: Collection[str]) -> bool:
    """Whether files of a job that lie in the inbox again go back to it, and are not begun anew.

    It is at work with them, or one of its generations has brought something; or it is held, or failed, and
    who moved them could not know that yet: that is no person's word, and to send it again may pay twice.
    """
    return was.id in begun or (was.told_at is None if was.state in CAN_RETURN else was.state not in WAITING)


def may_go_on(was: Job) -> bool:
    """Whether to move its files back to the inbox is a person's word that a held job may go on."""
    return was.state is State.HELD and was.told_at is not None


def _may_be(was: Job, job: Job, begun: Collection[str]) -> bool:
    at_rest = was.target is None and was.place in (Place.PROCESSING, Place.FAILED)
    # What is kept goes on with its own files only; of the others, changed files are a mended drop.
    return at_rest and (not is_kept(was, begun) or files_of(was) == files_of(job))


def _is_present(was: Job, spool: Spool) -> bool:
    return spool.present(was, was.place, was.name)
