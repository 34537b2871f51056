"""Orders from outside: left in the ledger, and carried out by the daemon, or here when none runs."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from pydantic import SecretStr

from runway_watch import clock
from runway_watch.config import Settings, read_key
from runway_watch.daemon import Daemon
from runway_watch.errors import ConfigError, LedgerLocked, RunwayWatchError
from runway_watch.job import Job
from runway_watch.ledger import Ledger
from runway_watch.report.places import Places


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
