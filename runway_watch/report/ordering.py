"""Orders from outside: left in the ledger, and carried out by the daemon, or here when none runs."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from pydantic import SecretStr

from runway_watch import clock
from runway_watch.config import Settings, read_key
from runway_watch.daemon import Daemon
from runway_watch.errors import ConfigError, LedgerLocked, RunwayWatchError
from runway_watch.job import Job, State
from runway_watch.ledger import Ledger
from runway_watch.report.places import Places

_DONE = {
    "retry": "done: they go on when the daemon starts",
    "cancel": "done: their files are in failed/",
    "pause": "paused: nothing new begins until `runway-watch resume`",
    "resume": "resumed",
}
_STAYS = {
    "retry": "{} of {} cannot go on: the error files beside them say why",
    "cancel": "{} of {} could not be cancelled: Runway has finished them, or their files are on their way",
}


def give(
    verb: str,
    settings: Settings,
    places: Places,
    environment: Mapping[str, str],
    *,
    jobs: Sequence[Job] = (),
    stays: Collection[State] = (),
) -> tuple[list[str], bool]:
    """Give an order, and say what became of it.

    Args:
        stays: the states of a job with which nothing happened.

    Returns:
        The lines, and whether no job stayed as it was, as far as is known.

    Raises:
        LedgerError, SpoolError: as `order` does.
    """
    if order(verb, settings, places, environment, jobs=jobs):
        return ["ordered: the daemon carries it out"], True
    found = states(places, jobs)
    stay = sum(job.state in stays for job in found)
    lines = [
        f"{job.id} {job.path}: {job.verdict.hint}"
        for job in found
        if verb == "cancel" and job.verdict is not None
    ]
    return [*lines, _STAYS[verb].format(stay, len(jobs)) if stay else _DONE[verb]], stay == 0


def order(
    verb: str, settings: Settings, places: Places, environment: Mapping[str, str], *, jobs: Sequence[Job] = ()
) -> bool:
    """Leave an order about these jobs, or about everything; carry it out when no daemon runs.

    Returns:
        Whether a daemon carries it out, within a second; else it has been.

    Raises:
        LedgerError: the ledger cannot be used.
        SpoolError: a root is not there; nothing of it will be done.
    """
    with Ledger(places.ledger_url) as ledger:
        given = [ledger.order(verb, job, at=clock.now()) for job in [job.id for job in jobs] or [""]]
    key = partial(_key, environment=environment)
    daemon = Daemon(settings, read_key=key, ledger_url=places.ledger_url, lock_path=places.lock)
    try:
        asyncio.run(daemon.carry_out_orders())
    except LedgerLocked:
        return True
    except RunwayWatchError:
        with Ledger(places.ledger_url) as ledger:  # who was told that it failed does not want it done later
            for number in given:
                ledger.carried_out(number)
        raise
    return False


def states(places: Places, jobs: Sequence[Job]) -> list[Job]:
    """These jobs as they stand now; those that are gone are left out."""
    with Ledger(places.ledger_url, readonly=True) as ledger:
        found = [ledger.job(job.id) for job in jobs]
    return [pair[0] for pair in found if pair is not None]


def _key(settings: Settings, environment: Mapping[str, str]) -> SecretStr | None:
    """The key, if there is one: most orders need none."""
    try:
        return read_key(settings, environment)
    except ConfigError:
        return None
