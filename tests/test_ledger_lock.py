"""One daemon per ledger, however it dies."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runway_watch.errors import LedgerError, LedgerLocked
from runway_watch.ledger import Lock, holder

HOLD = """
import sys
from pathlib import Path
from runway_watch.ledger import Lock
lock = Lock(Path(sys.argv[1]), {"pid": 4711})
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


def other(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock, until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "state/ledger.lock"
    with other(path) as process:
        with pytest.raises(LedgerLocked, match="process 4711"):
            Lock(path, {})
        assert holder(path) == {"pid": 4711}
        process.communicate("")
    assert holder(path) is None
    Lock(path, {"pid": 1}).release()


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    with other(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(path) is None
        lock = Lock(path, {"pid": os.getpid()})
        assert json.loads(path.read_text()) == {"pid": os.getpid()}
        lock.release()
    assert path.read_text() == ""


def test_nobody_holds_a_lock_that_was_never_made(tmp_path: Path) -> None:
    assert holder(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_look_at_the_lock_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    Lock(path, {}).release()
    assert [holder(path) for _ in range(3)] == [None] * 3
    Lock(path, {}).release()


def test_a_lock_that_cannot_be_made_is_the_ledgers_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be locked"):
        Lock(tmp_path / "file/ledger.lock", {})


FULL = """
import json, os, resource, sys
from pathlib import Path
from runway_watch.errors import LedgerError
from runway_watch.ledger import Lock, holder
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # not a byte more, as on a full disk
before = os.listdir("/proc/self/fd")
try:
    Lock(path, {"pid": 1})
except LedgerError as error:
    print(json.dumps([str(error), holder(path), len(os.listdir("/proc/self/fd")) - len(before)]))
"""


def test_a_lock_that_cannot_be_written_to_is_the_ledgers_trouble_and_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [f"{path}: the ledger cannot be locked: File too large", None, 0]


def test_a_lock_that_nobody_can_look_at_is_the_ledgers_trouble(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    path.symlink_to(path)
    with pytest.raises(LedgerError, match="cannot be locked"):
        holder(path)
