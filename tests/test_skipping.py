"""Where a tool is missing a test says so and is skipped; in CI it fails, so that nobody overlooks it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import REPOSITORY

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="the tool is missing")
def test_marked(): pass

def test_found_out(): pytest.skip("the device is missing")

@pytest.mark.xfail
def test_expected(): assert False
"""
LIKE_OURS = ("-q", "-rs", "-n0", "-p", "tests.conftest", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("where", "counts"), [("", "2 skipped, 1 xfailed"), ("true", "1 failed, 1 xfailed, 1 error")]
)
def test_a_test_without_its_tool_is_skipped_but_not_in_ci(tmp_path: Path, where: str, counts: str) -> None:
    file = tmp_path / "test_tools.py"
    file.write_text(TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *LIKE_OURS, file],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"CI": where},
    )
    assert counts in ran.stdout.splitlines()[-1]
    assert "the tool is missing" in ran.stdout
    assert "the device is missing" in ran.stdout
