"""The key as a file: opened once, and judged by what was opened, so that nothing can be swapped in between.

Whoever can read it can spend our money; whoever can change it gets our pictures sent to an account of theirs.
No message shows anything of what the file holds.
"""

import os
import stat
from pathlib import Path

from pydantic import SecretStr

from runway_watch.errors import ConfigError

MOST_BYTES = 4096
"""Runway's keys have 132; what is longer is another file."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""A pipe that nobody writes to would block; whether it is one is known when it is open."""

_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def read(path: Path, what: str, *, private: bool) -> SecretStr:
    """The key in a file. A link is followed: what counts is the file that it leads to.

    Args:
        path: the file.
        what: how the configuration calls it.
        private: it must be ours or root's, and nobody else may read or change it. What systemd hands us as
            a credential may have any mode: systemd answers for who can reach it.

    Raises:
        ConfigError: it cannot be read, is no key file, or is not private; with what to do.
    """
    try:
        fd = os.open(path, _FLAGS)
        try:
            _must_be_a_file(os.fstat(fd), path, what, private=private)
            content = os.read(fd, MOST_BYTES + 1)
        finally:
            os.close(fd)
    except OSError as error:
        raise ConfigError([f"{what}: {path} cannot be read: {error.strerror}"]) from None
    except ValueError:
        raise ConfigError([f"{what}: {str(path)!r} is a name that no file can have"]) from None
    return SecretStr(_key(content, path, what))


def _must_be_a_file(found: os.stat_result, path: Path, what: str, *, private: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError([f"{what}: {path} is a folder, a pipe or a device; put the key into a file"])
    if not private:
        return
    if found.st_mode & _OTHERS:
        can = "read" if found.st_mode & (stat.S_IRGRP | stat.S_IROTH) else "change"
        raise ConfigError([f"{what}: others can {can} {path}; run: chmod 600 {path}"])
    us = os.geteuid()
    if us != 0 and found.st_uid not in (0, us):
        raise ConfigError([f"{what}: {path} belongs to another user, who can change it; make it yours"])


def _key(content: bytes, path: Path, what: str) -> str:
    if len(content) > MOST_BYTES:
        raise ConfigError([f"{what}: {path} holds no key: it has more than {MOST_BYTES} bytes"])
    try:
        key = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError([f"{what}: {path} holds no key: it is not plain text"]) from None
    if not key:
        raise ConfigError([f"{what}: {path} is empty"])
    return key
