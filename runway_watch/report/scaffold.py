"""`init`: the folders, a commented configuration and a sample sidecar. Nothing that exists is touched."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from runway_watch.errors import RunwayWatchError
from runway_watch.job import Place
from runway_watch.spool import Spool

_SAMPLE = """\
# A sidecar: put it beside a picture, under the picture's name (cat.png and cat.prompt.toml).
# Folders and files whose names begin with "_" are never taken for a drop, so this one just lies here.
prompt_text = "The scene comes to life"

# model = "gen4.5"          # Runway's own parameters; `runway-watch models` shows them all
# ratio = "auto"            # the allowed ratio nearest to the picture
# duration = 5              # seconds

# [job]                     # what runway-watch itself is asked for
# operation = "image_to_video"   # or "text_to_image"
# priority = 10             # higher goes first
# variations = 4            # so many generations, each with a seed of its own
# not_before = 2026-12-24T22:00:00
# max_credits = 100         # refuse to start if it could cost more
"""


def scaffold(root: Path, config: Path) -> Iterator[str]:
    """Make what is missing.

    Args:
        root: the folder of the four folders.
        config: where the configuration goes.

    Yields:
        A line for each thing made or found, then what to do next.

    Raises:
        RunwayWatchError: something could not be made.
        SpoolError: the folders could not be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        Spool(root).make()
        yield f"{root}/ with {', '.join(f'{place}/' for place in Place)}"
        sample = root / Place.INBOX / "_sample.prompt.toml"
        yield _write(sample, _SAMPLE)
        is_new = not config.exists()
        yield _write(config, _example().replace('"/srv/runway"', json.dumps(str(root))))
    except OSError as error:
        raise RunwayWatchError(f"{error.filename}: {error.strerror}") from None
    if not is_new and str(root) not in config.read_text("utf-8", errors="replace"):
        yield f"{config} does not watch {root}: add a [[watch]] with root = {json.dumps(str(root))}"
    yield f"Next: put your key into a file (mode 600), name it in {config} as api.key_file,"
    yield f"then `runway-watch check --config {config}` and `runway-watch run --config {config}`."


def _example() -> str:
    """The example configuration: inside an installed package, or beside the package in a checkout."""
    package = Path(str(files("runway_watch")))
    places = [package / "config.example.toml", package.parent / "config.example.toml"]
    return next(place for place in places if place.is_file()).read_text("utf-8")


def _write(path: Path, text: str) -> str:
    try:
        with path.open("x", encoding="utf-8") as file:  # never through a link that somebody has put there
            file.write(text)
    except FileExistsError:
        return f"{path} (was there already; left as it is)"
    return str(path)
