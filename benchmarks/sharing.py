"""How many uploads many jobs take that share a few references, against one for each mention of a file.

python benchmarks/sharing.py [--jobs 1000] [--slots 50]
"""

import argparse
import tempfile
from pathlib import Path

from stage import daemon, noise, simulator

REFERENCES = ("style", "face", "place")


def main() -> None:
    """Drop the jobs, run the daemon once and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=50)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drop(root / "inbox", wanted.jobs)
        options = {"seconds": 0.5, "concurrency": wanted.slots, "daily": 10 * wanted.jobs, "credits": 10**7}
        with simulator(**options) as api:
            measured = daemon(root, api)
            bill = api.bill()
    mentions = len(REFERENCES) * wanted.jobs
    print(f"{len(bill['tasks'])} of {wanted.jobs} jobs paid for once, in {measured.wall:.1f} s")
    print(f"{len(bill['uploads'])} uploads for {mentions} mentions: {len(bill['uploads']) / mentions:.4f}")
    print(f"CPU {1000 * measured.cpu / wanted.jobs:.0f} ms a job, {measured.peak_mb:.0f} MB at the most")


def drop(inbox: Path, count: int) -> None:
    """Sidecars alone, each of which mentions all the references."""
    (inbox / "_refs").mkdir(parents=True)
    for n, name in enumerate(REFERENCES):
        noise(inbox / f"_refs/{name}.png", (640, 360), n)
    tables = "".join(
        f'[[reference_images]]\nuri = "file:_refs/{name}.png"\ntag = "{name}"\n' for name in REFERENCES
    )
    for n in range(count):
        text = f'prompt_text = "idea {n}"\n{tables}[job]\noperation = "text_to_image"\n'
        (inbox / f"idea {n:04}.prompt.toml").write_text(text)


if __name__ == "__main__":
    main()
