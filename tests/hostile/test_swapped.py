"""Files are swapped between the moment at which they are judged and that at which they are used: in vain."""

import ctypes
import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

from runway_watch.stages.desk import Waits
from tests.harness import Site, eventually, picture, unique
from tests.hostile.things import Thing, link, put
from tests.hostile.threats import STYLED
from tests.samples import PNG, SIDECAR, drop, judged, spool

OTHER = picture()


def _second_name(path: Path) -> None:
    first = path.with_name(f"_{path.name}")
    put(first, OTHER)
    os.link(first, path)


SWAPS: Mapping[str, Thing] = {
    "picture": OTHER,
    "link": link("secret.png"),
    "second name": _second_name,
    "pipe": os.mkfifo,
}
"""What is put in the place of a file, by the name of the drop whose it was."""

SWAPPED = 200
"""So often files are swapped while a daemon works on a dozen drops: some in the middle of every step."""


def uploads(site: Site) -> dict[str, str]:
    """The SHA-256 of all that was ever uploaded, by its address."""
    return {upload["uri"]: upload["sha256"] for upload in site.runway.bill()["uploads"]}


def swap(path: Path, thing: Thing) -> None:
    """Let something have a file's place, from one moment to the next."""
    hidden = path.with_name(f".{path.name}")
    put(hidden, thing)
    hidden.rename(path)


def refer(site: Site, name: str) -> None:
    """Drop a picture that refers to another one."""
    site.put(f"_refs/{name}.png", picture(), counts=False)
    site.put(f"refers to {name}.png", picture())
    text = STYLED.format(unique(), f"file:_refs/{name}.png")
    site.put(f"refers to {name}.prompt.toml", text.encode())


def test_what_is_swapped_after_it_was_accepted_is_not_used(site: Site, outside: Path) -> None:
    before = uploads(site)
    assert site.cli("run", "--once").returncode == 0
    assert site.cli("pause").returncode == 0
    for name in SWAPS:
        site.drop(f"{name}.png")
        refer(site, name)
    with site.daemon() as daemon:
        eventually(lambda: len(site.files("processing")) == 4 * len(SWAPS), what="they are accepted")
        for name, thing in SWAPS.items():
            swap(site.root / f"processing/{name}.png", thing)
            swap(site.root / f"inbox/_refs/{name}.png", thing)
        assert site.cli("resume").returncode == 0
        site.reaches(failed=2 * len(SWAPS))
        assert daemon.stop() == 0
    codes = {name: site.record("failed", name)["code"] for name in site.files("failed") if "error" in name}
    assert set(codes.values()) == {"asset.changed"}
    assert site.paid() == []
    brought = {site.root / f"failed/refers to {name}.png" for name in SWAPS}
    assert {*uploads(site).values()} - {*before.values()} <= {digest(path) for path in brought}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def stranger(root: Path, names: Sequence[str]) -> Iterator[Event]:
    """One who swaps files with others, wherever they are by now; it is told when that was often enough."""
    libc, over, enough = ctypes.CDLL(None), Event(), Event()
    here = -100  # AT_FDCWD

    def swap_on() -> None:
        for n in range(100_000):
            name, place = random.choice(names), random.choice(["inbox", "processing"])
            ends = [os.fsencode(root / place / name), os.fsencode(root / "strange" / name)]
            libc.renameat2(here, ends[0], here, ends[1], 2)  # RENAME_EXCHANGE; it may have gone
            if n == SWAPPED:
                enough.set()
            if over.wait(random.uniform(0, 0.02)):
                return

    thread = Thread(target=swap_on)
    thread.start()
    try:
        yield enough
    finally:
        over.set()
        thread.join()


def test_what_is_uploaded_is_what_was_judged_whatever_is_swapped_meanwhile(site: Site, outside: Path) -> None:
    names = [f"{n}.png" for n in range(12)]
    for n, name in enumerate(names):
        put(site.root / "strange" / name, link("secret.png") if n % 3 else picture())
        site.drop(name)
    with site.daemon() as daemon:
        with stranger(site.root, names) as enough:
            assert enough.wait(30)
        eventually(lambda: sum(site.counts().get(state, 0) for state in ("done", "failed")) == len(names))
        assert daemon.stop() == 0
    rows = site.rows("SELECT json_extract(params, '$.prompt_text'), inputs FROM jobs")
    judged = {prompt: {one["sha256"] for one in json.loads(inputs)} for prompt, inputs in rows}
    for task in site.paid():
        assert uploads(site)[task["body"]["promptImage"]] in judged[task["body"]["promptText"]]
    assert digest(outside / "secret.png") not in uploads(site).values()


def test_what_is_checked_and_hashed_is_what_was_opened_whoever_has_its_name_by_now(tmp_path: Path) -> None:
    where = spool(tmp_path)
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})

    @contextmanager
    def swapped(path: str) -> Iterator[BinaryIO]:
        with where.referred(path) as file:
            swap(where.inbox / path, OTHER)
            yield file

    found = judged(where, reading=swapped)
    assert not isinstance(found, Waits)
    assert [one.sha256 for one in found[0].inputs] == [hashlib.sha256(x).hexdigest() for x in (PNG, SIDECAR)]
