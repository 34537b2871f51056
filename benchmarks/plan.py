"""How long `plan` takes over many drops, its start included, and how much of that is not its start.

Small pictures show what reading, checking and pricing a drop costs, large JPEGs what their bytes add.
The start is measured in the same run, as a plan of an empty inbox; the bytes are read once beforehand.

    python benchmarks/plan.py [--drops 1000] [--megabytes 1]
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from stage import Measured, drops, measure

COMMENT = b"\xff\xfe\x00\x0a%08d"
"""A JPEG segment that makes each copy a file of its own."""


def main() -> None:
    """Plan nothing, small pictures and large ones, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drops", type=int, default=1000)
    parser.add_argument("--megabytes", type=float, default=1.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty, small, large = (Path(folder) / name for name in ("empty", "small", "large"))
        (empty / "inbox").mkdir(parents=True)
        start = report("nothing", empty, 0, None)
        drops(small / "inbox", wanted.drops, (320, 180))
        report("small pictures", small, wanted.drops, start)
        jpegs(large / "inbox", wanted.drops, wanted.megabytes)
        report(f"JPEGs of {wanted.megabytes:g} MB", large, wanted.drops, start)


def jpegs(inbox: Path, count: int, megabytes: float) -> None:
    """`count` JPEGs of about that size with sidecars, alike but for a comment."""
    inbox.mkdir(parents=True)
    side = round((megabytes * 1_000_000 / 0.432) ** 0.5)  # noise at this quality takes 0.432 bytes a pixel
    first = inbox / "p0000.jpg"
    Image.frombytes("L", (side, side), os.urandom(side * side)).convert("RGB").save(first, quality=50)
    content = first.read_bytes()
    for n in range(count):
        (inbox / f"p{n:04}.jpg").write_bytes(content[:2] + COMMENT % n + content[2:])
        (inbox / f"p{n:04}.prompt.toml").write_text('prompt_text = "Slow dolly in"\n')


def report(name: str, root: Path, count: int, start: Measured | None) -> Measured:
    """Plan a root and print one line of figures."""
    config = root / "config.toml"
    config.write_text(f'[state]\nurl = "sqlite:///{root}/ledger.sqlite3"\n[[watch]]\nroot = "{root}"\n')
    megabytes = sum(len(path.read_bytes()) for path in (root / "inbox").iterdir()) / 1e6
    words = [sys.executable, "-m", "runway_watch", "plan", "--config", str(config)]
    took = measure(["sh", "-c", 'exec "$@" > /dev/null', "sh", *words], {"RUNWAYML_API_SECRET": ""})
    assert took.code == 0, f"{name}: exit code {took.code}"
    share = "" if start is None else f", {took.wall / start.wall:.1f} times its start"
    each = f", {1000 * (took.cpu - start.cpu) / count:.2f} ms CPU a drop" if start and count else ""
    print(
        f"{name:20} {count:5} drops, {megabytes:6.0f} MB: {took.wall:5.2f} s{share}; "
        f"{took.cpu:.2f} s CPU{each}; peak {took.peak_mb:.0f} MB",
        flush=True,
    )
    return took


if __name__ == "__main__":
    main()
