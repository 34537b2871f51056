"""The simulator as others meet it: as a process, and from the official SDK's own client."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from runwayml import RunwayML

Process = tuple[subprocess.Popen[str], Any]


@pytest.fixture
def process() -> Iterator[Process]:
    command = [sys.executable, "-m", "runway_watch.simulator", "--seconds", "0.5", "--film-seconds", "0.5"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as running:
        assert running.stdout is not None
        yield running, json.loads(running.stdout.readline())
        running.terminate()


def test_the_process_says_where_it_is_and_leaves_on_a_signal(process: Process) -> None:
    running, said = process
    assert set(said) == {"base_url", "upload_url", "output_url", "key"}
    assert httpx.get(f"{said['base_url']}/_simulator/bill").json()["paid"] == 0
    running.send_signal(signal.SIGTERM)
    assert running.wait(5) == 0


def test_the_process_refuses_to_leave_loopback() -> None:
    command = [sys.executable, "-m", "runway_watch.simulator", "--host", "0.0.0.0"]
    answer = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, timeout=20, check=False
    )
    assert (answer.returncode, "loopback only" in answer.stderr) == (2, True)


def test_the_official_client_uploads_creates_waits_and_downloads(process: Process) -> None:
    said = process[1]
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(buffer, "PNG")
    with RunwayML(api_key=said["key"], base_url=said["base_url"]) as client, ThreadPoolExecutor(2) as pool:
        uri = client.uploads.create_ephemeral(file=("cat.png", buffer.getvalue())).uri
        film = client.image_to_video.create(
            model="gen4.5", prompt_image=uri, prompt_text="x", ratio="1280:720", duration=5
        )
        still = client.text_to_image.create(
            model="gen4_image",
            prompt_text="@cat",
            ratio="1920:1080",
            reference_images=[{"uri": uri, "tag": "cat"}],
        )
        waits = [pool.submit(task.wait_for_task_output) for task in (film, still)]
        done: list[Any] = [wait.result() for wait in waits]
        balance = client.organization.retrieve().credit_balance
    outputs = [httpx.get(task.output[0]).content for task in done]
    assert outputs[0][4:8] == b"ftyp"
    assert outputs[1].startswith(b"\x89PNG")
    assert ([task.cost.credits for task in done], balance) == ([60, 8], 100_000 - 68)
