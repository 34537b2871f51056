"""For all tests: nothing speaks TLS to anybody, so nobody waits for a hundred authorities to be read.

What a test makes of the log is over with it: the next one in the same process finds it as it was. Where CI
is set in the environment, no test is skipped: there every tool has to be.
"""

import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import runwayml
import structlog

from tests import mounting, passthrough
from tests.harness import AUTHORITY, Runway, Site, simulator

os.environ["SSL_CERT_FILE"] = str(AUTHORITY)


def pytest_xdist_auto_num_workers() -> int:
    """Three at a time for each processor: most of what the tests do is wait for other processes."""
    return 3 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that was skipped has failed."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome, report.longrepr = "failed", f"in CI nothing is skipped, and this was: {why}"
    return report


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    """A simulator for all tests of a module."""
    with simulator() as runway:
        yield runway


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    """A watch beside a simulator that is well and quick."""
    stand_in.well()
    stand_in.change(seconds=0.3, concurrency=20)
    return Site(tmp_path, stand_in)


@pytest.fixture(scope="session")
def mounts() -> None:
    """For tests that mount something: see `mounting.needs_mount`."""
    if why := mounting.why_not():
        pytest.skip(why)


@pytest.fixture(scope="session")
def fuse() -> None:
    """For tests on a share that breaks: see `passthrough.needs_fuse`."""
    if why := passthrough.why_not():
        pytest.skip(why)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    before = list(logging.getLogger().handlers)
    yield
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much of the SDK was compared with what we send."""
    passed = terminalreporter.stats.get("passed", [])
    told = [value for report in passed for name, value in report.user_properties if name == "oracle"]
    if told:
        branches, requests = (sum(each[part] for each in told) for part in (0, 1))
        of = f"{branches} endpoint/model branches of {len(told)} endpoints"
        terminalreporter.write_line(f"oracle: {requests} requests, {of}: as runwayml {runwayml.__version__}")
