"""The process: `python -m runway_watch.media.darkroom ORDER`, the file on standard input, what it finds on
standard output. It binds itself to its limits before it reads the first byte."""

import json
import resource
import struct
import sys
import zlib
from typing import Any, BinaryIO

from runway_watch.media.darkroom.trouble import Heavy, Strange

_MOST_WRITTEN = 256 * 1024 * 1024
"""Bytes of a file that it may write; nothing larger can be sent."""

_DAMAGED = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, OSError, struct.error, zlib.error),
)
"""What decoders raise on damaged data."""


def _bind(order: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    # The first is a signal of its own, so that whoever asked can tell it from being killed.
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu"], order["cpu"] + 1))


def _done(order: dict[str, Any], file: BinaryIO) -> dict[str, Any]:
    if order["do"] == "probe":
        from runway_watch.media.darkroom.probing import probe

        return probe(file, order["extension"])
    from runway_watch.media.darkroom.printing import develop

    return develop(file, order)


def work(order: dict[str, Any], file: BinaryIO) -> dict[str, Any]:
    """What is found, or `code` and `why` for what cannot be done, or `errno` for trouble with a disk."""
    try:
        return {"found": _done(order, file)}
    except MemoryError:
        return {"code": "asset.too_large", "why": f"over {order['memory'] >> 20} MiB"}
    except Heavy as heavy:
        return {"code": "asset.too_large", "why": str(heavy)}
    except Strange as strange:
        return {"code": "asset.unsupported", "why": str(strange)}
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            return {"errno": error.errno}
        return {"code": "asset.truncated", "why": f"{type(error).__name__}: {error}"[:200]}


def main() -> None:
    """Do what the first word says."""
    order = json.loads(sys.argv[1])
    _bind(order)
    with open(0, "rb", closefd=False) as file:
        file.seek(0)
        told = work(order, file)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
