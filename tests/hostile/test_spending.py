"""However many drops ask for however much: what the operator allows for a day is the most that is paid."""

from tests.harness import Site
from tests.hostile.threats import CAP

ASKING = "[job]\nmax_credits = 1000000\npriority = 1000000\nforce = true"


def test_no_crowd_of_drops_passes_the_cap_of_the_day(site: Site) -> None:
    site.config.write_text(f"{site.config.read_text()}\n[budget]\ncredits_per_day = {2 * CAP}\n")
    for n in range(6):
        site.drop(f"{n}.png", text=ASKING)
    assert site.cli("run", "--once").returncode == 1
    assert sum(task["credits"] for task in site.paid()) == 2 * CAP
    assert (site.counts()["done"], sum(site.counts().values())) == (2, 6)
    assert "HOLD budget" in site.cli("status").stdout
