"""What people write without runway-watch: the official SDK in a pool of threads. Called by makespan.py."""

import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runwayml import RunwayML

inbox, slots, notes = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
client = RunwayML()


def work(picture: Path) -> str:
    """One film: upload, create, wait, download."""
    uri = client.uploads.create_ephemeral(file=picture).uri
    created = client.image_to_video.create(
        model="gen4.5", prompt_image=uri, prompt_text="Slow dolly in", ratio="1280:720", duration=5
    )
    task = created.wait_for_task_output()
    noticed = time.time()
    assert task.status == "SUCCEEDED"
    with urllib.request.urlopen(task.output[0]) as answer:
        picture.with_suffix(".mp4").write_bytes(answer.read())
    return f"{created.id} {noticed}"


with ThreadPoolExecutor(slots) as pool:
    notes.write_text("\n".join(pool.map(work, sorted(inbox.glob("*.png")))))
