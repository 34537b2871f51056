"""One JSON line with the addresses and the key on standard output, then the stand-in until told to stop."""

import argparse
import asyncio
import json
import sys

from runway_watch.simulator import Settings, Simulator, serve

# option: (field of Settings, type)
OPTIONS = {
    "--port": ("api_port", int),
    "--upload-port": ("upload_port", int),
    "--output-port": ("output_port", int),
    "--key": ("key", str),
    "--concurrency": ("concurrency", int),
    "--daily": ("daily", int),
    "--credits": ("credits", int),
    "--seconds": ("seconds", float),
    "--image-seconds": ("image_seconds", float),
    "--spread": ("spread", float),
    "--url-lifetime": ("url_lifetime", float),
    "--uri-lifetime": ("uri_lifetime", float),
    "--film-seconds": ("film_seconds", float),
    "--seed": ("seed", int),
    "--host": ("host", str),
}


def main() -> None:
    """Read the options, serve."""
    parser = argparse.ArgumentParser(prog="python -m runway_watch.simulator", description=__doc__)
    for option, (field, kind) in OPTIONS.items():
        parser.add_argument(option, dest=field, type=kind, default=argparse.SUPPRESS)
    try:
        settings = Settings(**vars(parser.parse_args()))
    except ValueError as error:
        parser.error(str(error))
    asyncio.run(serve(settings, _announce))


def _announce(simulator: Simulator) -> None:
    names = ("base_url", "upload_url", "output_url", "key")
    sys.stdout.write(json.dumps({name: getattr(simulator, name) for name in names}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
