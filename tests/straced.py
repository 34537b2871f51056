"""strace as a saboteur: it is attached to a process that runs, and makes its N-th system call fail.

It counts the calls of each thread alone, from the moment that it is attached.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@cache
def why_not() -> str:
    """Why nothing can be traced on this machine; "" when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"],
        capture_output=True,
        text=True,
    )
    return "" if probe.returncode == 0 else f"nothing may be traced here: {probe.stderr.strip()}"


@contextmanager
def sabotage(pid: int, injections: Sequence[str], report: Path, *, threads: bool = False) -> Iterator[None]:
    """Let system calls of a process fail inside the block; afterwards it goes on unharmed.

    Args:
        pid: the process.
        injections: as strace's `inject=` takes them, "fsync:error=EIO:when=3".
        report: is filled with the calls that strace saw.
        threads: of all its threads.
    """
    sets = sorted({name for injection in injections for name in injection.split(":")[0].split(",")})
    command = ["strace", "-y", "-o", str(report), "-e", f"trace={','.join(sets)}", "-p", str(pid)]
    command += [flag for injection in injections for flag in ("-e", f"inject={injection}")]
    command += ["-f"] if threads else []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()  # it says so when the process stands still
        assert "attached" in said, said
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)  # it lets go of the process
            strace.wait(30)


def broken(report: Path, do: str) -> str:
    """The calls that were broken in this way, "error=EIO" or "signal=SIGKILL", as strace prints them."""
    kind, _, name = do.partition("=")
    lines = report.read_text().splitlines()
    if kind == "error":
        return "\n".join(line for line in lines if "(INJECTED)" in line and f" {name} " in line)
    return lines[-2] if "+++ killed by" in lines[-1] else ""
