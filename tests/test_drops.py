"""Which files belong together: every spelling, any order, and never a guess."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runway_watch import drops
from runway_watch.drops import Group, is_junk, pair, safe, suffix_of, unsupported

NFC, NFD = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))


def pairs(names: list[str], *, optional: bool = False) -> list[tuple[str, ...]]:
    """The files of the groups that are drops."""
    return [group.files for group in pair(names, optional=optional) if not group.why]


def waiting(names: list[str]) -> dict[str, str]:
    """Why the others wait, by file."""
    return {name: group.why for group in pair(names) if group.why for name in group.files}


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["cat.png", "cat.prompt.toml"], [("cat.png", "cat.prompt.toml")]),
        (["cat.png", "cat.png.prompt.toml"], [("cat.png", "cat.png.prompt.toml")]),
        (["cat.PNG", "cat.Prompt.TOML"], [("cat.PNG", "cat.Prompt.TOML")]),
        (["cat.png", "cat.jpg", "cat.jpg.prompt.toml"], [("cat.jpg", "cat.jpg.prompt.toml")]),
        (
            ["cat.png", "cat.jpg", "cat.jpg.prompt.toml", "cat.prompt.toml"],
            [("cat.jpg", "cat.jpg.prompt.toml"), ("cat.png", "cat.prompt.toml")],
        ),
        (
            ["cat.png", "cat.png.prompt.toml", "cat.jpg", "cat.jpg.prompt.toml"],
            [("cat.jpg", "cat.jpg.prompt.toml"), ("cat.png", "cat.png.prompt.toml")],
        ),
        # The more explicit sidecar wins; the other one stands alone.
        (
            ["cat.png", "cat.png.prompt.toml", "cat.prompt.toml"],
            [("cat.png", "cat.png.prompt.toml"), ("cat.prompt.toml",)],
        ),
        (["a.b.c.png", "a.b.c.prompt.toml"], [("a.b.c.png", "a.b.c.prompt.toml")]),
        (["cat (2).png", "cat (2).prompt.toml"], [("cat (2).png", "cat (2).prompt.toml")]),
        (["cat.prompt.toml"], [("cat.prompt.toml",)]),
        (["film.mp4", "film.prompt.toml"], [("film.mp4", "film.prompt.toml")]),
        (["cat.prompt.toml", "Cat.png"], [("cat.prompt.toml",)]),  # case tells names apart
        ([NFC + ".png", NFD + ".prompt.toml"], [(NFC + ".png", NFD + ".prompt.toml")]),
        ([NFD + ".png", NFC + ".png.prompt.toml"], [(NFD + ".png", NFC + ".png.prompt.toml")]),
    ],
)
def test_files_that_are_a_drop(names: list[str], together: list[tuple[str, ...]]) -> None:
    assert pairs(names) == pairs(names[::-1]) == sorted(together)


def test_a_picture_waits_for_its_sidecar_by_name() -> None:
    assert waiting(["cat.png"]) == {"cat.png": "waits for its sidecar, cat.prompt.toml"}


def test_an_explicit_sidecar_waits_for_its_picture_and_for_no_other() -> None:
    assert waiting(["cat.png.prompt.toml", "cat.jpg"]) == {
        "cat.png.prompt.toml": "waits for cat.png",
        "cat.jpg": "waits for its sidecar, cat.prompt.toml",
    }


def test_one_sidecar_for_two_pictures_is_not_guessed() -> None:
    why = "cat.prompt.toml could belong to cat.jpg or cat.png: name it cat.jpg.prompt.toml or the like"
    assert waiting(["cat.png", "cat.jpg", "cat.prompt.toml"]) == dict.fromkeys(
        ("cat.png", "cat.jpg", "cat.prompt.toml"), why
    )


@pytest.mark.parametrize(
    "names",
    [
        ["cat.png", "cat.prompt.toml", "cat.PROMPT.TOML"],
        ["cat.png", "cat.png.prompt.toml", "cat.png.PROMPT.toml"],
        ["cat.prompt.toml", "cat.PROMPT.TOML"],
        [NFC + ".png", NFC + ".prompt.toml", NFD + ".prompt.toml"],
    ],
)
def test_one_name_in_two_spellings_waits_and_neither_file_is_forgotten(names: list[str]) -> None:
    assert set(waiting(names)) == set(names)
    assert all("two spellings: keep one" in why for why in waiting(names).values())


def test_one_sidecar_for_one_picture_in_two_spellings_waits() -> None:
    names = [NFC + ".png", NFD + ".png", NFC + ".png.prompt.toml"]
    assert set(waiting(names)) == set(names)


def test_in_a_preset_folder_a_bare_picture_is_a_drop_and_a_pair_still_one() -> None:
    names = ["bare.png", "cat.png", "cat.prompt.toml"]
    assert pairs(names, optional=True) == [("bare.png",), ("cat.png", "cat.prompt.toml")]


@pytest.mark.parametrize(
    ("media", "sidecar", "suffixes"),
    [
        ("cat.png", "cat.prompt.toml", [".png", ".prompt.toml"]),
        ("cat.png", "cat.png.prompt.toml", [".png", ".png.prompt.toml"]),
        ("cat.PNG", "cat.prompt.TOML", [".PNG", ".prompt.TOML"]),
        (NFC + ".png", NFD + ".prompt.toml", [".png", ".prompt.toml"]),
    ],
)
def test_a_file_is_called_by_the_groups_name_and_a_suffix(
    media: str, sidecar: str, suffixes: list[str]
) -> None:
    [group] = pair([media, sidecar])
    assert [suffix_of(name, group) for name in group.files] == suffixes


JUNK = [
    *(".cat.png", "_cat.png", "~cat.png", "_folder.prompt.toml", ".prompt.toml"),
    *("a.tmp", "a.PART", "a.partial", "cat.png.crdownload", "a.download", ".cat.png.swp"),
    *("Thumbs.db", "thumbs.DB", "desktop.ini", "@eaDir", "#recycle", "$RECYCLE.BIN", "_refs", ".git"),
]


@pytest.mark.parametrize("name", JUNK)
def test_what_other_programs_leave_about_is_never_a_drop(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize("name", ["cat.png", "a_b.png", "tmp", "part.png", "cat.tmp.png", "été.prompt.toml"])
def test_what_only_looks_like_junk_is_a_drop(name: str) -> None:
    assert not is_junk(name)


@pytest.mark.parametrize(("name", "junk"), [("a.bak", True), ("draft-1.png", True), ("a.png", False)])
def test_a_watch_may_ignore_more(name: str, junk: bool) -> None:
    assert is_junk(name, ["*.bak", "draft*"]) is junk


def test_files_that_are_nothing_to_us_are_listed_and_records_are_not() -> None:
    names = ["a.txt", "b.gif", "c", "cat.png", "cat.prompt.toml", "cat.error.toml", "x.toml"]
    assert [*unsupported(names)] == ["a.txt", "c", "x.toml"]


def test_pictures_that_are_to_be_converted_are_drops_only_where_they_are_converted() -> None:
    names = ["cat.HEIC", "cat.prompt.toml", "dog.tif"]
    assert unsupported(names) == {}
    assert [group.files for group in pair(names)] == [("cat.HEIC", "cat.prompt.toml"), ("dog.tif",)]
    found = unsupported(names, convert=False)
    assert found == dict.fromkeys(("cat.HEIC", "dog.tif"), drops.NOT_CONVERTED)
    assert [group.files for group in pair(names, convert=False)] == [("cat.prompt.toml",)]


@pytest.mark.parametrize(
    ("name", "filed"),
    [
        ("cat", "cat"),
        ("Müller & Söhne #1 (2)", "Müller & Söhne #1 (2)"),
        ("a\nb", "a_b"),
        ("a\x1b[31mb", "a_[31mb"),
        ("photo\u202egnp", "photo_gnp"),
        ("a\u2028b\x7f\x85", "a_b__"),
        ("x" * 300, "x" * 200),
        ("é" * 150, "é" * 100),
        ("x" + "é" * 150, "x" + "é" * 99),  # never half a letter
    ],
)
def test_a_name_is_filed_as_it_is_or_harmless(name: str, filed: str) -> None:
    assert safe(name) == filed
    assert safe(filed) == filed


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_safe_name_is_safe_and_leaves_room_for_what_is_added(name: str) -> None:
    filed = safe(name)
    assert safe(filed) == filed
    assert len(f"{filed} (9999).png.prompt.toml".encode()) <= 255


STEMS = st.sampled_from(["cat", "Cat", "dog.1", NFC, NFD, "cat.png"])
ENDS = st.sampled_from(
    [
        ".png",
        ".PNG",
        ".jpg",
        ".mp4",
        ".prompt.toml",
        ".PROMPT.toml",
        ".png.prompt.toml",
        ".txt",
        ".error.toml",
    ]
)
NAMES = st.lists(st.builds(str.__add__, STEMS, ENDS), unique=True, max_size=14)


@given(NAMES, st.booleans(), st.randoms())
def test_the_order_of_names_changes_nothing(names: list[str], optional: bool, chance: st.DrawFn) -> None:
    shuffled = list(names)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pair(shuffled, optional=optional) == pair(names, optional=optional)


@given(NAMES, st.booleans())
def test_every_file_is_in_one_group_or_unsupported_or_a_record(names: list[str], optional: bool) -> None:
    grouped = [name for group in pair(names, optional=optional) for name in group.files]
    records = [name for name in names if drops.is_record(name)]
    assert sorted([*grouped, *unsupported(names), *records]) == sorted(names)


@given(NAMES, st.booleans())
def test_no_two_drops_of_a_folder_have_the_same_name_and_kind(names: list[str], optional: bool) -> None:
    def key(group: Group) -> tuple[str, str]:
        return group.name, suffix_of(group.media, group) if group.media else ""

    keys = [key(group) for group in pair(names, optional=optional) if not group.why]
    assert len(set(keys)) == len(keys)
