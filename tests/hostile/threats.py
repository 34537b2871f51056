"""All that strangers can put into an inbox, and what becomes of it: refused by its code, or left, and why."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.harness import sidecar
from tests.hostile import things
from tests.hostile.things import Thing, link
from tests.samples import PNG, SIDECAR

CAP = 60
"""Credits for a job, as the operator allows them: what a film of five seconds costs."""

STYLED = """
model = "gen4_image"
prompt_text = "{}"
ratio = "1920:1080"
[[reference_images]]
uri = "{}"
tag = "style"
[job]
operation = "text_to_image"
"""
LATIN = "latin\udce9"
"""A name in Latin-1, as Python has it."""


@dataclass(frozen=True)
class Threat:
    """Something hostile.

    Args:
        name: its path below the inbox; of a drop that is refused, without an ending.
        code: with what it is refused; "" for what stays where it is.
        told: a part of what the person reads who put it there.
        things: all that is put there for it, by path below the inbox.
        filed: what a drop is called in failed/.
    """

    name: str
    code: str
    told: str
    things: Mapping[str, Thing]
    filed: str = ""


def refused(
    name: str, code: str, told: str, *, text: bytes | Thing = SIDECAR, media: Thing = PNG, **names: str
) -> Threat:
    """A drop that is refused; `ending` is its picture's, `filed` its name in failed/, if they are others."""
    pair = {name + names.get("ending", ".png"): media, f"{name}.prompt.toml": text}
    return Threat(name, code, told, pair, names.get("filed", name))


def referring(name: str, uri: str, code: str, told: str, things: Mapping[str, Thing] | None = None) -> Threat:
    """A good picture whose sidecar refers to something else."""
    pair: dict[str, Thing] = {f"{name}.png": PNG, f"{name}.prompt.toml": STYLED.format("x", uri).encode()}
    return Threat(name, code, told, pair | dict(things or {}), name)


def by_default(folder: str, told: str, thing: Thing) -> Threat:
    """A good pair that waits in a folder because of the folder's defaults."""
    pair: dict[str, Thing] = {f"{folder}/cat.png": PNG, f"{folder}/cat.prompt.toml": SIDECAR}
    return Threat(f"{folder}/cat.png", "", told, pair | {f"{folder}/_folder.prompt.toml": thing})


def everywhere(what: str, thing: Thing) -> Iterator[Threat]:
    """What is no plain file, wherever a file may be."""
    code, told = "asset.not_regular", "is not a plain file of its own"
    yield refused(f"{what} as picture", code, told, media=thing)
    yield refused(f"{what} as sidecar", code, told, text=thing)
    yield referring(
        f"{what} as reference", f"file:_refs/{what}.png", code, told, {f"_refs/{what}.png": thing}
    )
    yield by_default(f"{what} as defaults", told, thing)


def _ways_out() -> Iterator[Threat]:
    out, leads = "reference.outside", "leads out of the inbox"
    yield referring("climbs", "file:../../../outside/secret.png", out, leads)
    yield referring("climbs late", "file:_refs/../../../../outside/secret.png", out, leads)
    yield referring("absolute", "file:/etc/passwd", out, leads)
    yield referring("address", "file:///etc/passwd", out, leads)
    yield referring("shouted", "FILE:/etc/passwd", "params.invalid", "is no media")
    yield referring("by a link", "file:_refs/in/secret.png", out, "through a link", {"_refs/in": link(".")})
    yield referring("folder", "file:_refs", "asset.not_regular", "is not a plain file")
    yield Threat("linked", "", "unsupported", {"linked": link("pair")})
    yield from everywhere("link", link("secret.png"))
    yield from everywhere("link to nothing", link("nothing"))


def _no_files() -> Iterator[Threat]:
    yield from everywhere("pipe", os.mkfifo)
    yield from everywhere("socket", things.socket_file)


def _toml_bombs() -> Iterator[Threat]:
    invalid, large = "sidecar.invalid", "sidecar.too_large"
    for name, code, told, text in (
        ("size", large, "a sidecar may have 16384", b"#" * 20_000),
        ("40 KB of dots", large, "a sidecar may have 16384", b".".join([b"a"] * 20_000) + b" = 1"),
        ("dots", invalid, "a key has more than 16 dots", b".".join([b"a"] * 8000) + b" = 1"),
        ("17 dots", invalid, "a key has more than 16 dots", b".".join([b"a"] * 18) + b" = 1"),
        ("depth", invalid, "cannot be read as TOML", b"a = " + b"[" * 8000),
        ("some depth", invalid, "nested more than 32 deep", b"a = " + b"[" * 40 + b"]" * 40),
        ("digits", invalid, "cannot be read as TOML", b"seed = " + b"9" * 9000),
        ("hexadecimals", invalid, "a number beyond 64 bits", b"seed = 0x" + b"f" * 9000),
        ("encoding", "sidecar.encoding", "is not UTF-8", b'prompt_text = "\xe9"'),
    ):
        yield refused(f"bomb by {name}", code, told, text=text)
        yield by_default(f"defaults by {name}", told, text)


def _image_bombs() -> Iterator[Threat]:
    code = "asset.unsupported"
    yield refused("wide", code, "60000 x 60000 pixels", media=things.png(60_000, 60_000))
    yield refused("thin", code, "2147483647 x 1 pixels", media=things.png(2**31 - 1, 1))
    yield refused("wide jpeg", code, "65500 x 65500 pixels", media=things.jpeg(65_500), ending=".jpg")
    yield refused("wide webp", code, "16777216 x 16777216", media=things.webp(1 << 24), ending=".webp")
    yield refused("packed", "asset.truncated", "it is damaged", media=things.png(20, 20, packed=b"iCCP"))
    yield refused("wide bmp", code, "60000 x 60000 pixels", media=things.bmp(60_000), ending=".bmp")
    yield refused("wide gif", code, "65535 x 65535 pixels", media=things.gif(65_535), ending=".gif")
    for name, data in things.OTHERS.items():
        told = {"tiff": "are a .tif file", "svg": "are a .svg file"}.get(name, "of no kind that Runway takes")
        yield refused(f"{name} as png", code, told, media=data)
    for name in ("tiff", "bmp"):
        ending = {"tiff": ".tif"}.get(name, f".{name}")
        told = "no kind" if name == "bmp" else "it is damaged"
        yield refused(
            f"{name} of ones",
            "asset.truncated" if name == "tiff" else code,
            told,
            media=things.OTHERS[name],
            ending=ending,
        )


def _names() -> Iterator[Threat]:
    code, told = "name.unsafe", "holds control characters or is too long"
    yield refused("title\x1b]0;x\x07", code, told, filed="title_]0;x_")
    yield refused("eight\x9b2J", code, told, filed="eight_2J")
    yield refused("line\nERROR", code, told, filed="line_ERROR")
    yield refused("turned\u202egnp", code, told, filed="turned_gnp")
    yield refused("long" * 60, code, told, filed="long" * 50)
    yield refused("folder\x1b[2J/cat", code, told)
    pair: dict[str, Thing] = {f"{LATIN}{end}": PNG for end in (".png", "/cat.png")}
    yield Threat(f"{LATIN}.png", "", "not UTF-8", pair)
    yield Threat(LATIN, "", "not UTF-8", {})
    for name in ("cat.result.toml", "cat.error.toml", "cat.held.toml"):
        yield Threat(name, "", "a record that runway-watch wrote", {name: SIDECAR})


def _planted() -> Iterator[Threat]:
    """What goes where something has been planted under its name; `folder.PLANTED` says what."""
    yield refused(
        "refused", "params.invalid", "did you mean `ratio`?", text=b"ratoi = 1", filed="refused (2)"
    )


def _spending() -> Iterator[Threat]:
    ten_seconds = sidecar("x", "duration = 10\n[job]\nmax_credits = 9999")
    yield refused("dear", "budget.job", f"at most {CAP} are allowed", text=ten_seconds)
    for key in ("credits_per_job", "credits_per_day", "in_flight"):
        raised = sidecar("x", f"[job]\n{key} = 9999")
        yield refused(key, "sidecar.invalid", f"`job.{key}`: unknown", text=raised)
    yield refused("budget", "params.invalid", "`budget`: unknown", text=sidecar("x", "budget.reserve = 0"))
    yield refused("first", "sidecar.invalid", "job.priority", text=sidecar("x", "[job]\npriority = 1000001"))
    yield referring("asks", "https://169.254.169.254/x", "reference.host", "is not allowed")
    yield referring("asks in clear", "http://127.0.0.1/x.png", "params.invalid", "http: is not accepted")


ROWS: Mapping[str, tuple[Threat, ...]] = {
    "ways out": tuple(_ways_out()),
    "hard links": tuple(everywhere("second name", things.second_name)),
    "no files": tuple(_no_files()),
    "devices": tuple(everywhere("device", things.device)) if things.may_make_devices() else (),
    "TOML bombs": tuple(_toml_bombs()),
    "image bombs": tuple(_image_bombs()),
    "names": tuple(_names()),
    "planted names": tuple(_planted()),
    "spending": tuple(_spending()),
    "flooding": (
        Threat("deep" + 101 * "/d", "", "more than 100 folders deep", {"deep": things.deep_folder}),
    ),
}
"""By the rows of the table of threats that can be put into a folder before a daemon looks."""
