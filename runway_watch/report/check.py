"""`check`: everything that has to be right before a night, a line each, with what to do where it is not."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from runway_watch import catalogue, inotify, mounts
from runway_watch.api import Account, Api
from runway_watch.config import Settings, WatchSettings, read_key
from runway_watch.errors import ApiError, ConfigError, Denied, LedgerError
from runway_watch.job import Place
from runway_watch.ledger import Ledger, holder
from runway_watch.media import NOT_PROBED, can_probe, try_darkroom
from runway_watch.report.places import Places
from runway_watch.watcher import choose


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    ok: bool
    subject: str
    text: str


def _good(subject: str, text: str) -> Line:
    return Line(ok=True, subject=subject, text=text)


def _bad(subject: str, text: str) -> Line:
    return Line(ok=False, subject=subject, text=text)


def check(config: Path, settings: Settings, places: Places, environment: Mapping[str, str]) -> Iterator[Line]:
    """Look at everything. Nothing is changed, but for a hidden file that is made and removed to try.

    Args:
        config: the file that the settings were read from, without a problem.
    """
    yield _good("config", f"{config}, {len(settings.watch)} watched")
    for watch in settings.watch:
        yield from _folders(watch)
    yield _pictures()
    yield _good(
        "films", "how long they last and how they are coded is checked" if can_probe() else NOT_PROBED
    )
    yield _ledger(places)
    try:
        key = read_key(settings, environment)
    except ConfigError as error:
        yield _bad("key", str(error))
        return
    if key is None:
        yield _bad("key", "there is none: put it into a file and name it in `api.key_file` (mode 600)")
        return
    yield _good("key", "found")
    yield from asyncio.run(_account(settings, key))


def _folders(watch: WatchSettings) -> Iterator[Line]:
    root = watch.root
    if not _is_there(root) or not root.is_dir():
        yield _bad("root", f"{root} is not there: mount it, or make it (`runway-watch init {root}`)")
        return
    if not os.access(root, os.R_OK | os.X_OK):
        yield _bad("root", f"{root} cannot be entered: change its owner or mode")
        return
    missing = [place for place in Place if not (root / place).is_dir()]
    if missing:
        names = ", ".join(f"{place}/" for place in missing)
        writable = os.access(root, os.W_OK)
        advice = "`run` makes them" if writable else f"{root} cannot be written to: change its owner or mode"
        text = f"{root} has no {names} yet; {advice}"
        yield Line(ok=writable, subject="folders", text=text)
    yield from (_writable(root / place) for place in Place if place not in missing)
    yield _filesystem(watch, [root / place for place in Place if place not in missing])
    yield from _observer(watch)


def _writable(folder: Path) -> Line:
    trial = folder / f".runway-watch-{os.getpid()}"
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        advice = "change its owner or mode, or remount it for writing"
        return _bad("folder", f"{folder} cannot be written to ({error.strerror}): {advice}")
    return _good("folder", f"{folder} can be written to")


def _filesystem(watch: WatchSettings, folders: list[Path]) -> Line:
    devices = {folder.stat().st_dev for folder in [watch.root, *folders]}
    kind = mounts.kind(watch.root)
    if len(devices) > 1:
        text = f"the folders of {watch.root} lie on several filesystems: files are copied, not renamed"
        return _good("filesystem", text)
    return _good("filesystem", f"{watch.root} is on {kind}, all four folders on the same")


def _observer(watch: WatchSettings) -> Iterator[Line]:
    choice, scan = choose(watch), f"a scan every {watch.scan_seconds:g} s"
    if choice.how == "polling":
        yield _good("observer", f"{scan} ({choice.why})")
        return
    yield _good("observer", f"events ({choice.why}), and {scan}")
    yield _inotify(watch)


def _inotify(watch: WatchSettings) -> Line:
    """Whether they suffice, by the watcher's own rule; of the instances it learns only when it starts."""
    watches, instances, use = inotify.limit("watches"), inotify.limit("instances"), inotify.in_use()
    if watches is None or instances is None:
        return _good("inotify", "its limits cannot be read; what is refused is left to the scan")
    needed = inotify.folders(watch.root / Place.INBOX, watches.allowed + 1)
    short = inotify.shortage(needed, use, watches) or inotify.shortage_of_instances(use, instances)
    if short:
        return _bad("inotify", f"no events, the scan has to do: {short}")
    taken = f"{use.watches} taken; {use.instances} of {instances.allowed} instances taken"
    return _good("inotify", f"{needed} of {watches.allowed} watches needed, {taken}")


def _pictures() -> Line:
    """Whether they can be converted: by a process of its own, as each will be."""
    if why := try_darkroom():
        return _bad("pictures", f"none can be converted: {why}")
    return _good("pictures", "HEIC, AVIF, TIFF, BMP and GIF can be converted")


def _ledger(places: Places) -> Line:
    name = str(places.ledger or "the database")
    if places.ledger is None or not _is_there(places.ledger):
        folder = _existing(places.ledger.parent if places.ledger else places.lock.parent)
        if not os.access(folder, os.W_OK):
            return _bad("ledger", f"{name} cannot be made: {folder} cannot be written to")
        return _good("ledger", f"{name} will be made by the first run")
    if not os.access(places.ledger, os.R_OK | os.W_OK):
        return _bad("ledger", f"{name} belongs to another user: run this, and the daemon, as its owner")
    if mounts.is_remote(mounts.kind(places.ledger)):
        return _bad("ledger", f"{name} is on a network drive, where SQLite is unsafe: set `state.url`")
    try:
        Ledger(places.ledger_url, readonly=True).close()
    except LedgerError as error:
        return _bad("ledger", f"{name}: {error}")
    note = holder(places.lock)
    running = f"; a daemon is running (process {note.get('pid')})" if note is not None else ""
    return _good("ledger", f"{name}{running}")


def _existing(folder: Path) -> Path:
    return folder if _is_there(folder) else _existing(folder.parent)


def _is_there(path: Path) -> bool:
    """Whether it can be seen; unlike `exists`, a folder on the way that cannot be entered raises nothing."""
    return os.access(path, os.F_OK)


async def _account(settings: Settings, key: SecretStr) -> list[Line]:
    url = settings.api.base_url
    try:
        async with Api(base_url=url, key=key) as api:
            account = await api.organization()
    except Denied:
        return [_bad("account", f"{url} does not accept the key: is it of this API, and not revoked?")]
    except ApiError as error:
        return [_bad("account", f"{url} does not answer: {error.message}. Is there a network?")]
    return [_balance(account), *_tier(account)]


def _balance(account: Account) -> Line:
    if account.balance <= 0:
        return _bad("balance", "0 credits: nothing can be generated until some are bought")
    return _good("balance", f"{account.balance} credits")


def _tier(account: Account) -> Iterator[Line]:
    """A line for each limit that the default models have, with those that have it."""
    named = [str(row.defaults["model"]) for row in catalogue.OPERATIONS.values() if "model" in row.defaults]
    models: dict[str, list[str]] = {}
    for model in dict.fromkeys(named):
        if model in account.concurrency:
            models.setdefault(_limits(account, model), []).append(model)
    for limits, alike in models.items():
        yield _good("tier", f"{limits} of {', '.join(alike)}")
    if not models:
        yield _good("tier", "the account names no limits for the default models")


def _limits(account: Account, model: str) -> str:
    at_a_time, a_day = account.concurrency[model], account.daily.get(model)
    return f"{_or_any(at_a_time)} at a time, {_or_any(a_day)} a day"


def _or_any(limit: int | None) -> str:
    return "any number" if limit is None else str(limit)
