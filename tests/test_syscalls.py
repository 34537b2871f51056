"""An error at the N-th system call, and death there, for the first N, and some of each of the others.

One job goes from its drop to its end (`tests.one_job`) while strace lets one call fail. A single error is
overcome in the same run, a lasting one ends it with an error of ours, a death loses the memory. Started
again unharmed, the work comes to its end, with every file in one place and nothing paid for twice.
"""

import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import invariants, one_job, straced
from tests.forked import KILLED, Forked
from tests.harness import KEY, PLACES, Runway, Site, eventually, simulator
from tests.one_job import AGAIN, OVER, STUCK

pytestmark = pytest.mark.skipif(bool(straced.why_not()), reason=straced.why_not())

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.killing", "tests.forked", "tests.one_job"])

MEMORY = Path("/dev/shm")  # another filesystem than that of the temporary files
FIRST, STEP = 5, 4


@dataclass(frozen=True)
class Fault:
    """What is done to the process.

    Args:
        on: the system call, by its names on one processor or another.
        do: what happens at the N-th of them.
        least: how many there are at the least, so that none is missed.
        also: what happens besides.
        every: only each so-manieth is tried; otherwise the first ones, and some after them.
        lasting: it happens from the N-th on.
        other_disk: processing/ is on a filesystem of its own.
    """

    on: str
    do: str
    least: int
    also: tuple[str, ...] = ()
    every: int = 1
    lasting: bool = False
    other_disk: bool = False

    def __str__(self) -> str:
        words = [self.on.split(",")[0].strip("?"), self.do.partition("=")[2]]
        words += ["by link"] * (self.also == (NO_FLAG,)) + ["by look"] * (NO_LINK in self.also)
        words += ["to another disk"] * self.other_disk
        return " ".join(words)

    @property
    def numbers(self) -> Iterator[int]:
        """Which of them are hit, one in each run."""
        if self.every > 1:
            return count(1, self.every)
        return chain(range(1, FIRST), count(FIRST, STEP))

    def at(self, n: int) -> list[str]:
        """As strace takes it."""
        return [f"{self.on}:{self.do}:when={n}{'+' if self.lasting else ''}", *self.also]


NO_FLAG = "?renameat2:error=EINVAL"  # as on NFS: a link and an unlink do instead
NO_LINK = "?link,?linkat:error=EPERM"  # as on FAT: a look and a plain rename do
MOVE, RENAME, LINK = "renameat2", "?rename,?renameat", "?link,?linkat"
UNLINK, FOLDER, LOOK = "?unlink,?unlinkat", "?mkdir,?mkdirat", "?newfstatat,?lstat,?stat"
DIE = "signal=SIGKILL"

ERRORS = (
    Fault("fsync", "error=EIO", 6),
    Fault("fdatasync", "error=EIO", 10),
    Fault("openat", "error=EACCES", 20, every=6),
    Fault("openat", "error=EMFILE", 20, every=3),
    Fault("getdents64", "error=EIO", 2),
    Fault("read", "error=EIO", 20, every=7),
    Fault(LOOK, "error=EIO", 60, every=29),
    Fault(MOVE, "error=EACCES", 6),
    Fault(MOVE, "error=EXDEV", 6),
    Fault(RENAME, "error=EACCES", 6, also=(NO_FLAG, NO_LINK)),
    Fault(LINK, "error=EPERM", 6, also=(NO_FLAG,)),
    Fault(LINK, "error=EIO", 6, also=(NO_FLAG,)),
    Fault(UNLINK, "error=EIO", 2),
    Fault(UNLINK, "error=EIO", 5, also=(NO_FLAG,)),
    Fault(FOLDER, "error=ENOSPC", 1),
    Fault("write", "error=ENOSPC", 2),
    Fault("pwrite64", "error=ENOSPC", 50, every=37),
)
LASTING = (
    Fault("fsync", "error=EIO", 5, every=2, lasting=True),
    Fault("fdatasync", "error=EIO", 10, every=4, lasting=True),
    Fault("openat", "error=EMFILE", 20, every=6, lasting=True),
    Fault(MOVE, "error=EACCES", 4, every=2, lasting=True),
    Fault("pwrite64", "error=ENOSPC", 50, every=37, lasting=True),
)
DEATHS = (
    Fault("fsync", DIE, 6),
    Fault("fdatasync", DIE, 10),
    Fault(MOVE, DIE, 6),
    Fault(RENAME, DIE, 6, also=(NO_FLAG, NO_LINK)),
    Fault(LINK, DIE, 6, also=(NO_FLAG,)),
    Fault(UNLINK, DIE, 2),
    Fault(UNLINK, DIE, 5, also=(NO_FLAG,)),
    Fault(FOLDER, DIE, 1),
    Fault("write", DIE, 2),
    Fault("pwrite64", DIE, 50, every=37),
    Fault("fsync", DIE, 10, other_disk=True),
    Fault("?sendfile,?sendfile64", DIE, 2, other_disk=True),
    Fault(MOVE, DIE, 9, other_disk=True),
    Fault(UNLINK, DIE, 5, other_disk=True),
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site on which nothing has happened but that the ledger was made."""
    site = Site(tmp_path_factory.mktemp("opened"), Runway("http://127.0.0.1:9", KEY))
    assert run(site) == STUCK
    return site.base


# -- one process -------------------------------------------------------------------------------------------


def run(site: Site, *faults: str) -> int:
    """Take the job as far as it goes in a process of its own. Returns the exit code."""
    log = site.logs / f"{len(list(site.logs.iterdir()))}.log"
    ours, theirs = _context.Pipe()
    process = Forked(one_job.main, str(site.base), str(log), theirs)
    try:
        assert ours.recv() == "ready"
        with straced.sabotage(process.pid, faults, site.base / "strace.txt") if faults else nullcontext():
            ours.send("go")
            return process.wait(30)
    finally:
        process.kill()


def each(fault: Fault, opened: Path, base: Path) -> Iterator[tuple[Site, int]]:
    """For every N a site with one drop, on which the N-th call was hit, and the exit code."""
    for n in fault.numbers:
        with TemporaryDirectory(dir=MEMORY if fault.other_disk else None) as other:
            site = fresh(opened, base / str(n), Path(other) if fault.other_disk else None)
            code = run(site, *fault.at(n))
            if not straced.broken(site.base / "strace.txt", fault.do):
                assert n > fault.least
                return
            yield site, code


def fresh(opened: Path, base: Path, processing: Path | None) -> Site:
    """A site with one drop."""
    shutil.copytree(opened, base)
    site = Site(base, Runway("http://127.0.0.1:9", KEY))
    (base / "paid").mkdir()
    if processing is not None:
        (site.root / "processing").rmdir()
        (site.root / "processing").symlink_to(processing)
    site.drop("cat.png")
    return site


# -- what is true in the end -------------------------------------------------------------------------------


def goes_on(site: Site) -> str:
    """Run it again unharmed, and look at everything. Returns the state in which the job ends."""
    assert run(site) == OVER
    return ended(site)


def ended(site: Site) -> str:
    """Look at everything when it is over. Returns the state in which the job ended."""
    invariants.check([site.root], site.ledger, bill(site), key=KEY, dropped=site.dropped, logs=site.logs)
    [state] = site.counts()
    if state == "held":
        assert site.rows("SELECT 1 FROM history WHERE event = 'doubt'")
        assert everything(site) == ["processing/cat" + e for e in (".held.toml", ".png", ".prompt.toml")]
    else:
        assert everything(site) == [
            "done/cat" + e for e in (".out.png", ".png", ".prompt.toml", ".result.toml")
        ]
    return state


def bill(site: Site) -> dict[str, object]:
    """What was paid for, in the words of the simulator's bill."""
    [(prompt,)] = site.rows("SELECT json_extract(params, '$.prompt_text') FROM jobs")
    outputs = [{"sha256": one_job.OUTPUT_SHA256}]
    task = {"body": {"promptText": prompt}, "credits": one_job.PRICE, "outputs": outputs}
    return {"tasks": [{"id": path.name} | task for path in (site.base / "paid").iterdir()]}


def everything(site: Site) -> list[str]:
    """All files in the four folders, hidden ones too."""
    found = (path for place in PLACES for path in (site.root / place).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(site.root)) for path in found)


# -- the tests ---------------------------------------------------------------------------------------------


def by_name(faults: tuple[Fault, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=str)


@by_name(ERRORS)
def test_a_single_error_is_overcome_in_the_same_run(fault: Fault, opened: Path, tmp_path: Path) -> None:
    for site, code in each(fault, opened, tmp_path):
        if code == OVER:
            assert ended(site) == "done"
        else:  # it could not be opened: whoever started it starts it again
            assert (code, site.counts()) == (AGAIN, {})
            assert goes_on(site) == "done"


@by_name(LASTING)
def test_a_lasting_error_loses_nothing_and_is_one_of_ours(fault: Fault, opened: Path, tmp_path: Path) -> None:
    for site, code in each(fault, opened, tmp_path):
        assert code in (OVER, STUCK, AGAIN)
        assert goes_on(site) in ("done", "held")


@by_name(DEATHS)
def test_a_death_loses_nothing_and_pays_nothing_twice(fault: Fault, opened: Path, tmp_path: Path) -> None:
    if fault.other_disk and (not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip(f"{MEMORY} is no other filesystem than {tmp_path}")
    ends = []
    for site, code in each(fault, opened, tmp_path):
        assert code == KILLED
        ends.append(goes_on(site))
    assert ends.count("held") < len(ends)


# -- the whole daemon --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "fsync,fdatasync:error=EIO:when=2+3",
        "pwrite64:error=ENOSPC:when=5+20",
        "renameat2:error=EACCES:when=1+2",
        "openat:error=EMFILE:when=3+10",
    ],
)
def test_a_daemon_goes_on_by_itself_when_errors_end(fault: str, tmp_path: Path) -> None:
    report, do = tmp_path / "strace.txt", fault.split(":")[1]
    with simulator() as runway:
        site = Site(tmp_path, runway)
        with site.daemon() as daemon:
            daemon.looks()
            with straced.sabotage(daemon.process.pid, [fault], report, threads=True):
                for n in range(4):
                    site.drop(f"{n}.png")
                eventually(lambda: straced.broken(report, do).count("\n") >= 5, what="errors")
            site.reaches(done=4)
            assert daemon.stop() == 0
        assert len(site.paid()) == 4
        site.verify()
