"""The folder that is worked off once for all who look at it, and for others a site with secrets beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Runway, Site, picture, simulator
from tests.hostile.folder import Outcome, prepare, work_off
from tests.hostile.things import put, remove_deep_folder
from tests.test_spool_strangers import everything


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """What became of all that was put there."""
    with simulator() as runway:
        hostile = prepare(tmp_path_factory.mktemp("hostile"), runway)
        try:
            yield work_off(hostile)
        finally:
            remove_deep_folder(hostile.site.root / "inbox/deep")


@pytest.fixture(scope="session")
def simulated() -> Iterator[Runway]:
    """A simulator."""
    with simulator() as running:
        yield running


@pytest.fixture
def runway(simulated: Runway) -> Iterator[Runway]:
    """The same, for one test; its bill goes on."""
    yield simulated
    simulated.well()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of secrets; in the end it is as it was."""
    folder = tmp_path / "outside"
    put(folder / "secret.png", picture())
    before = everything(folder)
    yield folder
    assert everything(folder) == before


@pytest.fixture
def site(tmp_path: Path, runway: Runway) -> Site:
    """One beside them."""
    return Site(tmp_path / "site", runway)
