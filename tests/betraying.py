"""The command line with a traitor in each stage: its first call fails, with secrets in what it says.

The second call is the real one, so that work goes on. The secrets are the daemon's own, overheard where they
come in, and noted in a file of which only the test knows. Nothing may be started: a child would have our
environment.
"""

import asyncio
import gc
import json
import sys
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from runway_watch.api import Api, Courier
from runway_watch.cli import main as command

STAGES = {
    "scan": ("runway_watch.daemon.inbox", "survey"),
    "admit": ("runway_watch.daemon.inbox", "judge"),
    "upload": ("runway_watch.daemon.freight", "upload"),
    "submit": ("runway_watch.daemon.work", "submit"),
    "poll": ("runway_watch.daemon.work", "poll"),
    "collect": ("runway_watch.daemon.work", "collect"),
    "retire": ("runway_watch.daemon.filing", "retire"),
    "chore": ("runway_watch.daemon.chores", "look_at_account"),
    "check": ("runway_watch.report.check", "_balance"),  # not of the daemon: a command that asks Runway
}
CHILDREN = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system")


class Traitors:
    """What they know, and whom they have betrayed.

    Args:
        notes: the file for what they know, one secret a line; the first is the key.
    """

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._known: dict[str, None] = {}

    def learn(self, *secrets: str) -> None:
        """Remember what nobody may see."""
        self._known |= dict.fromkeys(secrets)
        self._notes.write_text("\n".join(self._known))

    def betray(self, stage: str) -> NoReturn:
        """Fail with key and address in the message, in a note and in the cause, and with all in a local."""
        everything = list(self._known)
        headers = {"Authorization": f"Bearer {everything[0]}"}
        address = next((text for text in reversed(everything) if "?" in text), "nowhere")
        error = ValueError(f"{stage} betrays {headers} and {everything[0]} for {address}")
        error.add_note(everything[0])
        raise error from ConnectionError(f"GET {address} {headers!r}", headers, address)


def main() -> None:
    """Run `runway-watch` with the words after the file for the notes."""
    _, notes, *words = sys.argv
    sys.argv = ["runway-watch", *words]
    traitors = Traitors(Path(notes))
    sys.addaudithook(_no_children)
    _listen(traitors)
    for stage, (module, name) in STAGES.items():
        place = import_module(module)
        setattr(place, name, _first_betraying(stage, getattr(place, name), traitors))
    command()


def _no_children(event: str, _: object) -> None:
    if event in CHILDREN:
        sys.stderr.write(json.dumps({"event": "child.started", "how": event}) + "\n")


def _listen(traitors: Traitors) -> None:
    """Hear of every secret where it comes in."""
    use, upload, download = Api.use, Courier.upload, Courier.download

    def using(api: Api, key: Any) -> None:
        traitors.learn(key.get_secret_value())
        use(api, key)

    def uploading(courier: Courier, slot: Any, file: Any, **facts: Any) -> Any:
        traitors.learn(slot.fields["policy"], slot.fields["x-amz-signature"])
        return upload(courier, slot, file, **facts)

    def downloading(courier: Courier, url: str, into: Any, **facts: Any) -> Any:
        traitors.learn(url, url.partition("=")[2])
        return download(courier, url, into, **facts)

    for place, name, heard in (
        (Api, "use", using),
        (Courier, "upload", uploading),
        (Courier, "download", downloading),
    ):
        setattr(place, name, heard)


def _first_betraying(stage: str, work: Callable[..., Any], traitors: Traitors) -> Callable[..., Any]:
    left = [stage]

    def betraying(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()
            if stage == "chore":
                _betray_where_nobody_listens(traitors)
            traitors.betray(stage)
        return work(*args, **kwargs)

    return betraying


def _betray_where_nobody_listens(traitors: Traitors) -> None:
    """In a task that nobody waits for, in a thread, in a finaliser, and in a warning."""

    async def forgotten() -> None:
        traitors.betray("task")

    task = asyncio.get_running_loop().create_task(forgotten())
    task.add_done_callback(lambda _: gc.collect())
    del task
    threading.Thread(target=traitors.betray, args=("thread",)).start()
    type("Thing", (), {"__del__": lambda _: traitors.betray("finaliser")})()
    try:
        traitors.betray("warning")
    except ValueError as error:
        warnings.warn(str(error), stacklevel=1)


if __name__ == "__main__":
    main()
