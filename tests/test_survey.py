"""A look at the inbox: what is complete and still, and why the rest waits."""

import os
from pathlib import Path
from typing import Any

import pytest

from runway_watch.config import WatchSettings
from runway_watch.errors import Refusal
from runway_watch.spool import Spool
from runway_watch.stages.presets import defaults
from runway_watch.stages.survey import ARRIVING, UNSUPPORTED, Known, Survey, survey
from tests.samples import PNG, SIDECAR, drop, spool


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


def look(where: Spool, before: Survey | None = None, *, now: float = 100.0, **changes: Any) -> Survey:
    watch = WatchSettings(root=where.root, **changes)
    return survey(where, watch, before.known if before else Known(), now)


def ready(found: Survey) -> list[tuple[str, tuple[str, ...]]]:
    return [(candidate.folder, candidate.group.files) for candidate in found.candidates]


def test_a_pair_is_taken_when_both_files_have_been_still(where: Spool) -> None:
    drop(where, {"cat.png": PNG}, folder="a")
    first = look(where, now=100.0)
    assert first.waiting == {"a/cat.png": "waits for its sidecar, cat.prompt.toml"}
    drop(where, {"cat.prompt.toml": SIDECAR}, folder="a")
    second = look(where, first, now=101.0)
    assert (second.waiting, second.soonest) == ({"a/cat.png": ARRIVING, "a/cat.prompt.toml": ARRIVING}, 2.0)
    third = look(where, second, now=103.0)
    assert (ready(third), third.waiting, third.soonest) == ([("a", ("cat.png", "cat.prompt.toml"))], {}, None)


def test_a_file_that_changes_begins_to_wait_anew(where: Spool) -> None:
    inbox = drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    first = look(where, now=100.0)
    (inbox / "cat.png").write_bytes(PNG + b"more")
    second = look(where, first, now=102.0)
    assert (ready(second), second.soonest) == ([], 2.0)
    assert ready(look(where, second, now=104.0)) == [("", ("cat.png", "cat.prompt.toml"))]


def test_a_file_from_the_future_settles_like_any_other(where: Spool) -> None:
    inbox = drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    os.utime(inbox / "cat.png", (4e9, 4e9))
    os.utime(inbox / "cat.prompt.toml", (1, 1))
    assert ready(look(where, look(where, now=100.0), now=102.0))


@pytest.mark.parametrize(("now", "patient"), [(699.0, True), (700.0, False)])
def test_patience_ends_when_all_files_have_been_still_for_long(
    where: Spool, now: float, patient: bool
) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    [candidate] = look(where, look(where, now=100.0), now=now).candidates
    assert candidate.patient is patient


def test_what_is_no_drop_is_listed_with_its_reason(where: Spool) -> None:
    drop(
        where,
        {"a.txt": b"", "_b.png": b"", "dog.png": PNG, "cat.png": PNG, "cat.jpg": PNG, "cat.prompt.toml": b""},
    )
    found = look(where)
    assert found.waiting["a.txt"].startswith(UNSUPPORTED)
    assert found.waiting["dog.png"] == "waits for its sidecar, dog.prompt.toml"
    assert set(found.waiting) == {"a.txt", "dog.png", "cat.png", "cat.jpg", "cat.prompt.toml"}


def test_defaults_come_from_the_watch_then_each_folder_on_the_way_down(where: Spool) -> None:
    drop(where, {"_folder.prompt.toml": b'model = "top"\nseed = 1\n'})
    drop(
        where,
        {"_folder.prompt.toml": b'model = "near"\n[job]\nsidecar = "optional"\n', "cat.png": PNG},
        folder="a/b",
    )
    drop(where, {"cat.png": PNG}, folder="a")
    drop(where, {"cat.png": PNG}, folder="a/b/c")
    watch = {"model": "watch", "ratio": "auto", "job": {"priority": 3}}
    found = look(where, settle_seconds=0.0, defaults=watch)
    layers = {candidate.folder: candidate.layers for candidate in found.candidates}
    assert sorted(layers) == ["a/b", "a/b/c"]  # where a bare picture is a drop
    assert [dict(layer.params) for layer in layers["a/b/c"]] == [
        {"model": "watch", "ratio": "auto"},
        {"model": "top", "seed": 1},
        {},
        {"model": "near"},
        {},
    ]
    assert layers["a/b"][0].job == {"priority": 3}


@pytest.mark.parametrize("broken", [b"model = ", b"x" * 20_000, b"job = 3", "model = 1".encode("utf-16")])
def test_a_folders_broken_defaults_hold_its_drops_and_nobody_elses(where: Spool, broken: bytes) -> None:
    pair = {"cat.png": PNG, "cat.prompt.toml": SIDECAR}
    drop(where, {"_folder.prompt.toml": broken, **pair}, folder="bad")
    drop(where, pair, folder="bad/below")
    drop(where, pair, folder="good")
    found = look(where, settle_seconds=0.0)
    assert ready(found) == [("good", ("cat.png", "cat.prompt.toml"))]
    assert set(found.waiting) == {f"{folder}/{name}" for folder in ("bad", "bad/below") for name in pair}
    assert all("bad/_folder.prompt.toml" in why for why in found.waiting.values())


@pytest.mark.parametrize("kind", ["folder", "link", "loop"])
def test_defaults_that_are_no_file_hold_their_folder_and_nobody_else(where: Spool, kind: str) -> None:
    pair = {"cat.png": PNG, "cat.prompt.toml": SIDECAR}
    odd = drop(where, pair, folder="odd") / "_folder.prompt.toml"
    drop(where, pair, folder="good")
    match kind:
        case "folder":
            odd.mkdir()
        case "link":
            odd.symlink_to("/etc/passwd")
        case _:
            odd.symlink_to(odd)
    found = look(where, settle_seconds=0.0)
    assert [folder for folder, _ in ready(found)] == ["good"]
    with pytest.raises(Refusal):
        defaults(where, WatchSettings(root=where.root), "odd")


def test_an_inbox_that_is_gone_is_not_empty(where: Spool) -> None:
    where.inbox.rmdir()
    with pytest.raises(FileNotFoundError):
        look(where)
