"""A minute of trouble on one share, and another watch beside it: when it is held and goes on, and who waits.

    python benchmarks/shares.py [--seconds 60] [--only hang]

A network drive (FUSE) is taken away in each way that there is, while a drop a second comes in on both roots.
The daemon has its default settings but for `settle_seconds` and `scan_seconds`. For the other watch the
longest time between two films is compared with that of the same time before the trouble. Needs root, and what
the tests of shares need.
"""

import argparse
import errno
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.harness import Site, eventually, picture, sidecar, simulator, unique
from tests.passthrough import Share, passthrough

HOLD = "SELECT since FROM holds WHERE reason = 'share' AND ended_at IS NULL"
CONFIG = """
[api]
base_url = "{base_url}"
[state]
url = "sqlite:///{ledger}"
[[watch]]
root = "{root}"
settle_seconds = 0.5
scan_seconds = 5
[[watch]]
root = "{other}"
settle_seconds = 0.5
scan_seconds = 5
"""


def unmount(share: Share, seconds: float) -> None:
    """Another `st_dev` afterwards."""
    share.unmount()
    time.sleep(seconds)
    share.mount()


def fail(share: Share, seconds: float) -> None:
    """EIO to every call."""
    share.fail(errno.EIO)
    time.sleep(seconds)
    share.heal()


def hang(share: Share, seconds: float) -> None:
    """No answer to any call."""
    share.hang()
    time.sleep(seconds)
    share.heal()


TROUBLES: Mapping[str, Callable[[Share, float], None]] = {
    "unmounted": unmount,
    "EIO": fail,
    "hang": hang,
}


@contextmanager
def dropping(inbox: Path) -> Iterator[list[str]]:
    """Somebody who drops a pair a second; gives the names so far."""
    over, names = threading.Event(), list[str]()

    def drop() -> None:
        for n in count():
            name = f"{n}"
            (inbox / f"{name}.prompt.toml").write_bytes(sidecar(unique()))
            (inbox / f"{name}.png").write_bytes(picture())
            names.append(name)
            if over.wait(1.0):
                return

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        yield names
    finally:
        over.set()
        thread.join()


def gap(done: Path, begin: float, end: float) -> float:
    """The longest time between two films that were filed within a time, seconds."""
    moments = sorted(path.stat().st_ctime for path in done.glob("*.out.mp4"))
    inside = [begin, *(m for m in moments if begin < m < end), end]
    return max(later - sooner for sooner, later in pairwise(inside))


def try_out(name: str, seconds: float, base: Path) -> bool:
    """One trouble; prints its figures. Whether all went well."""
    with simulator(seconds=2.0, concurrency=20) as runway:
        site, other = Site(base, runway), base / "other"
        (other / "inbox").mkdir(parents=True)
        site.root.rename(base / "backing")
        text = CONFIG.format(base_url=runway.base_url, ledger=site.ledger, root=site.root, other=other)
        site.config.write_text(text)
        with passthrough(base / "backing", site.root) as share, site.daemon():
            return _measure(name, seconds, site, other, share)


def _measure(name: str, seconds: float, site: Site, other: Path, share: Share) -> bool:
    with dropping(share.backing / "inbox") as ours, dropping(other / "inbox") as theirs:
        time.sleep(seconds)
        began = time.time()
        ending = threading.Thread(target=TROUBLES[name], args=(share, seconds))
        ending.start()
        [(held,)] = eventually(lambda: site.rows(HOLD), seconds=20, what="the hold")
        ending.join()
        ended = time.time()
        eventually(lambda: not site.rows(HOLD), seconds=60, what="the end of the hold")
        back = time.time()
    total = len(ours) + len(theirs)
    eventually(lambda: site.counts() == {"done": total}, seconds=120, what=f"{total} done")
    paid, usual = len(site.paid()), gap(other / "done", began - seconds, began)
    print(
        f"{name}: held after {held - began:.1f} s, over {back - ended:.1f} s after its end, "
        f"all {total} done {time.time() - back:.1f} s later, {paid} paid; longest gap of the other watch "
        f"{gap(other / 'done', began, ended):.1f} s (before: {usual:.1f} s)",
        flush=True,
    )
    return paid == total and held - began < 10


def main() -> int:
    """All troubles, one after another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=TROUBLES, default=None)
    given = parser.parse_args()
    good = True
    for name in [given.only] if given.only else TROUBLES:
        with tempfile.TemporaryDirectory() as folder:
            good &= try_out(name, given.seconds, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
