"""What the tests mount is where they run, has the size and device that it should, and goes with the block."""

import errno
import os
from pathlib import Path

import pytest

from tests.mounting import bind, detach, is_mounted, mountpoint, needs_mount, remount, tmpfs

pytestmark = needs_mount


def test_a_small_filesystem_is_there_for_the_block_and_goes_when_it_fails_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "a small disk"
    with pytest.raises(ZeroDivisionError), tmpfs(folder, 1 << 20):
        assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize == 1 << 20
        with (folder / "in use").open("xb"):
            raise ZeroDivisionError
    assert not is_mounted(folder)
    assert not list(folder.iterdir())


def test_a_folder_that_is_bound_again_is_the_same_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    (tmp_path / "backing/cat.png").touch()
    with mountpoint(tmp_path / "root") as root:
        empty = root.stat()
        bind(tmp_path / "backing", root)
        before = root.stat()
        detach(root)
        assert os.path.samestat(root.stat(), empty)
        bind(tmp_path / "backing", root)
        assert os.path.samestat(root.stat(), before)
        assert (root / "cat.png").exists()
        bind(tmp_path / "backing", root)  # two over each other go as well
    assert not is_mounted(root)
    assert (tmp_path / "backing/cat.png").exists()


def test_what_is_mounted_can_become_read_only_and_writable_again(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "root", 1 << 20) as root:
        remount(root, "ro")
        with pytest.raises(OSError) as refused:
            (root / "cat.png").touch()
        assert refused.value.errno == errno.EROFS
        remount(root, "rw")
        (root / "cat.png").touch()
