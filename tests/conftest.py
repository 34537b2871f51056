"""For all tests: nothing speaks TLS to anybody, so nobody waits for a hundred authorities to be read.

What a test makes of the log is over with it: the next one in the same process finds it as it was.
"""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from tests.harness import AUTHORITY

os.environ["SSL_CERT_FILE"] = str(AUTHORITY)


def pytest_xdist_auto_num_workers() -> int:
    """Two at a time for each processor: most of what the tests do is wait for other processes."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    before = list(logging.getLogger().handlers)
    yield
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
    structlog.reset_defaults()
