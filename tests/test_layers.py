"""Imports go down only: a module sees what lies in layers below its own, and foreign packages their owner."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import runway_watch

TOP = "runway_watch"
SOURCE = Path(runway_watch.__file__).parent

LAYERS = (
    # L0: words. Everybody may use them.
    {"errors", "job", "clock", "letters", "masking", "sides", "hosts"},
    # L1: the pure core
    {"states", "backoff", "hours", "polling", "wish", "sidecar"},
    {"settle", "drops", "records", "media", "catalogue", "keyfile", "mounts"},
    {"config", "breaker"},
    # L2: what happens next
    {"decide", "holds", "forecast"},
    {"reviving"},
    # L3: the adapters, and who does their blocking work
    {"hands"},
    {"inotify", "log", "notify", "timetable", "ledger", "spool", "api"},
    {"watcher"},
    # L4: the steps of a job
    {"stages"},
    # L5: those who take the steps, and those who tell
    {"daemon", "simulator"},
    {"report", "demo"},
    # L6: the door
    {"cli"},
    {"__main__"},
)
"""Rooms from the ground up. Rooms on the same floor do not see each other."""

OWNERS = {
    "httpx": {"api"},
    "sqlalchemy": {"ledger"},
    "watchdog": {"watcher"},
    "apscheduler": {"timetable"},
    "structlog": {"log"},
    "PIL": {"media", "simulator", "demo"},
    "runwayml": {"catalogue"},
    "aiohttp": {"simulator"},
    "av": {"media", "simulator"},
    "pi_heif": {"media"},
    "tomli_w": {"records"},
    "typer": {"cli"},
    "rich": {"cli", "report", "demo"},
}
"""Who may use what is not ours."""

FLOOR = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}


def name_of(path: Path) -> str:
    return ".".join([TOP, *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports(module: str) -> Iterator[str]:
    """Every module that a module names in an import, wherever in it the import stands."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def room(module: str) -> str | None:
    """The part of the package that a module belongs to; None for the package itself and for strangers."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == TOP and rest else None


def test_every_room_has_a_floor_and_every_floor_only_rooms_that_are_there() -> None:
    assert {found for module in MODULES if (found := room(module))} == set(FLOOR)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_sees_only_what_lies_below(module: str) -> None:
    ours = room(module)
    for seen in imports(module):
        theirs = room(seen)
        if theirs is None or theirs == ours:
            continue
        assert ours is not None, f"the package itself imports {seen}"
        assert FLOOR[theirs] < FLOOR[ours], f"{module} ({FLOOR[ours]}) imports {seen} ({FLOOR[theirs]})"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_foreign_package_is_used_only_by_its_owner(module: str) -> None:
    foreign = {seen.partition(".")[0] for seen in imports(module)} & set(OWNERS)
    assert not {package for package in foreign if room(module) not in OWNERS[package]}


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: {seen for seen in imports(module) if seen in MODULES} for module in MODULES}
    for module, seen in graph.items():
        seen.discard(module)
        seen.discard(TOP)  # its version is a word, not a module
    assert len(list(TopologicalSorter(graph).static_order())) >= len(MODULES) - 1


def test_only_the_clock_reads_the_clock() -> None:
    for module, path in MODULES.items():
        text = path.read_text()
        if room(module) not in ("clock", "simulator"):
            assert "time.time(" not in text, module
            assert "datetime.now(" not in text, module


PURE = frozenset(
    {
        *("errors", "job", "letters", "states", "backoff", "breaker", "polling", "settle", "drops", "wish"),
        *("sides", "sidecar", "records", "decide", "reviving", "holds", "forecast"),
    }
)


@pytest.mark.parametrize("module", sorted(module for module in MODULES if room(module) in PURE))
def test_the_pure_core_knows_no_world(module: str) -> None:
    worldly = {
        "os",
        "io",
        "time",
        "random",
        "logging",
        "socket",
        "pathlib",
        "asyncio",
        "subprocess",
        "shutil",
    }
    seen = {name for name in imports(module) if name in worldly}
    assert seen <= {"pathlib"}
    if "pathlib" in seen:
        assert "import PurePosixPath\n" in MODULES[module].read_text()
