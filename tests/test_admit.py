"""Admission: a settled group is accepted, refused with everything that is wrong, or waits with a reason."""

import hashlib
import io
import os
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pytest
from PIL import Image

from runway_watch import sidecar
from runway_watch.config import ApiSettings
from runway_watch.drops import Group, pair
from runway_watch.errors import SpoolError
from runway_watch.job import Generation, Job, Place, State, Verdict
from runway_watch.sidecar import Sidecar
from runway_watch.spool import Spool
from runway_watch.stages.admit import admit
from runway_watch.stages.desk import Candidate, Waits
from tests.samples import JPEG, NOW, PNG, SIDECAR, desk, drop, judged, picture, sight, spool

STYLED = b"""
model = "gen4_image"
prompt_text = "@image painted like @style"
ratio = "1920:1080"
[[reference_images]]
uri = "file:_refs/style.jpg"
tag = "style"
[job]
operation = "text_to_image"
"""
S = State
ALONE = b'prompt_text = "A lighthouse"\n[job]\noperation = "text_to_image"\n'


@pytest.fixture
def where(tmp_path: Path) -> Spool:
    return spool(tmp_path)


def accepted(where: Spool, **changes: Any) -> tuple[Job, Generation]:
    found = judged(where, **changes)
    assert not isinstance(found, Waits), found.why
    assert found[0].verdict is None, found[0].verdict
    return found


def refused(where: Spool, **changes: Any) -> Verdict:
    found = judged(where, **changes)
    assert not isinstance(found, Waits), found.why
    there, one = found
    assert there.verdict is not None
    assert (there.state, one.state, one.verdict, one.due_at) == (S.RETIRING, S.RETIRING, there.verdict, NOW)
    return there.verdict


def waits(where: Spool, **changes: Any) -> Waits:
    found = judged(where, **changes)
    assert isinstance(found, Waits), found[0].verdict
    return found


# -- accepted ------------------------------------------------------------------------------------------


def test_a_picture_with_one_line_of_text_is_a_whole_drop(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR}, folder="holiday")
    there, one = accepted(where, folder="holiday")
    assert (there.operation, there.model, there.state, there.place) == (
        "image_to_video",
        "gen4.5",
        S.READY,
        Place.INBOX,
    )
    assert (there.name, there.folder, there.path) == ("cat", "holiday", "holiday/cat.png")
    assert (there.media_suffix, there.mime, there.priority, there.options) == (".png", "image/png", 0, {})
    assert there.params == {
        "model": "gen4.5",
        "prompt_text": "The scene comes to life",
        "prompt_image": "file:cat.png",
        "ratio": "1280:720",
        "duration": 5,
    }
    assert there.price is not None
    assert (one.job, one.n, one.state, one.due_at) == (there.id, 1, S.READY, NOW)
    found = (where.inbox / "holiday/cat.png").stat()
    [media, text] = there.inputs
    assert (media.size, media.mtime_ns, media.ino) == (found.st_size, found.st_mtime_ns, found.st_ino)
    assert (media.dropped_as, text.suffix, len(media.sha256)) == ("cat.png", ".prompt.toml", 64)


def test_the_job_table_has_its_say(where: Spool) -> None:
    text = (
        SIDECAR + b"[job]\npriority = 7\nnot_before = 2027-02-01T00:00:00Z\nmax_credits = 300\nforce = true\n"
    )
    drop(where, {"cat.png": PNG, "cat.png.prompt.toml": text})
    there, one = accepted(where)
    assert (there.priority, one.due_at) == (7, 1_801_440_000.0)
    assert there.options == {
        "priority": 7,
        "not_before": "2027-02-01T00:00:00Z",
        "max_credits": 300,
        "force": True,
    }
    assert there.inputs[1].suffix == ".png.prompt.toml"


def test_a_moment_that_has_passed_is_now(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR + b"[job]\nnot_before = 2001-01-01T00:00:00Z\n"})
    assert accepted(where)[1].due_at == NOW


def test_the_dropped_picture_joins_the_references(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": STYLED}, folder="a")
    drop(where, {"style.jpg": JPEG}, folder="a/_refs")
    there, _ = accepted(where, folder="a")
    assert there.params["reference_images"] == [
        {"uri": "file:cat.png", "tag": "image"},
        {"uri": "file:_refs/style.jpg", "tag": "style"},
    ]
    [(written, reference)] = there.references.items()
    assert (written, reference.path, reference.mime) == (
        "file:_refs/style.jpg",
        "a/_refs/style.jpg",
        "image/jpeg",
    )
    assert (reference.size, len(reference.sha256)) == (len(JPEG), 64)


def test_a_reference_may_lie_above_the_sidecar_but_inside_the_inbox(where: Spool) -> None:
    text = STYLED.replace(b"file:_refs", b"file:../_refs")
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text}, folder="a")
    drop(where, {"style.jpg": JPEG}, folder="_refs")
    assert accepted(where, folder="a")[0].references["file:../_refs/style.jpg"].path == "_refs/style.jpg"


def test_a_sidecar_alone_is_a_drop_when_it_needs_no_picture(where: Spool) -> None:
    drop(where, {"cat.prompt.toml": ALONE})
    there, _ = accepted(where)
    assert (there.operation, there.media_suffix, there.media, there.path) == (
        "text_to_image",
        "",
        None,
        "cat.prompt.toml",
    )


def test_a_bare_picture_takes_everything_from_its_folder(where: Spool) -> None:
    drop(where, {"cat.png": PNG})
    layers = (
        Sidecar({"prompt_text": "Slow dolly in", "duration": 5}, {}),
        Sidecar({"duration": 10}, {"priority": 2}),
    )
    there, _ = accepted(where, layers=layers)
    assert (there.params["prompt_text"], there.params["duration"], there.priority) == ("Slow dolly in", 10, 2)


def test_the_sidecar_wins_over_its_folder(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": b"duration = 5\n[job]\npriority = 1\n"})
    there, _ = accepted(where, layers=(Sidecar({"prompt_text": "x", "duration": 10}, {"priority": 9}),))
    assert (there.params["duration"], there.priority) == (5, 1)


# -- waiting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [SIDECAR, b"#", b'prompt_text = "@image at night"\n[job]\noperation = "text_to_image"\n']
)
def test_a_sidecar_that_came_first_waits_for_its_picture_and_the_pair_is_kept(
    where: Spool, text: bytes
) -> None:
    drop(where, {"cat.prompt.toml": text})
    assert waits(where) == Waits("waits for its picture", still=True)
    drop(where, {"cat.png": PNG})
    found = judged(where)
    assert not isinstance(found, Waits)
    assert [item.suffix for item in found[0].inputs] == [".png", ".prompt.toml"]


CUT = {
    "half.png": PNG[: len(PNG) // 2],
    "nearly.png": PNG[:-1],
    "head.png": PNG[:600],
    "begun.png": PNG[:100],
    "hole.png": PNG[:700] + bytes(len(PNG) - 700),
    "blank.png": bytes(5000),
    "none.png": b"",
    "half.jpg": JPEG[: len(JPEG) // 2],
    "begun.jpg": JPEG[:300],
    "half.webp": picture("WEBP")[:-100],
}


@pytest.mark.parametrize("name", CUT)
def test_a_picture_that_is_not_all_there_waits_and_is_refused_when_nobody_writes_any_more(
    where: Spool, name: str
) -> None:
    stem = name.partition(".")[0]
    drop(where, {name: CUT[name], f"{stem}.prompt.toml": SIDECAR})
    assert waits(where) == Waits(f"{name} is still arriving", soon=True)
    assert refused(where, patient=False).code == "asset.truncated"


def test_a_sidecar_with_holes_waits_and_is_refused_when_nobody_writes_any_more(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": bytes(100)})
    assert waits(where) == Waits("cat.prompt.toml is empty, or still being written", soon=True)
    assert refused(where, patient=False).code == "sidecar.invalid"


@pytest.mark.parametrize("media", [{}, {"cat.png": PNG}])
def test_an_empty_sidecar_waits_for_its_text_and_counts_when_nobody_writes_any_more(
    where: Spool, media: dict[str, bytes]
) -> None:
    """Explorer and Finder create a file before they write to it, and a wish for nothing costs credits too."""
    drop(where, {**media, "cat.prompt.toml": b""})
    wish = (Sidecar({"prompt_text": "x"}, {"operation": "image_to_video" if media else "text_to_image"}),)
    empty = Waits("cat.prompt.toml is empty, or still being written", soon=True)
    assert waits(where, layers=wish) == empty
    assert accepted(where, layers=wish, patient=False)


def test_a_sidecar_in_utf_16_is_refused_at_once(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR.decode().encode("utf-16")})
    assert refused(where).code == "sidecar.encoding"


@pytest.mark.parametrize("gone", ["cat.png", "cat.prompt.toml"])
def test_a_file_that_goes_away_meanwhile_condemns_nobody(where: Spool, gone: str) -> None:
    inbox = drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    [group] = pair(["cat.png", "cat.prompt.toml"])
    sights = {name: sight(inbox / name) for name in group.files}
    (inbox / gone).unlink()
    found = admit(Candidate("", group, sights), desk=desk(where), job_id="j1")
    assert found == Waits(f"{gone} went away while it was looked at", soon=True)


@pytest.mark.parametrize("grown", ["cat.png", "cat.prompt.toml"])
@pytest.mark.parametrize("patient", [True, False])
def test_what_was_written_after_the_scan_is_neither_accepted_nor_refused(
    where: Spool, grown: str, patient: bool
) -> None:
    inbox = drop(where, {"cat.png": PNG[:2000], "cat.prompt.toml": b"ratoi"})
    [group] = pair(["cat.png", "cat.prompt.toml"])
    sights = {name: sight(inbox / name) for name in group.files}
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    sights |= {name: sight(inbox / name) for name in group.files if name != grown}
    found = admit(Candidate("", group, sights, patient=patient), desk=desk(where), job_id="j1")
    assert found == Waits(f"{grown} is still being written", soon=True)


def test_a_file_that_grows_while_it_is_read_is_neither_accepted_nor_refused(where: Spool) -> None:
    inbox = drop(where, {"cat.png": PNG, "cat.prompt.toml": b"ratoi = 1"})

    @contextmanager
    def growing(path: str) -> Iterator[BinaryIO]:
        with where.referred(path) as file:
            with (inbox / path).open("ab") as other:
                other.write(b"more")
            yield file

    found = judged(where, reading=growing)
    assert found == Waits("cat.png is still being written", soon=True)


def test_a_share_in_trouble_says_nothing_about_the_drop(where: Spool) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": SIDECAR})
    elsewhere = Spool(where.root / "none")
    with pytest.raises(SpoolError):
        judged(where, reading=elsewhere.referred)


# -- refused -------------------------------------------------------------------------------------------


def png(text: bytes) -> dict[str, bytes]:
    return {"cat.png": PNG, "cat.prompt.toml": text}


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        (png(b"ratoi = 1"), "params.invalid", "did you mean `ratio`?"),
        (png(b'prompt_text = "x"\nduration = 500'), "params.invalid", "duration"),
        (
            png(b'model = "kling3.0_pro"\nprompt_text = "x"\nduration = 9' + b"9" * 17),
            "params.invalid",
            "no account",
        ),
        (png(b"prompt_text = never"), "sidecar.invalid", "line 1, column 15"),
        (png(b'prompt_text = "\xe9"'), "sidecar.encoding", "line 1, column 16"),
        (png(b"#" * 20_000), "sidecar.too_large", "20000 bytes"),
        (png(SIDECAR + b"[job]\nprio = 1"), "sidecar.invalid", "did you mean `priority`?"),
        (png(SIDECAR + b'[job]\noperation = "image_to_vidoe"'), "params.invalid", "image_to_video"),
        (png(SIDECAR + b"[job]\nmax_credits = 1"), "budget.job", "at most 1"),
        ({"cat.png": JPEG, "cat.prompt.toml": SIDECAR}, "asset.unsupported", "its bytes are a .jpg"),
        ({"cat.png": b"x" * 600, "cat.prompt.toml": SIDECAR}, "asset.unsupported", "no kind"),
        ({"cat.png": b"x" * 100, "cat.prompt.toml": SIDECAR}, "asset.too_small", "100 bytes"),
        ({"c\nt.png": PNG, "c\nt.prompt.toml": SIDECAR}, "name.unsafe", "control characters"),
        ({"x" * 198 + ".png": PNG, "x" * 198 + ".prompt.toml": SIDECAR}, "name.unsafe", "too long"),
        ({"cat.prompt.toml": b"a = ["}, "sidecar.invalid", "line 1"),
        (png(SIDECAR + b"seed = 0x" + b"f" * 9000), "sidecar.invalid", "64 bits"),
        (png(b"a = {" + b".".join([b"a"] * 8000) + b" = 1}"), "sidecar.invalid", "dots"),
        (png(b"prompt_text = " + b"[" * 200 + b"]" * 200), "sidecar.invalid", "nested"),
    ],
)
def test_what_can_never_work_is_refused_with_its_code(
    where: Spool, files: dict[str, bytes], code: str, told: str
) -> None:
    drop(where, files)
    verdict = refused(where)
    assert (verdict.stage, verdict.code, verdict.retryable) == ("admit", code, False)
    assert told in " ".join([verdict.message, *verdict.problems])
    assert verdict.hint


def test_a_small_picture_that_is_whole_is_too_small_and_not_still_arriving(where: Spool) -> None:
    drop(where, {"cat.png": _dot(), "cat.prompt.toml": SIDECAR})
    assert refused(where).code == "asset.too_small"


def _dot() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 512
    return buffer.getvalue()


def test_everything_that_is_wrong_is_told_at_once(where: Spool) -> None:
    text = b'ratoi = "x"\nmodell = 1\n[job]\nprioritty = 1\nmax_credits = -1\n'
    drop(where, {"cat.png": JPEG, "cat.prompt.toml": text})
    verdict = refused(where)
    told = "\n".join(verdict.problems)
    for word in (
        "`.jpg`" if "`.jpg`" in told else ".jpg",
        "`ratio`",
        "`model`",
        "`priority`",
        "job.max_credits",
    ):
        assert word in told
    assert verdict.code == "asset.unsupported"
    assert f"{len(verdict.problems)} things are wrong" in verdict.message


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("file:_refs/none.jpg", "reference.missing"),
        ("file:" + "n" * 300, "reference.missing"),
        ("file:../../etc/passwd", "reference.outside"),
        ("file:/etc/passwd", "reference.outside"),
        ("file:_link/style.jpg", "reference.outside"),
        ("file:_refs/link.jpg", "asset.not_regular"),
        ("file:_refs/pipe.jpg", "asset.not_regular"),
        ("file:_refs", "asset.not_regular"),
        ("file:.", "reference.outside"),
        ("file:_refs/cut.jpg", "asset.truncated"),
        ("file:_refs/note.jpg", "asset.unsupported"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused(where: Spool, uri: str, code: str) -> None:
    drop(where, {"cat.png": PNG, "cat.prompt.toml": STYLED.replace(b"file:_refs/style.jpg", uri.encode())})
    refs = drop(where, {"style.jpg": JPEG, "cut.jpg": JPEG[:-500], "note.jpg": b"x" * 900}, folder="_refs")
    (where.inbox / "_link").symlink_to(refs)
    (refs / "link.jpg").symlink_to(refs / "style.jpg")
    os.mkfifo(refs / "pipe.jpg")
    assert refused(where, group=Group("cat", "cat.png", "cat.prompt.toml")).code == code


def test_a_picture_that_is_a_link_is_refused(where: Spool) -> None:
    drop(where, {"cat.prompt.toml": SIDECAR, "real.bin": PNG})
    (where.inbox / "cat.png").symlink_to(where.inbox / "real.bin")
    assert refused(where, group=Group("cat", "cat.png", "cat.prompt.toml")).code == "asset.not_regular"


@pytest.mark.parametrize(
    ("own", "operator", "good"),
    [(None, 0, True), (None, 10, False), (10_000, 10, False), (10, 10_000, False), (10_000, 10_000, True)],
)
def test_a_cap_can_only_be_lowered(where: Spool, own: int | None, operator: int, good: bool) -> None:
    text = SIDECAR if own is None else SIDECAR + f"[job]\nmax_credits = {own}\n".encode()
    drop(where, png(text))
    found = judged(where, credits_per_job=operator)
    assert not isinstance(found, Waits)
    assert (found[0].verdict is None) is good
    if not good:
        assert found[0].verdict is not None
        assert found[0].verdict.code == "budget.job"


def test_what_is_wrong_in_a_folders_defaults_is_blamed_on_them(where: Spool) -> None:
    drop(where, png(SIDECAR))
    wrong = sidecar.split({"ratoi": "x"}, name="a/_folder.prompt.toml")
    assert "Mend a/_folder.prompt.toml" in refused(where, layers=(wrong,)).hint
    drop(where, png(SIDECAR + b'ratoi = "y"'))
    assert refused(where, layers=(wrong,)).hint == "Mend the sidecar and save it."


def test_media_comes_from_allowed_hosts(where: Spool) -> None:
    drop(where, png(STYLED.replace(b"file:_refs/style.jpg", b"https://example.com/style.jpg")))
    assert refused(where).code == "reference.host"
    assert accepted(where, api=ApiSettings(allowed_media_hosts=("example.com",)))


def test_a_default_that_is_wrong_is_told_as_the_folders(where: Spool) -> None:
    drop(where, {"cat.png": PNG})
    verdict = refused(where, layers=(sidecar.split({"prompt_text": "x", "job": {"prio": 1}}, name="x"),))
    assert "the folder's defaults cannot be used" in verdict.message


def test_a_reference_is_found_however_its_name_is_spelled_in_unicode(where: Spool) -> None:
    """A Mac writes `ö` as two characters, in names and in what is typed there; everybody else as one."""
    one, two = (unicodedata.normalize(form, "Größe/_refs/ö ä.png") for form in ("NFC", "NFD"))
    for lies, written in ((one, two), (two, one)):
        drop(where, {PurePosixPath(lies).name: PNG}, folder=str(PurePosixPath(lies).parent))
        told = f'prompt_text = "x"\nprompt_image = "file:{written}"\n[job]\noperation = "image_to_video"\n'
        drop(where, {"cat.prompt.toml": told.encode()})
        there, _ = accepted(where)
        assert there.references[f"file:{written}"].sha256 == hashlib.sha256(PNG).hexdigest()
        shutil.rmtree((where.inbox / lies).parents[1])


def test_what_is_wrong_about_variations_hides_nothing_else(where: Spool) -> None:
    text = b'prompt_text = "x"\nduration = 77\nvariation = "x"\n'
    drop(where, {"cat.png": PNG, "cat.prompt.toml": text})
    told = refused(where).problems
    assert any("`variation`" in each for each in told)
    assert any("`duration`" in each for each in told)
