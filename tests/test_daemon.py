"""The daemon as people run it: a process beside a stand-in for Runway, with real files and real signals."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from tests.harness import Site, eventually, picture, sidecar, unique

PAIR = ["cat.out.mp4", "cat.png", "cat.prompt.toml", "cat.result.toml"]
SECOND = ["cat (2).out.mp4", "cat (2).png", "cat (2).prompt.toml", "cat (2).result.toml"]


# -- its life ----------------------------------------------------------------------------------------------


def test_thirty_drops_in_many_folders_survive_a_sigterm_in_the_middle(site: Site) -> None:
    site.runway.change(seconds=0.6, concurrency=5)
    for n in range(30):
        site.drop(f"{('', 'a/', 'a/b/', 'c/')[n % 4]}picture {n}.png")
    with site.daemon() as daemon:
        eventually(lambda: site.counts().get("done", 0) >= 8)
        assert daemon.stop() == 0
    assert site.counts()["done"] < 30
    site.verify()
    with site.daemon() as daemon:
        site.reaches(done=30)
        assert daemon.stop() == 0
    site.verify()
    assert len(site.paid()) == 30
    bill = site.runway.bill()
    assert not [name for name in bill["requests"] if name.startswith("DELETE /v1/")]
    assert not [task for task in bill["tasks"] if task["status"] == "CANCELLED"]
    assert not site.files("inbox") + site.files("processing")


def test_a_stop_waits_for_the_answer_to_a_paid_call(site: Site) -> None:
    site.runway.fault("create", {"stall_after": 2})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.runway.hits() == [1])
        assert daemon.stop() == 0
    assert site.counts() == {"running": 1}
    site.verify()
    assert site.cli("run", "--once").returncode == 0
    assert len(site.paid()) == 1
    site.verify()


def test_a_second_daemon_is_refused_and_the_first_works_on(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: site.ledger.exists() and daemon.events("daemon.started"))
        second = site.cli("run")
        assert (second.returncode, "another runway-watch has this ledger" in second.stderr) == (4, True)
        site.drop("cat.png")
        site.reaches(done=1)
        assert daemon.stop() == 0
    site.verify()


def test_once_ends_well_when_all_went_well_and_otherwise_does_not(site: Site) -> None:
    site.drop("good.png")
    assert site.cli("run", "--once").returncode == 0
    site.drop("bad.png", text="ratoi = 1")
    assert site.cli("run", "--once").returncode == 1
    assert site.cli("run", "--once").returncode == 0  # what failed before is no news
    site.verify()


@pytest.mark.parametrize(
    "account", [{"key": "key_" + "f" * 128}, {"credits": 10}], ids=["a wrong key", "no credits"]
)
def test_once_ends_when_only_a_person_can_help_however_many_wait(
    site: Site, account: dict[str, object]
) -> None:
    site.configure(in_flight=1)
    for n in range(9):
        site.drop(f"{n}.png")
    site.runway.change(**account)
    try:
        assert site.cli("run", "--once").returncode == 1
    finally:
        site.runway.change(key=site.runway.key, credits=10_000_000)
    assert (site.files("failed"), len(site.files("processing"))) == ([], 18)
    assert not site.paid()


def test_systemd_is_told_of_ready_status_and_stopping(site: Site) -> None:
    path = site.base / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(20)
        said: list[str] = []

        def until(word: str) -> None:
            while not any(line.startswith(word) for line in said):
                said.extend(channel.recv(4096).decode().split("\n"))

        with site.daemon(NOTIFY_SOCKET=str(path)) as daemon:
            until("READY=1")
            until("STATUS=")
            stopping = threading.Thread(target=daemon.stop)
            stopping.start()
            until("STOPPING=1")
            stopping.join()


def test_the_log_is_json_with_a_line_for_each_transition_and_no_secrets(site: Site) -> None:
    site.configure(level="info")
    prompt = site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(done=1)
        assert daemon.stop() == 0
    lines = [line for line in daemon.lines() if line["event"].startswith("job.")]
    moves = [(line["event"], line.get("was"), line["state"]) for line in lines]
    assert moves == [
        ("job.accepted", None, "ready"),
        ("job.progressed", "ready", "uploading"),
        ("job.uploaded", "uploading", "uploading"),
        ("job.progressed", "uploading", "submitting"),
        ("job.submitted", "submitting", "running"),
        ("job.progressed", "running", "collecting"),
        ("job.collected", "collecting", "retiring"),
        ("job.done", "retiring", "done"),
    ]
    assert {line["path"] for line in lines} == {"cat.png"}
    text = daemon.log.read_text()
    assert not [secret for secret in (site.runway.key, prompt, "_jwt", "?", "Bearer") if secret in text]


def test_what_a_library_logs_has_the_form_of_the_rest_and_no_secrets() -> None:
    code = (
        "import logging; from runway_watch.log import set_up; from runway_watch.config import LogSettings;"
        "set_up(LogSettings()); logging.getLogger('watchdog.x').error('odd %s', 'key_0123456789abcdef')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stderr
    line = json.loads(said)
    assert (line["event"], line["library"]) == ("library.complained", "watchdog.x")
    assert line["message"] == "odd ***"


# -- what arrives ------------------------------------------------------------------------------------------


def test_a_name_that_is_taken_in_processing_or_done_gets_a_number_on_the_whole_group(site: Site) -> None:
    site.runway.change(seconds=2.0)
    with site.daemon() as daemon:
        site.drop("cat.png")
        site.reaches(running=1)
        site.drop("cat.png")
        site.reaches(running=2)
        assert site.files("processing") == [
            "cat (2).png",
            "cat (2).prompt.toml",
            "cat.png",
            "cat.prompt.toml",
        ]
        site.reaches(done=2)
        assert site.files("done") == sorted(PAIR + SECOND)
        site.runway.change(seconds=0.3)
        site.drop("cat.png")
        site.reaches(done=3)
        assert "cat (3).out.mp4" in site.files("done")
        assert daemon.stop() == 0
    site.verify()


@pytest.mark.parametrize("sidecar_first", [True, False])
@pytest.mark.parametrize("name", ["cat.prompt.toml", "cat.png.prompt.toml"])
def test_either_file_of_a_pair_may_come_first(site: Site, sidecar_first: bool, name: str) -> None:
    files = [("cat.png", picture()), (name, sidecar(unique()))]
    if sidecar_first:
        files.reverse()
    with site.daemon() as daemon:
        site.put(*files[0])
        daemon.looks(3)
        assert site.files("inbox") == [files[0][0]]
        site.put(*files[1])
        site.reaches(done=1)
        assert daemon.stop() == 0
    site.verify()


@pytest.mark.parametrize("full_size_first", [True, False])
def test_a_picture_that_grows_slowly_is_never_taken_by_half(site: Site, full_size_first: bool) -> None:
    content = picture((640, 360))
    path = site.root / "inbox/cat.png"
    site.put("cat.prompt.toml", sidecar(unique()))
    with site.daemon() as daemon, path.open("wb") as file:
        if full_size_first:  # as SMB clients do
            file.truncate(len(content))
        for start in range(0, len(content), len(content) // 3):
            daemon.looks(1)
            assert site.files("inbox") == ["cat.png", "cat.prompt.toml"]
            file.seek(start)
            file.write(content[start : start + len(content) // 3])
            file.flush()
        site.reaches(done=1)
        assert (site.root / "done/cat.png").read_bytes() == content
        assert daemon.stop() == 0
    site.verify()


def test_a_truncated_picture_waits_and_then_fails(site: Site) -> None:
    site.configure(settle_timeout=3)
    site.put("cat.png", picture()[:-100])
    site.put("cat.prompt.toml", sidecar(unique()))
    with site.daemon() as daemon:
        daemon.looks(2)
        assert site.files("inbox") == ["cat.png", "cat.prompt.toml"]
        site.reaches(failed=1)
        assert daemon.stop() == 0
    assert site.record("failed", "cat.error.toml")["code"] == "asset.truncated"
    site.verify()


def test_a_broken_sidecar_is_refused_at_once_with_all_its_problems_and_harms_no_neighbour(site: Site) -> None:
    bad = 'ratoi = "1280:720"\nduration = "five"\n[job]\nprioritty = 1\n'
    with site.daemon() as daemon:
        for n in range(3):
            site.drop(f"good {n}.png")
        site.drop("bad.png", text=bad)
        site.put("worse.png", picture())
        site.put("worse.prompt.toml", b'prompt_text = "no end\n')
        eventually(lambda: "worse.error.toml" in site.files("failed"), seconds=5)
        eventually(lambda: "bad.error.toml" in site.files("failed"), seconds=5)
        site.reaches(done=3, failed=2)
        assert daemon.stop() == 0
    problems = "\n".join(site.record("failed", "bad.error.toml")["problems"])
    for expected in ("did you mean `ratio`?", "duration", "did you mean `priority`?"):
        assert expected in problems
    assert "line 1" in site.record("failed", "worse.error.toml")["message"]
    assert not daemon.events("share.lost")
    site.verify()


def test_many_refusals_at_once_do_not_get_into_each_others_way(site: Site) -> None:
    for n in range(80):
        site.drop(f"bad {n}.png", text="ratoi = 1")
    site.drop("good.png")
    with site.daemon() as daemon:
        site.reaches(done=1, failed=80)
        assert daemon.stop() == 0
    assert not daemon.events("share.lost") + daemon.events("work.broken")
    site.verify()


def test_a_folder_that_cannot_take_files_stops_only_its_own(site: Site) -> None:
    (site.root / "processing").mkdir()
    obstacle = site.root / "processing/sub"
    obstacle.write_text("in the way")
    site.drop("sub/stuck.png")
    with site.daemon() as daemon:
        eventually(lambda: daemon.events("share.refused"))
        site.drop("cat.png")
        eventually(lambda: site.counts().get("done") == 1)
        assert site.files("inbox") == ["sub/stuck.png", "sub/stuck.prompt.toml"]
        obstacle.unlink()
        site.reaches(done=2)
        assert daemon.stop() == 0
    site.verify()


# -- what comes back ---------------------------------------------------------------------------------------


def test_the_sweep_brings_back_what_may_work_now(site: Site) -> None:
    site.configure(sweep=1)
    site.runway.fault("upload_form", {"status": 403}, times=3)
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: "cat.error.toml" in site.files("failed"))
        error = site.record("failed", "cat.error.toml")
        assert (error["code"], error["retryable"]) == ("retries.exhausted", True)
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert (site.files("failed"), site.files("done")) == ([], PAIR)
    site.verify()


@pytest.mark.parametrize("running", [True, False])
def test_a_call_in_doubt_is_held_until_a_person_releases_it(site: Site, running: bool) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: "cat.held.toml" in site.files("processing"))
        site.drop("other.png")
        site.reaches(held=1, done=1)
        held = site.record("processing", "cat.held.toml")
        assert held["code"] == "submit.uncertain"
        if running:
            assert site.cli("retry", held["job"]).returncode == 0
            site.reaches(done=2)
        assert daemon.stop() == 0
    if not running:
        site.verify()
        assert site.cli("retry", str(site.root / "processing/cat.png")).returncode == 0
        assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 2}
    assert site.record("done", "cat.result.toml")["job"] == held["job"]
    assert len(site.paid()) == 3
    assert not site.files("processing")
    site.verify()


def test_a_held_job_whose_files_are_moved_back_to_the_inbox_runs_again_as_itself(site: Site) -> None:
    site.runway.fault("create", {"status_after": 502})
    site.drop("cat.png")
    with site.daemon() as daemon:
        eventually(lambda: site.rows("SELECT 1 FROM jobs WHERE told_at IS NOT NULL"), what="the record")
        job = site.record("processing", "cat.held.toml")["job"]
        site.back_to_inbox("processing", "cat.png", "cat.prompt.toml")
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert site.record("done", "cat.result.toml")["job"] == job
    assert (site.files("processing"), site.files("done")) == ([], PAIR)
    site.verify()


def test_a_failed_pair_that_is_moved_back_to_the_inbox_runs_again_as_itself(site: Site) -> None:
    site.runway.fault("create", {"status": 400})
    site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(failed=1)  # which is committed after its record was written
        job = site.record("failed", "cat.error.toml")["job"]
        site.back_to_inbox("failed", "cat.png", "cat.prompt.toml")
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert site.record("done", "cat.result.toml")["job"] == job
    assert (site.files("failed"), site.files("done")) == ([], PAIR)
    site.verify()


def test_an_order_is_carried_out_without_a_key_too(site: Site) -> None:
    site.runway.fault("create", {"reset_after": True})
    site.drop("cat.png")
    assert site.cli("run", "--once").returncode == 1
    assert "they go on when the daemon starts" in site.cli("retry", "--all", environment={}).stdout
    assert site.counts() == {"ready": 1}
    assert site.cli("run", "--once").returncode == 0
    assert site.counts() == {"done": 1}
    site.verify()


# -- what is fetched ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [{"status": 403}, {"truncate": True}, {"truncate": True, "chunked": True}, {"reset_before": True}],
    ids=json.dumps,
)
def test_an_output_that_does_not_come_whole_is_fetched_again(site: Site, deed: dict[str, object]) -> None:
    site.runway.fault("output", deed)
    site.drop("cat.png")
    with site.daemon() as daemon:
        site.reaches(done=1)
        assert daemon.stop() == 0
    assert site.runway.hits() == [1]
    assert len(site.paid()) == 1
    site.verify()


def test_several_outputs_are_numbered(site: Site) -> None:
    text = 'model = "gemini_image3.1_flash"\nratio = "1344:768"\noutput_count = 4\n'
    site.drop("cat.png", text=f'{text}[job]\noperation = "text_to_image"')
    with site.daemon() as daemon:
        site.reaches(done=1)
        assert daemon.stop() == 0
    outputs = [f"cat.out-{k}.png" for k in (1, 2, 3, 4)]
    assert site.files("done") == [*outputs, "cat.png", "cat.prompt.toml", "cat.result.toml"]
    [call] = site.record("done", "cat.result.toml")["generation"]
    assert call["outputs"] == outputs
    site.verify()
