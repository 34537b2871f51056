"""Who floods one folder keeps nobody waiting who drops into another: folders take turns."""

from tests.harness import Site, eventually, sidecar
from tests.hostile.things import put

FLOOD = 20_000
"""Files, each a whole drop."""


def test_a_drop_beside_a_flood_is_taken_in_before_most_of_it(site: Site) -> None:
    text = sidecar("flood", '[job]\noperation = "text_to_image"')
    for n in range(FLOOD):
        put(site.root / f"inbox/flood/{n}.prompt.toml", text)
    site.drop("other/cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.rows("SELECT 1 FROM jobs WHERE folder = 'other'"), what="it is taken in")
        before = site.rows("SELECT count(*) FROM jobs WHERE folder = 'flood'")
        assert daemon.stop() == 0
    assert before[0][0] < FLOOD / 10
