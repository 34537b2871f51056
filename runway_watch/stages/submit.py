"""Submit: the one paid request. It is sent once; an answer that is lost is never asked for again here."""

from collections.abc import Mapping

from runway_watch import catalogue
from runway_watch.api import Api
from runway_watch.errors import ApiError
from runway_watch.job import Done, Job, Outcome
from runway_watch.stages.trouble import outcome_of


async def submit(job: Job, uris: Mapping[str, str], *, api: Api, tries: int) -> Outcome:
    """Ask Runway for one generation.

    Args:
        job: the job; its state in the ledger is `submitting` already.
        uris: where its media lie, by how the parameters call them.
        api: Runway.
        tries: paid calls for this generation before this one.

    Returns:
        Done with `task_id` and, where Runway said so, `estimated` (credits); Later when it surely was not
        carried out, Never when Runway will not have it, Unsure when nobody knows.
    """
    operation = catalogue.served(job.operation)
    body = catalogue.wire(job.operation, job.params, uris)
    try:
        created = await api.create(operation.path, body)
    except ApiError as error:
        return outcome_of(error, stage="submit", paid=True)
    estimated = {} if created.estimated is None else {"estimated": created.estimated}
    return Done(
        {
            "task_id": created.task_id,
            **estimated,
            "account": api.fingerprint,
            "tries": tries + 1,
            "ended_at": None,
        }
    )
