"""Everything goes wrong, for as long as wanted: kills at random moments, with all faults at Runway mixed in.

    python benchmarks/kills.py --jobs 5000 --kills 1000 --seed 1

The same as tests/chaos.py does for the tests. Calls in doubt (a kill between the commit of `submitting` and
that of `submitted`, an answer that was lost) are held and stay so. Progress goes to standard error, the
figures to standard output. Exit code 0 when all invariants hold.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.chaos import SETTINGS, Plan, Tally, wreak
from tests.chaos_faults import mixed
from tests.harness import Site, simulator

TELL_SECONDS = 5.0


class Progress:
    """A line now and then; on a terminal always the same one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic() - self._began
        if now - self._told > TELL_SECONDS:
            self._told = now
            start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
            print(f"{start}{now:6.0f} s: {text}", end=end, file=sys.stderr, flush=True)


def main() -> int:
    """Run it, print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probability", type=float, default=0.01, help="Of each fault at each request.")
    parser.add_argument("--longest", type=float, default=1.0, help="Seconds at most from start to kill.")
    parser.add_argument("--patience", type=float, default=900.0, help="Seconds for the last daemon.")
    given = parser.parse_args()
    plan = Plan(
        given.jobs,
        given.kills,
        given.seed,
        rules=mixed(given.probability),
        longest=given.longest,
        patience=given.patience,
    )
    with tempfile.TemporaryDirectory() as folder, simulator(seconds=0.5, seed=given.seed) as runway:
        return _report(wreak(Site(Path(folder), runway, SETTINGS), plan, tell=Progress()))


def _report(tally: Tally) -> int:
    print(file=sys.stderr)
    print(f"jobs {tally.jobs}, kills {tally.kills}, seconds {tally.seconds:.0f}")
    print("signals " + ", ".join(f"{name} {count}" for name, count in tally.signals.most_common()))
    print(f"paid calls {tally.paid}, paid twice {tally.twice}, lost {tally.lost}")
    print("states " + ", ".join(f"{name} {count}" for name, count in tally.states.most_common()))
    print("codes " + ", ".join(f"{name} {count}" for name, count in tally.codes.most_common()))
    print("invariants hold")
    return 1 if tally.lost or tally.twice else 0


if __name__ == "__main__":
    sys.exit(main())
