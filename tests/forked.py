"""Processes of their own within milliseconds: each is forked from a server that has imported everything."""

import multiprocessing
import os
from collections.abc import Mapping

from tests import killing
from tests.harness import REPOSITORY, Site
from tests.killing import Kill

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.killing"])

KILLED = -9


def run(
    site: Site, *words: str, kill: Kill | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Run the command line on a site's configuration in a process of its own.

    Returns:
        Its exit code; KILLED when it killed itself, as `kill` says.
    """
    # The server takes its search path from the environment, the moment that it is started.
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    given = dict(site.environment if environment is None else environment)
    log = str(site.logs / f"{len(list(site.logs.iterdir()))}.log")
    process = _context.Process(
        target=killing.main, args=([*words, "--config", str(site.config)], given, log, kill)
    )
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"{words} did not come to an end: {site.counts()}")
    code = process.exitcode
    process.close()
    return code
