"""Files arrive in any order, under any names: a whole drop is taken once, the rest stays and is told of.

The real inbox, ledger and folders; Runway's address is a closed port, and nobody calls it.
"""

import asyncio
import hashlib
import io
import tempfile
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from runway_watch import config, drops, log
from runway_watch.api import Api, Courier
from runway_watch.config import LogSettings
from runway_watch.daemon.bench import Bench
from runway_watch.daemon.clerk import Clerk
from runway_watch.daemon.inbox import Inbox
from runway_watch.job import Job, Place, State
from runway_watch.ledger import Ledger
from runway_watch.spool import Spool

VIDEO = b'prompt_text = "x"\n'
IMAGE = b'prompt_text = "@image in snow"\n[job]\noperation = "text_to_image"\n'
ALONE = b'prompt_text = "a lighthouse"\n[job]\noperation = "text_to_image"\n'
CLOSED_PORT = "http://127.0.0.1:9"


@dataclass
class Stage:
    """An inbox and what belongs to it."""

    inbox: Inbox
    ledger: Ledger
    root: Path

    def put(self, path: str, content: bytes) -> None:
        """Let a file appear in the inbox, at once and whole."""
        target = self.root / "inbox" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.parent / ".arriving"
        hidden.write_bytes(content)
        hidden.rename(target)

    def jobs(self) -> list[Job]:
        """Everything that was ever taken."""
        return self.ledger.latest()

    def files(self) -> dict[str, list[str]]:
        """Where each content lies, by checksum."""
        found: dict[str, list[str]] = {}
        for place in Place:
            for path in (self.root / place).rglob("*"):
                if path.is_file():
                    where = found.setdefault(digest(path.read_bytes()), [])
                    where.append(str(path.relative_to(self.root)))
        return found


@asynccontextmanager
async def stage(base: Path) -> AsyncIterator[Stage]:
    root = base / "root"
    root.mkdir()
    spool = Spool(root)
    spool.make()
    table = {"watch": [{"root": str(root), "settle_seconds": 0}], "api": {"base_url": CLOSED_PORT}}
    chosen = config.parse(table, {})
    ledger = Ledger(f"sqlite:///{base / 'ledger.sqlite3'}")
    clerk = Clerk(ledger)
    async with Api(base_url=CLOSED_PORT, key="key_" + "0" * 128) as api, Courier(allow_http=True) as courier:
        spools = {str(root): spool}
        tools: dict[str, Any] = {"api": api, "courier": courier, "spools": spools, "wake": lambda: None}
        bench = Bench.furnished(chosen, ledger=ledger, clerk=clerk, **tools)
        try:
            yield Stage(Inbox(bench, chosen.watch[0], spool), ledger, root)
        finally:
            clerk.close()
            ledger.close()


def play(act: Callable[[Stage], Awaitable[None]]) -> None:
    """Run an act on a stage of its own."""
    log.set_up(LogSettings(level="error", format="json"))

    async def work() -> None:
        with tempfile.TemporaryDirectory(prefix="arrival-") as base:
            async with stage(Path(base)) as ready:
                await act(ready)

    asyncio.run(asyncio.wait_for(work(), 30))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def picture(extension: str, n: int) -> bytes:
    """The n-th picture of a kind; no two are alike."""
    image = Image.effect_noise((320, 180), 40).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}[extension.lower()])
    return buffer.getvalue()


# -- what may be dropped ------------------------------------------------------------------------------------

EXTENSIONS = st.sampled_from([".png", ".jpg", ".jpeg", ".webp", ".PNG", ".Jpg"])
WORDS = st.sampled_from(["cat", "é", "Zoë ñandú", "v1.2 final", "日本語", "\U0001f981", "o'n", "x" * 9])
TAILS = st.sampled_from(["", " ", " (2)", ".v2", "-", "#1", "%20", ".prompt"])
FOLDERS = st.sampled_from(["", "holiday", "holiday/mon day", "Übung", "a/b/c/d"])
FORMS: st.SearchStrategy[Literal["NFC", "NFD"]] = st.sampled_from(["NFC", "NFD"])


@dataclass(frozen=True)
class Drop:
    """Files that come together or one by one. `groups` are those that shall be taken, by file name."""

    files: Mapping[str, bytes]
    groups: tuple[frozenset[str], ...]
    kind: str


@st.composite
def drop(draw: st.DrawFn, number: int) -> Drop:
    """One drop; the number in its name keeps it apart from the others."""
    folder = draw(FOLDERS)
    stem = f"{draw(WORDS)}{number}{draw(TAILS)}"
    one, other = (unicodedata.normalize(draw(FORMS), stem) for _ in range(2))
    extension = draw(EXTENSIONS)
    kind = draw(st.sampled_from(sorted(KINDS)))
    files, groups = KINDS[kind](one, other, extension, draw(st.sampled_from([VIDEO, IMAGE])), number)
    path = f"{folder}/{{}}" if folder else "{}"
    marked = {
        path.format(name): content if b"\x00" in content else content + f"# {number} {name}\n".encode()
        for name, content in files.items()
    }
    taken = tuple(frozenset(path.format(name) for name in group) for group in groups)
    return Drop(marked, taken, kind)


Files = dict[str, bytes]
Made = tuple[Files, list[set[str]]]


def shared(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    files = {one + extension: picture(extension, n), f"{other}.prompt.toml": text}
    return files, [set(files)]


def own(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    files = {one + extension: picture(extension, n), f"{other}{extension}.prompt.toml": text}
    return files, [set(files)]


def twins(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    """Two pictures of one name, each with its own sidecar: two drops that want the same name."""
    first, _ = own(one, other, ".png", text, n)
    second, _ = own(one, other, ".webp", text, n)
    return first | second, [set(first), set(second)]


def alone(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    files = {f"{one}.prompt.toml": ALONE}
    return files, [set(files)]


def bare(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    return {one + extension: picture(extension, n)}, []


def orphan(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    return {f"{one}{extension}.prompt.toml": ALONE}, []


def needy(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    return {f"{one}.prompt.toml": text}, []


def truncated(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    whole = picture(extension, n)
    return {one + extension: whole[: len(whole) * 2 // 3], f"{other}.prompt.toml": text}, []


def unsupported(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    return {f"{one}.psd": b"8BPS\x00" + str(n).encode() * 200}, []


def junk(one: str, other: str, extension: str, text: bytes, n: int) -> Made:
    content = picture(extension, n)
    names = (f".{one}{extension}", f"~{one}{extension}", f"_{one}{extension}", f"{one}{extension}.part")
    files = {name: content + bytes([0, i]) for i, name in enumerate(names)}
    return files | {f"_refs{n}/{one}{extension}": content + b"\x00ref", f"_{one}.prompt.toml": ALONE}, []


KINDS: Mapping[str, Callable[[str, str, str, bytes, int], Made]] = {
    made.__name__: made
    for made in (shared, own, twins, alone, bare, orphan, needy, truncated, unsupported, junk)
}


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Drop], list[str | None]]:
    """Drops, and the order in which their files come; None is a look of the inbox in between."""
    wanted = [draw(drop(number)) for number in range(draw(st.integers(1, 5)))]
    order: list[str | None] = [path for one in wanted for path in one.files]
    looks: list[str | None] = [None] * draw(st.integers(0, 4))
    return wanted, draw(st.permutations(order + looks))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrivals())
def test_every_complete_drop_is_taken_once_and_everything_else_stays(
    arriving: tuple[list[Drop], list[str | None]],
) -> None:
    wanted, order = arriving
    contents = {path: content for one in wanted for path, content in one.files.items()}
    for one in wanted:
        event(one.kind)

    async def act(stage: Stage) -> None:
        for path in order:
            if path is None:
                await stage.inbox.look()
            else:
                stage.put(path, contents[path])
        for _ in range(3):  # the last two find nothing new
            await stage.inbox.look()
        _assert_all_in_one_place(stage, contents)
        _assert_taken_once_and_as_pairs(stage, wanted, contents)
        _assert_the_rest_lies_untouched(stage, wanted, contents)

    play(act)


def _assert_all_in_one_place(stage: Stage, contents: Mapping[str, bytes]) -> None:
    found = stage.files()
    assert sorted(found) == sorted(digest(content) for content in contents.values())
    assert [places for places in found.values() if len(places) != 1] == []


def _assert_taken_once_and_as_pairs(stage: Stage, wanted: list[Drop], contents: Mapping[str, bytes]) -> None:
    groups = [group for one in wanted for group in one.groups]
    expected = Counter(frozenset(digest(contents[path]) for path in group) for group in groups)
    jobs = stage.jobs()
    assert Counter(frozenset(item.sha256 for item in job.inputs) for job in jobs) == expected
    assert all(job.state is State.READY and job.place is Place.PROCESSING for job in jobs)
    found = {checksum: places[0] for checksum, places in stage.files().items()}
    for group in groups:
        places = {found[digest(contents[path])] for path in group}
        (folder,) = {str(Path(place).parent) for place in places}
        (dropped,) = {str(Path("processing", path).parent) for path in group}
        assert folder == dropped, "it lies in another folder than it was dropped into"
        names = [path.name for path in (stage.root / folder).iterdir() if path.is_file()]
        pairs = [{f"{folder}/{name}" for name in pair.files} for pair in drops.pair(names) if not pair.why]
        assert places in pairs


def _assert_the_rest_lies_untouched(stage: Stage, wanted: list[Drop], contents: Mapping[str, bytes]) -> None:
    taken = {path for one in wanted for group in one.groups for path in group}
    stays = {path for one in wanted for path in one.files} - taken
    for path in stays:
        assert (stage.root / "inbox" / path).read_bytes() == contents[path]
    told = {path for one in wanted if one.kind != "junk" for path in one.files} - taken
    assert set(stage.inbox.waiting) == told
    assert all(stage.inbox.waiting.values())


# -- single cases -------------------------------------------------------------------------------------------


def test_the_same_name_dropped_again_and_again_is_numbered_as_a_group() -> None:
    async def act(stage: Stage) -> None:
        for n in range(3):
            stage.put("cat.png", picture(".png", n))
            await stage.inbox.look()
            stage.put("cat.prompt.toml", VIDEO + f"# {n}\n".encode())
            await stage.inbox.look()
        names = sorted(path.name for path in (stage.root / "processing").iterdir())
        assert names == sorted(
            f"cat{tail}{end}" for tail in ("", " (2)", " (3)") for end in (".png", ".prompt.toml")
        )
        assert len(stage.jobs()) == 3

    play(act)


@pytest.mark.parametrize("late", [".jpg", ".png"])
def test_two_pictures_for_one_sidecar_wait_until_it_is_said_whose_it_is(late: str) -> None:
    async def act(stage: Stage) -> None:
        stage.put("cat.png", picture(".png", 0))
        stage.put("cat.jpg", picture(".jpg", 0))
        stage.put("cat.prompt.toml", VIDEO)
        assert await stage.inbox.look() is None
        why = "cat.prompt.toml could belong to cat.jpg or cat.png: name it cat.jpg.prompt.toml or the like"
        assert stage.inbox.waiting == dict.fromkeys(["cat.jpg", "cat.png", "cat.prompt.toml"], why)
        (stage.root / "inbox/cat.prompt.toml").rename(stage.root / f"inbox/cat{late}.prompt.toml")
        await stage.inbox.look()
        (job,) = stage.jobs()
        assert job.path == f"cat{late}"
        other = ".png" if late == ".jpg" else ".jpg"
        assert stage.inbox.waiting == {f"cat{other}": "waits for its sidecar, cat.prompt.toml"}

    play(act)


def test_a_folders_defaults_make_a_bare_picture_a_drop() -> None:
    async def act(stage: Stage) -> None:
        stage.put("preset/cat.png", picture(".png", 0))
        await stage.inbox.look()
        assert set(stage.inbox.waiting) == {"preset/cat.png"}
        stage.put("preset/_folder.prompt.toml", VIDEO + b'[job]\nsidecar = "optional"\n')
        await stage.inbox.look()
        (job,) = stage.jobs()
        assert (job.path, job.params["prompt_text"]) == ("preset/cat.png", "x")
        assert stage.inbox.waiting == {}

    play(act)


def test_nothing_is_concluded_from_an_inbox_that_cannot_be_read() -> None:
    async def act(stage: Stage) -> None:
        stage.put("cat.png", picture(".png", 0))
        await stage.inbox.look()
        (stage.root / "inbox").rename(stage.root / "away")
        with pytest.raises(Exception, match="inbox"):
            await stage.inbox.look()
        assert stage.inbox.waiting == {"cat.png": "waits for its sidecar, cat.prompt.toml"}
        (stage.root / "away").rename(stage.root / "inbox")
        stage.put("cat.prompt.toml", VIDEO)
        await stage.inbox.look()
        assert len(stage.jobs()) == 1

    play(act)


def test_a_refused_drop_that_is_still_on_its_way_out_stops_nobody() -> None:
    """Its files leave the inbox with its retirement; until then they are not judged a second time."""

    async def act(stage: Stage) -> None:
        stage.put("bad.png", picture(".png", 0))
        stage.put("bad.prompt.toml", b"ratoi = 1\n")
        await stage.inbox.look()
        stage.put("cat.png", picture(".png", 1))
        stage.put("cat.prompt.toml", VIDEO)
        await stage.inbox.look()
        assert sorted((job.path, job.state) for job in stage.jobs()) == [
            ("bad.png", State.RETIRING),
            ("cat.png", State.READY),
        ]

    play(act)


def test_two_spellings_of_one_sidecar_are_both_told_of() -> None:
    async def act(stage: Stage) -> None:
        stage.put("cat.prompt.toml", VIDEO)
        stage.put("cat.PROMPT.TOML", VIDEO + b"# 2\n")
        await stage.inbox.look()
        assert set(stage.inbox.waiting) == {"cat.prompt.toml", "cat.PROMPT.TOML"}

    play(act)
