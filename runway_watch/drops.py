"""Which files of a folder belong together, and which are none of our business. Names in, groups out."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from runway_watch.job import DROPPABLE, MEDIA_SUFFIXES
from runway_watch.letters import STEERING

SIDECAR = ".prompt.toml"
FOLDER_DEFAULTS = "_folder.prompt.toml"
RECORDS = RESULT, ERROR, HELD = (".result.toml", ".error.toml", ".held.toml")

UNSUPPORTED = f"neither a sidecar nor of a kind that can be sent ({', '.join(s[1:] for s in DROPPABLE)})"
NOT_CONVERTED = "a kind of picture that Runway does not take, and `[watch] convert = false`"

_JUNK_NAMES = {"thumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin"}
_JUNK_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp")
MAX_NAME_BYTES = 200
"""A file name may have 255 bytes; the rest is for ` (2)` and `.result.toml`."""


@dataclass(frozen=True, slots=True)
class Group:
    """Files that are one drop, or would be if something were not missing (`why` says what).

    `name` is what the group is called; a file is called `name + suffix`.
    """

    name: str
    media: str | None  # file names
    sidecar: str | None
    why: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, media first."""
        return tuple(filter(None, (self.media, self.sidecar)))


def join(folder: str, name: str) -> str:
    """The path of a file in a folder, `""` being the topmost."""
    return f"{folder}/{name}" if folder else name


def is_junk(name: str, ignore: Sequence[str] = ()) -> bool:
    """Whether a file or folder of this name is never a drop, whatever it holds."""
    folded = name.casefold()
    return (
        name[0] in "._~"
        or folded in _JUNK_NAMES
        or folded.endswith(_JUNK_SUFFIXES)
        or (bool(ignore) and any(fnmatchcase(name, pattern) for pattern in ignore))
    )


def is_sidecar(name: str) -> bool:
    """Whether the name is that of a sidecar."""
    return name.casefold().endswith(SIDECAR) and len(name) > len(SIDECAR)


def is_record(name: str) -> bool:
    """Whether the name is one that runway-watch writes beside a job."""
    return name.casefold().endswith(RECORDS)


def media_kind(name: str, *, convert: bool = True) -> str | None:
    """image, video or audio by the extension; None for anything else.

    Args:
        name: a file's name.
        convert: what Runway does not take counts too, if it is converted for the upload.
    """
    stem, dot, extension = name.rpartition(".")
    known = DROPPABLE if convert else MEDIA_SUFFIXES
    return known.get(dot + extension.casefold()) if stem else None


def numbered(name: str, n: int) -> str:
    """The n-th name to try for a group: `cat`, `cat (2)`, `cat (3)` ..."""
    return name if n == 1 else f"{name} ({n})"


def safe(name: str) -> str:
    """The name under which a group may be filed: itself where it is harmless."""
    clean = STEERING.sub("_", name)
    return clean.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def suffix_of(name: str, group: Group) -> str:
    """What follows the group's name in the name of one of its files."""
    if name.startswith(group.name):
        return name[len(group.name) :]
    return SIDECAR  # the same name in another spelling of Unicode


def unsupported(names: Iterable[str], *, convert: bool = True) -> dict[str, str]:
    """Files that are neither media nor sidecars nor records, and why they stay where they are."""
    strange = [
        n for n in names if not is_sidecar(n) and not is_record(n) and media_kind(n, convert=convert) is None
    ]
    return {n: UNSUPPORTED if media_kind(n) is None else NOT_CONVERTED for n in strange}


def pair(names: Iterable[str], *, optional: bool = False, convert: bool = True) -> list[Group]:
    """Sort the files of one folder into groups.

    Args:
        names: the names in one folder, without junk.
        optional: a bare picture is a whole drop here (`[job] sidecar = "optional"`).
        convert: as for `media_kind`.

    Names are compared in Unicode's composed form: macOS writes `é` as two characters, Windows as one.
    """
    names = sorted(names)
    sidecars = _by_key((n[: -len(SIDECAR)], n) for n in names if is_sidecar(n))
    groups: list[Group] = []
    sharing: list[str] = []
    media = [n for n in names if media_kind(n, convert=convert) is not None]
    for key, rivals in _by_key((n, n) for n in media).items():
        if key in sidecars:
            groups += _match(rivals, sidecars.pop(key))
        else:
            sharing += rivals
    for key, rivals in _by_key((_stem(n), n) for n in sharing).items():
        groups += _match(rivals, sidecars.pop(key)) if key in sidecars else _bare(rivals, optional=optional)
    for alone in sidecars.values():
        groups += _alone(alone)
    return sorted(groups, key=lambda g: g.files)


def _match(rivals: list[str], sidecars: list[str]) -> list[Group]:
    """Media and sidecars that call each other by the same name: a pair, or nobody knows which."""
    if len(rivals) == len(sidecars) == 1:
        return [Group(_stem(rivals[0]), rivals[0], sidecars[0])]
    if len(sidecars) == 1:
        why = f"{sidecars[0]} could belong to {' or '.join(rivals)}: name it {rivals[0]}{SIDECAR} or the like"
    else:
        why = _twice(sidecars)
    return [Group(_stem(n), n, None, why) for n in rivals] + [Group(_stem(n), None, n, why) for n in sidecars]


def _bare(media: list[str], *, optional: bool) -> list[Group]:
    why = "" if optional else "waits for its sidecar, {0}.prompt.toml"
    return [Group(_stem(n), n, None, why.format(_stem(n))) for n in media]


def _alone(sidecars: list[str]) -> list[Group]:
    named = sidecars[0][: -len(SIDECAR)]
    if media_kind(named) is not None:
        return [Group(_stem(named), None, n, f"waits for {named}") for n in sidecars]
    why = _twice(sidecars) if len(sidecars) > 1 else ""
    return [Group(_stem(n), None, n, why) for n in sidecars]


def _twice(sidecars: list[str]) -> str:
    return f"{' and '.join(sidecars)} are the same name in two spellings: keep one"


def _by_key(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for called, name in pairs:
        found.setdefault(unicodedata.normalize("NFC", called), []).append(name)
    return found


def _stem(name: str) -> str:
    """What a sidecar, or a picture and the like, is called without its ending."""
    return name[: -len(SIDECAR)] if is_sidecar(name) else name.rpartition(".")[0]
