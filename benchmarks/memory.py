"""How much memory a batch of large pictures takes above that of an idle daemon.

python benchmarks/memory.py [--jobs 60] [--megabytes 50]
"""

import argparse
import tempfile
from pathlib import Path

from stage import daemon, drops, simulator


def main() -> None:
    """Run an empty inbox and a full one, and print both peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--megabytes", type=int, default=50)
    wanted = parser.parse_args()
    side = round((wanted.megabytes * 1_000_000 / 3) ** 0.5)
    with (
        tempfile.TemporaryDirectory() as folder,
        simulator(concurrency=60, seconds=5, film_seconds=0.2) as api,
    ):
        idle, full = Path(folder) / "idle", Path(folder) / "full"
        (idle / "inbox").mkdir(parents=True)
        drops(full / "inbox", wanted.jobs, (side, side))
        resting = daemon(idle, api)
        working = daemon(full, api, "[limits]\nuploads = 20\n")
        paid = api.bill()["paid"]
    print(
        f"idle {resting.peak_mb:.0f} MB, {wanted.jobs} pictures of {wanted.megabytes} MB at once "
        f"{working.peak_mb:.0f} MB: {working.peak_mb - resting.peak_mb:.0f} MB above idle, "
        f"{working.peak_mb / resting.peak_mb:.2f} of it; {paid} paid, {working.wall:.0f} s"
    )


if __name__ == "__main__":
    main()
