"""What calls itself a picture meets decoders of three formats, and no other: the others start programs."""

import io
from pathlib import Path

import pytest

from runway_watch import media

HEADER = b"%!PS-Adobe-3IHDR\x00\x00\x00@\x00\x00\x00@\n%%BoundingBox: 0 0 10 10\n"
EPS_AS_PNG = HEADER + b"%\n" * 500
"""What a look for a PNG's header finds a header in, and Pillow takes for a program to be run."""


def test_no_program_is_started_for_what_calls_itself_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghostscript, mark = tmp_path / "gs", tmp_path / "started"
    ghostscript.write_text(f"#!/bin/sh\necho started > {mark}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert media.decodes(io.BytesIO(EPS_AS_PNG), ".png") is False
    assert not mark.exists()
