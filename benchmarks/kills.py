"""Kills the daemon at random moments, again and again, and counts what was lost and what was paid twice.

    python benchmarks/kills.py --jobs 60 --kills 50 --seed 1

A simulator and a daemon run as processes; the daemon gets SIGKILL after a random while and is started
again, until it has been killed often enough; then it works until nothing can go on. Doubtful calls (a kill
between the commit of `submitting` and that of `submitted`) are held and stay so. At the end all invariants
are asserted. Exit code 0 when they hold.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.harness import Runway, Site, eventually, simulator

SLOW = 0.3
FOLDERS = ("", "monday/", "monday/morning/", "tuesday/")


def main() -> int:
    """Run it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=1.2, help="Seconds from start of work to kill.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulator(seconds=1.0, concurrency=3) as runway:
        return _try(Path(folder), runway, chosen)


def _try(folder: Path, runway: Runway, chosen: argparse.Namespace) -> int:
    chance = random.Random(chosen.seed)
    site = Site(folder, runway, {"level": "info"})
    # Answers take their time, as they do in life: else hardly any kill would meet a call on its way.
    for place in ("create", "upload_form", "output"):
        runway.fault(place, {"stall_after": SLOW}, times=None, probability=0.5)
    began = time.monotonic()
    drops = list(range(chosen.jobs))
    kills = 0
    while kills < chosen.kills:
        # What is left to drop comes in while it is being killed, so that there is work until the last kill.
        while len(drops) > chosen.jobs * (1 - (kills + 1) / chosen.kills):
            number = drops.pop()
            site.drop(f"{FOLDERS[number % len(FOLDERS)]}picture {number}.png")
        with site.daemon() as daemon:
            eventually(lambda log=daemon.log: "daemon.started" in log.read_text(), what="a start")  # type: ignore[misc]
            time.sleep(chance.uniform(0, chosen.longest))
            daemon.kill()
        kills += 1
        over = sum(site.counts().get(state, 0) for state in ("done", "failed"))
        print(f"\r{kills} kills, {over} of {chosen.jobs} jobs over", end="", file=sys.stderr, flush=True)
    code = site.cli("run", "--once").returncode
    seconds = time.monotonic() - began
    site.verify()
    return _report(site, kills=kills, seconds=seconds, code=code, jobs=chosen.jobs)


def _report(site: Site, *, kills: int, seconds: float, code: int, jobs: int) -> int:
    counts = site.counts()
    tasks = site.paid()
    prompts = [task["body"]["promptText"] for task in tasks]
    twice = len(prompts) - len(set(prompts))
    lost = jobs - sum(counts.values())
    print(file=sys.stderr)
    print(f"jobs {jobs}, kills {kills}, seconds {seconds:.0f}, last exit code {code}")
    print(f"states {counts}, lost {lost}")
    print(f"paid calls {len(tasks)}, paid twice {twice}, held {counts.get('held', 0)}")
    print("invariants hold")
    return 1 if lost or twice else 0


if __name__ == "__main__":
    sys.exit(main())
