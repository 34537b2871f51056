"""Whatever Runway, the network and the machine do, alone and all at once: the invariants hold afterwards."""

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import SETTINGS, Plan, Tally, wreak
from tests.chaos_faults import FAULTS, families, mixed
from tests.harness import Runway, Site, simulator

FAMILIES = families()
YEAR = "429 with a year"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Runway]:
    with simulator(seconds=0.1) as runway:
        yield runway


@pytest.fixture
def site(stand_in: Runway, tmp_path: Path) -> Site:
    stand_in.well()
    return Site(tmp_path, stand_in, SETTINGS)


def bears(site: Site, plan: Plan) -> Tally:
    """Do it, and see that nothing is lost and nothing paid for twice."""
    tally = wreak(site, plan)
    assert (tally.lost, tally.twice) == (0, 0), tally
    return tally


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_alone_does_no_harm(site: Site, name: str) -> None:
    jobs = 1 if name == YEAR else 4
    rules = [{**rule, "times": 1} for rule in FAULTS[name]]
    tally = bears(site, Plan(jobs, kills=0, seed=zlib.crc32(name.encode()), rules=rules))
    assert all(site.runway.hits())
    assert tally.put_off == (name == YEAR)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fault_and_kills_do_no_harm(site: Site, name: str) -> None:
    rules = FAMILIES[name]
    chance = 0.3 / max(Counter(rule["on"] for rule in rules).values())
    rules = [{**rule, "times": None, "probability": chance} for rule in rules]
    bears(site, Plan(4, kills=2, seed=zlib.crc32(name.encode()), rules=rules, longest=0.3))


@pytest.mark.parametrize("seed", range(1, 5))
def test_all_faults_and_kills_at_once_do_no_harm(tmp_path: Path, seed: int) -> None:
    with simulator(seconds=0.2, seed=seed) as runway:
        site = Site(tmp_path, runway, SETTINGS)
        tally = bears(site, Plan(60, kills=12, seed=seed, rules=mixed(0.01), longest=0.4))
    assert (tally.jobs, tally.kills) == (60, 12)
    assert tally.states["done"] > 30, tally
