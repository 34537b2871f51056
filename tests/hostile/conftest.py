"""The folder is worked off once for all tests that look at what became of it."""

from collections.abc import Iterator

import pytest

from tests.harness import simulator
from tests.hostile.folder import Outcome, prepare, work_off
from tests.hostile.things import remove_deep_folder


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """What became of all that was put there."""
    with simulator() as runway:
        hostile = prepare(tmp_path_factory.mktemp("hostile"), runway)
        try:
            yield work_off(hostile)
        finally:
            remove_deep_folder(hostile.site.root / "inbox/deep")
