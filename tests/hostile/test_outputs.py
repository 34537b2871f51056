"""What Runway delivers is filed as what it is, by its bytes, or not at all; and nobody can execute it."""

import base64
import io
import subprocess
import sys

import pytest
from PIL import Image

from tests.harness import Site
from tests.hostile.things import OTHERS, padded


def deliver(site: Site, content: bytes, said: str) -> None:
    """Drop a picture for which Runway's storage will give this, and say of it that it is that."""
    data, headers = base64.b64encode(content).decode(), {"Content-Type": said}
    site.runway.fault("output", {"status": 200, "body_base64": data, "headers": headers}, times=None)
    site.drop()


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        (OTHERS["program"], "video/mp4", "output.unsafe"),
        (OTHERS["svg"], "image/svg+xml", "output.unsafe"),
        (padded("<!doctype html><script>alert(1)</script>"), "text/html", "retries.exhausted"),
    ],
    ids=["program", "svg", "page"],
)
def test_what_may_not_be_filed_is_not(site: Site, content: bytes, said: str, code: str) -> None:
    deliver(site, content, said)
    assert site.cli("run", "--once").returncode == 1
    assert site.record("failed", "cat.error.toml")["code"] == code
    assert site.files("failed") == ["cat.error.toml", "cat.png", "cat.prompt.toml"]
    assert content not in [path.read_bytes() for path in site.root.rglob("*") if path.is_file()]


def test_a_picture_that_is_called_a_film_is_filed_as_a_picture(site: Site) -> None:
    found = io.BytesIO()
    Image.effect_noise((64, 64), 40).save(found, "GIF")
    deliver(site, found.getvalue(), "video/mp4")
    assert site.cli("run", "--once").returncode == 0
    assert (site.root / "done/cat.out.gif").read_bytes() == found.getvalue()


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o640), (0o077, 0o600)])
def test_an_output_is_for_its_owner_and_group_alone(site: Site, umask: int, mode: int) -> None:
    site.drop()
    command = [sys.executable, "-m", "runway_watch", "run", "--once", "--config", str(site.config)]
    subprocess.run(command, check=True, umask=umask, env=site.surroundings(), cwd=site.base)
    assert (site.root / "done/cat.out.mp4").stat().st_mode & 0o7777 == mode
