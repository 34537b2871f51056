"""Sidecars: text in, parameters out, or one refusal that tells everything, whatever the bytes are."""

import json
import time
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from runway_watch.errors import Refusal
from runway_watch.sidecar import (
    MAX_BYTES,
    MAX_DEPTH,
    Sidecar,
    is_unfilled,
    layered,
    parse,
    read_job,
    split,
)

WHOLE = b'prompt_text = "The scene comes to life"\n'


def refused(raw: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse(raw, name="cat.prompt.toml")
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [
        WHOLE,
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.strip(),
    ],
)
def test_one_line_is_a_complete_sidecar_with_any_line_end_and_mark(raw: bytes) -> None:
    assert parse(raw, name="x") == Sidecar({"prompt_text": "The scene comes to life"}, {})


def test_the_job_table_is_told_apart_from_parameters() -> None:
    found = parse(b'seed = 1\n[job]\npriority = 3\n[[reference_images]]\nuri = "file:a.png"\n', name="x")
    assert found == Sidecar({"seed": 1, "reference_images": [{"uri": "file:a.png"}]}, {"priority": 3})


def test_an_empty_sidecar_wishes_for_nothing() -> None:
    assert parse(b"", name="x") == Sidecar({}, {})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("größe = 1".encode("latin-1"), "line 1, column 3 holds the byte 0xf6"),
        (b'a = 1\nb = "\xff"\n', "line 2, column 6 holds the byte 0xff"),
        ("a = 1".encode("utf-16"), "line 1, column 1 holds the byte 0xff"),
        ("a = 1".encode("utf-32"), "line 1, column 1 holds the byte 0xff"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_with_the_place(raw: bytes, message: str) -> None:
    refusal = refused(raw)
    assert refusal.code == "sidecar.encoding"
    assert message in refusal.message


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"ratio = 16:9\n", "line 1, column 11: "),
        (b'a = 1\nprompt_text = "never closed\n', "line 2, column 28: "),
        (b"a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        (b"[job\n", "line 1, column 5: "),
        (b"a = [", "line 1, column 6: "),
        (b"a = 1\nb = ", "line 2, column 5: "),
        (b'a = """\nnever closed\n', "line 3, column 1: "),
        (b"a = \x00", "line 1, column 5: "),
        ("a = 1".encode("utf-16-be"), "line 1, column 1: "),
    ],
)
def test_text_that_is_not_toml_is_refused_with_line_and_column(raw: bytes, where: str) -> None:
    refusal = refused(raw)
    assert refusal.code == "sidecar.invalid"
    assert [p[: len(where)] for p in refusal.problems] == [where]
    assert where in refusal.message


def test_the_size_limit_is_where_it_says() -> None:
    fits = WHOLE + b"#" * (MAX_BYTES - len(WHOLE))
    assert parse(fits, name="x").params
    refusal = refused(fits + b"#")
    assert (refusal.code, "16385 bytes" in refusal.message) == ("sidecar.too_large", True)


def test_a_job_that_is_no_table_is_refused() -> None:
    assert refused(b"job = 3").problems == ("`job`: must be a table, written as [job]",)
    with pytest.raises(Refusal):
        split({"job": [1]}, name="x")


DOTS = b".".join([b"a"] * 8000)


@pytest.mark.parametrize(
    "raw",
    [
        DOTS[: MAX_BYTES - 4] + b" = 1",
        b"[" + DOTS + b"]",
        b"[[" + DOTS + b"]]",
        b'"a".' + DOTS + b" = 1",
        b"'a b' . " + DOTS + b" = 1",
        b'["x"."y".' + DOTS + b"]",
        b"a = {" + DOTS + b" = 1}",
        b"a = [{" + DOTS + b" = 1}]",
        b"a = 1\n" + b"a." * 17 + b"a = 1",
        b"[" * 8000,
        b"a = " + b"[" * 8000,
        b"a = " + b"{a=" * 4000,
        b"a = " + b"[" * 300 + b"]" * 300,
        b"a = " + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"a = " + b"{a=" * 200 + b"1" + b"}" * 200,
        b"seed = 0x" + b"f" * 16000,
        b"[job]\npriority = -0b1" + b"0" * 9000,
        b"seed = " + b"9" * 16000,
        b'"""\\' * 4000,
        b"'''" * 5000,
        b'"a' * 8000,
        b"\n" * 16000 + b"=",
    ],
)
def test_a_bomb_is_refused_at_once(raw: bytes) -> None:
    began = time.process_time()
    assert refused(raw).code == "sidecar.invalid"
    assert time.process_time() - began < 0.5


def test_a_bomb_over_the_size_limit_is_not_even_read() -> None:
    assert refused(b".".join([b"a"] * 20_000) + b" = 1").code == "sidecar.too_large"


@pytest.mark.parametrize(
    "text",
    [
        'prompt_text = """\n' + "A sentence. " * 30 + '\n"""',
        "prompt_text = '''\n" + "One... two... three... " * 5 + "'''",
        'prompt_text = "' + "Slow. " * 40 + '"',
        "x = [\n" + "0.5, " * 40 + "\n]",
        "# " + "a." * 40 + "\nseed = 1",
        "a" + ".a" * 16 + " = 1",
        'prompt_text = "\\"' + ".a" * 40 + '"',
        'prompt_text = """""' + "a." * 40 + '""""',
        "deep = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1),
        "seed = 9223372036854775807",
    ],
)
def test_an_honest_sidecar_with_many_dots_or_brackets_is_none(text: str) -> None:
    assert dict(parse(text.encode(), name="x").params) == tomllib.loads(text)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    try:
        parse(raw, name="x")
    except Refusal as refusal:
        assert refusal.code in ("sidecar.invalid", "sidecar.encoding")


TOKENS = st.sampled_from(
    [
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        " ",
        "a",
        "job",
        "1",
        "#",
    ]
)


@given(st.lists(TOKENS, max_size=60).map("".join))
def test_no_text_that_is_nearly_toml_raises_anything_but_a_refusal(text: str) -> None:
    try:
        found = parse(text.encode(), name="x")
    except Refusal:
        return
    json.dumps([found.params, found.job])


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.- ", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcdef_", min_size=1), VALUES, max_size=5))
def test_what_is_written_is_what_is_read(table: dict[str, Any]) -> None:
    assert parse(tomli_w.dumps(table).encode(), name="x").params == table


@pytest.mark.parametrize(
    ("raw", "unfilled"),
    [
        (WHOLE, False),
        (b"", True),
        (bytes(100), True),
        (WHOLE + bytes(64), True),
        (bytes(64) + WHOLE, True),
        (b"a = 1\0", False),
        ("a = 1".encode("utf-16"), False),
        ("a = 1".encode("utf-16-be"), False),
        (b"\xff\xfe" + "a = 1".encode("utf-16-le") + bytes(8), False),
        ("a = 1".encode("utf-32"), False),
    ],
)
def test_a_sidecar_that_is_empty_or_has_holes_is_on_its_way_and_utf_16_is_not(
    raw: bytes, unfilled: bool
) -> None:
    assert is_unfilled(raw) is unfilled


def test_the_nearer_layer_wins_key_by_key_and_replaces_lists_whole() -> None:
    layers = [
        Sidecar({"model": "a", "ratio": "1:1", "reference_images": [1, 2]}, {"priority": 1, "tag": "one"}),
        Sidecar({"ratio": "2:1"}, {"priority": 2}),
        Sidecar({"reference_images": [3]}, {}),
    ]
    merged = layered(layers)
    assert merged.params == {"model": "a", "ratio": "2:1", "reference_images": [3]}
    assert merged.job == {"priority": 2, "tag": "one"}
    assert layers[0].params["ratio"] == "1:1"
    assert (layered([]).params, layered([]).job) == ({}, {})


def job_problems(text: str) -> tuple[str, ...]:
    with pytest.raises(Refusal) as caught:
        read_job(parse(text.encode(), name="x").job, name="cat.prompt.toml")
    assert caught.value.code == "sidecar.invalid"
    return caught.value.problems


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("prioritty = 1", "`job.prioritty`: unknown; did you mean `priority`?"),
        ("maxcredits = 1", "`job.maxcredits`: unknown; did you mean `max_credits`?"),
        ("zzz = 1", "`job.zzz`: unknown; known are operation, priority, variations, not_before"),
        ('priority = "high"', "`job.priority`: Input should be a valid integer"),
        ("priority = true", "`job.priority`: "),
        ("priority = 1000001", "`job.priority`: "),
        ("max_credits = -1", "`job.max_credits`: "),
        ("max_credits = 1.5", "`job.max_credits`: "),
        ('force = "yes"', "`job.force`: "),
        ('tag = "Ab"', "`job.tag`: 3 to 16 lower-case letters, digits or underscores, a letter first"),
        ('tag = "über"', "`job.tag`: 3 to 16"),
        ('tag = "abc\\n"', "`job.tag`: 3 to 16"),
        ('sidecar = "maybe"', "`job.sidecar`: "),
        ('not_before = "tomorrow"', "`job.not_before`: "),
        ("not_before = 07:30:00", "`job.not_before`: "),
        ("not_before = 0001-01-01", "`job.not_before`: "),
        ("not_before = 0001-01-01T00:00:00", "`job.not_before`: must lie between the years 2000 and 2200"),
        ("not_before = 1999-12-31T00:00:00Z", "`job.not_before`: must lie between the years 2000 and 2200"),
        ("not_before = 2200-01-02T00:00:00Z", "`job.not_before`: must lie between the years 2000 and 2200"),
        ("not_before = 9999-12-31T23:59:59", "`job.not_before`: must lie between the years 2000 and 2200"),
        ("not_before = 9999-12-31T23:59:59-23:00", "`job.not_before`: must lie between"),
        ("operation = 3", "`job.operation`: "),
    ],
)
def test_what_is_wrong_with_the_job_table_is_told_with_its_key(line: str, problem: str) -> None:
    [found] = job_problems(f"[job]\n{line}\n")
    assert found.startswith(problem)


def test_everything_wrong_with_the_job_table_is_told_at_once() -> None:
    text = '[job]\nprioritty = 1\nmax_credits = -1\ntag = "X"\nnot_before = 0001-01-01T00:00:00\n'
    assert [p.split("`")[1] for p in job_problems(text)] == [
        "job.not_before",
        "job.max_credits",
        "job.tag",
        "job.prioritty",
    ]


def starts(written: str) -> float:
    return read_job(parse(f"[job]\nnot_before = {written}\n".encode(), name="x").job, name="x").starts_at()


def test_a_moment_with_a_zone_is_meant_there_and_one_without_here() -> None:
    moment = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    assert starts("2026-11-21T22:00:00Z") == moment.timestamp()
    assert starts("2026-11-21T23:00:00+01:00") == moment.timestamp()
    assert starts("2026-11-21T22:00:00") == moment.replace(tzinfo=None).timestamp()
    assert starts("2199-12-31T00:00:00Z") == datetime(2199, 12, 31, tzinfo=UTC).timestamp()
    assert read_job({}, name="x").starts_at() == 0.0
