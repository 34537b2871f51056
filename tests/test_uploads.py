"""What lies at Runway is not brought there again: each content once, however many jobs use it."""

import sqlite3
from contextlib import closing

from tests.harness import Site, picture, sidecar, unique

NAMES = ("style.png", "face.png", "place.png")
SIDECAR = """
prompt_text = "{prompt}"
[[reference_images]]
uri = "file:_refs/style.png"
tag = "style"
[[reference_images]]
uri = "file:_refs/face.png"
tag = "face"
[[reference_images]]
uri = "file:{place}"
tag = "place"
[job]
operation = "text_to_image"
"""


def drop(site: Site, count: int) -> None:
    """Jobs that share three references; the third lies under another name for every other one."""
    contents = {name: picture() for name in NAMES}
    for name, content in contents.items():
        site.put(f"_refs/{name}", content)
    site.put("_refs/same place.png", contents["place.png"])
    for n in range(count):
        place = "_refs/place.png" if n % 2 else "_refs/same place.png"
        site.put(f"idea {n}.prompt.toml", SIDECAR.format(prompt=unique(), place=place).encode())


def test_ten_that_start_together_bring_what_they_share_once(site: Site) -> None:
    known = len(site.runway.bill()["uploads"])
    site.runway.fault("upload_slot", {"stall": 0.5}, times=None)  # all ten are there before the first is
    drop(site, 10)
    with site.daemon() as daemon:
        site.reaches(done=10)
        assert len(site.runway.bill()["uploads"]) - known == 3
        site.runway.well()
        for n in range(20):
            text = SIDECAR.format(prompt=unique(), place="_refs/place.png")
            site.put(f"later/{n}.prompt.toml", text.replace("file:_refs", "file:../_refs").encode())
        site.reaches(done=30)
        daemon.stop()
    assert len(site.runway.bill()["uploads"]) - known == 3
    assert site.files("inbox") == sorted(f"_refs/{name}" for name in (*NAMES, "same place.png"))
    site.verify()


def test_what_has_lain_at_runway_for_23_hours_is_brought_anew(site: Site) -> None:
    known = len(site.runway.bill()["uploads"])
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 0
    twin = (site.root / "done/cat.png").read_bytes()
    for hours, uploads in ((22.9, 1), (0.2, 2)):
        with closing(sqlite3.connect(site.ledger)) as ledger:
            ledger.execute("UPDATE uploads SET at = at - ?", (hours * 3600,))
            ledger.commit()
        site.put(f"after {hours}.png", twin)
        site.put(f"after {hours}.prompt.toml", sidecar(unique()))
        assert site.cli("run", "--once").returncode == 0
        assert len(site.runway.bill()["uploads"]) - known == uploads
    site.verify()
