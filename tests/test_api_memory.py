"""The memory that uploads take does not grow with the files, nor with their number."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, hashlib, os, sys
from pathlib import Path
from runway_watch.api import Courier, Slot
from runway_watch.hands import Hands, Lent

SIZE, COUNT = 50_000_000, 4
PATH = Path(sys.argv[1])

def peak():
    # VmHWM, not getrusage: the latter begins with the peak of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

async def drain(reader, writer):
    taken = b""
    while not taken.endswith(b"--\\r\\n"):
        taken = taken[-4:] + await reader.read(65_536)
    writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    await writer.drain()
    writer.close()

HANDS = Hands("tests")

async def send(courier, url, size, sha256):
    with PATH.open("rb") as file:
        slot = Slot(url, {"key": "k"}, "runway://x")
        lent = Lent(file, HANDS)
        await courier.upload(slot, lent, name="a.png", mime="image/png", size=size, sha256=sha256)

async def main():
    server = await asyncio.start_server(drain, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    digest = hashlib.sha256()
    for _ in range(SIZE // 1_000_000):
        digest.update(bytes(1_000_000))
    async with Courier(allow_http=True) as courier:
        os.truncate(PATH, 1000)
        await send(courier, url, 1000, hashlib.sha256(bytes(1000)).hexdigest())
        before = peak()
        os.truncate(PATH, SIZE)
        await asyncio.gather(*(send(courier, url, SIZE, digest.hexdigest()) for _ in range(COUNT)))
    print(peak() - before)
    server.close()

asyncio.run(main())
"""


def test_four_uploads_of_50_mb_at_once_take_less_than_40_mb(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000_000
