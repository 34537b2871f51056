"""The process: `python -m runway_watch.media.darkroom ORDER`, the file on standard input, what it finds on
standard output. It binds itself to its limits before it reads the first byte."""

import errno
import json
import resource
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from runway_watch.media.darkroom.trouble import Heavy, Strange

_MOST_WRITTEN = 256 * 1024 * 1024
"""Bytes of a file that it may write; nothing larger can be sent."""

_TROUBLES = frozenset(
    {
        *(errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.EUCLEAN),
        *(errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EACCES),
        *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR),
    }
)
"""What disks, shares and machines have. A decoder that is led astray gets others, as it seeks and reads."""


def _bind(order: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    # The first is a signal of its own, so that whoever asked can tell it from being killed.
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu"], order["cpu"] + 1))


Deed = Callable[[BinaryIO], dict[str, Any]]


def _deed(order: dict[str, Any]) -> Deed:
    """What is to be done with the file. What fails here is no fault of the file's: it ends the process."""
    if order["do"] == "probe":
        from runway_watch.media.darkroom.probing import probe

        return lambda file: probe(file, order["extension"])
    from runway_watch.media.darkroom.printing import develop

    return lambda file: develop(file, order)


def work(order: dict[str, Any], deed: Deed, file: BinaryIO) -> dict[str, Any]:
    """What is found, or `code` and `why` for what cannot be done, or `errno` for trouble with a disk."""
    try:
        return {"found": deed(file)}
    except ImportError:  # of a decoder that is not there, or not whole
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises, it is about what it was given
        return _told(error, order["memory"] >> 20)


def _told(error: Exception, most: int) -> dict[str, Any]:
    """What went wrong, where it may take so many MiB. Its limit is far below what a machine has."""
    match error:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return {"code": "asset.too_large", "why": f"over {most} MiB"}
        case Heavy():
            return {"code": "asset.too_large", "why": str(error)}
        case Strange():
            return {"code": "asset.unsupported", "why": str(error)}
        case OSError(errno=number) if number in _TROUBLES:
            return {"errno": number}
    return {"code": "asset.truncated", "why": f"{type(error).__name__}: {error}"[:200]}


def main() -> None:
    """Do what the first word says."""
    order = json.loads(sys.argv[1])
    _bind(order)
    deed = _deed(order)
    with open(0, "rb", closefd=False) as file:
        file.seek(0)
        told = work(order, deed, file)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
