"""The command as a process: what it prints where, and with which code it ends."""

import json
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runway_watch import __version__
from tests.cli_tools import cli, command, environment
from tests.harness import Runway, Site, eventually, picture, sidecar, simulator, unique

BROKEN = """
[api]
base_url = "http://example.com"
key_fil = "x"
[[watch]]
root = "relative/path"
settle_seconds = -1
observe = "sometimes"
[limits]
in_flite = 3
uploads = "many"
[poll]
min_seconds = 5
max_seconds = 1
[wach]
root = "/x"
"""
SENTENCES = [
    "api.base_url: must begin with https:// (plain http only on loopback, for a simulator)",
    "api.key_fil: unknown; did you mean key_file?",
    "watch.root: must be an absolute path",
    "watch.settle_seconds: input should be greater than or equal to 0",
    "watch.observe: input should be 'auto', 'events' or 'polling'",
    "limits.in_flite: unknown; did you mean in_flight?",
    "limits.uploads: input should be a valid integer, unable to parse string as an integer",
    "poll.max_seconds: must not be below poll.min_seconds",
    "wach: unknown; did you mean watch?",
]


# -- usage --------------------------------------------------------------------------------------------------


def test_the_version_is_told(tmp_path: Path) -> None:
    done = cli("--version", at=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"runway-watch {__version__}\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ["--nonsense"],
        ["nonsense"],
        ["run", "--nonsense"],
        ["run", "extra"],
        ["status", "--config"],
        ["simulator", "--port", "many"],
        ["retry"],
        ["retry", "--code", "task.internal"],
        ["retry", "261120-00000000", "--all"],
        ["retry", "261120-00000000", "--code", "task.internal"],
    ],
)
def test_wrong_usage_ends_with_2_and_prints_nothing_for_programs(words: list[str], tmp_path: Path) -> None:
    done = cli(*words, at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error" in done.stderr


@pytest.mark.parametrize("word", ["init", "check", "run", "status", "retry", "simulator", "demo"])
def test_every_command_explains_itself(word: str, tmp_path: Path) -> None:
    done = cli(word, "--help", at=tmp_path)
    assert done.returncode == 0
    assert "--config" in done.stdout


# -- where the configuration is -----------------------------------------------------------------------------


def config(path: Path, word: str) -> Path:
    """A configuration whose complaint tells which one it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[[watch]]\nroot = "/nowhere"\n{word} = 1\n')
    return path


def complaint(*words: str, at: Path, **env: str) -> str:
    done = cli("status", *words, at=at, env=env)
    assert (done.returncode, done.stdout) == (78, "")
    return done.stderr


def test_the_configuration_is_looked_for_in_the_documented_order(tmp_path: Path) -> None:
    elsewhere, here, named = tmp_path / "elsewhere", tmp_path / "here", tmp_path / "named"
    here.mkdir()
    home = config(elsewhere / "runway-watch/config.toml", "from_home")
    at_hand = config(here / "config.toml", "from_here")
    by_variable = config(named / "variable.toml", "from_variable")
    by_option = config(named / "option.toml", "from_option")
    env = {"XDG_CONFIG_HOME": str(elsewhere), "RUNWAY_WATCH_CONFIG": str(by_variable)}
    assert "from_option" in complaint("--config", str(by_option), at=here, **env)
    assert "from_variable" in complaint(at=here, **env)
    del env["RUNWAY_WATCH_CONFIG"]
    assert "from_here" in complaint(at=here, **env)
    at_hand.unlink()
    assert "from_home" in complaint(at=here, **env)
    home.unlink()
    nothing = complaint(at=here, **env)
    assert nothing.startswith("runway-watch: no configuration found (config.toml, ")
    assert nothing.endswith("`runway-watch init` writes one\n")


def test_an_empty_variable_names_no_configuration(tmp_path: Path) -> None:
    config(tmp_path / "config.toml", "from_here")
    assert "from_here" in complaint(at=tmp_path, RUNWAY_WATCH_CONFIG="")


def test_without_the_variables_of_xdg_the_home_is_looked_into(tmp_path: Path) -> None:
    config(tmp_path / ".config/runway-watch/config.toml", "from_dot_config")
    assert "from_dot_config" in complaint(at=tmp_path, XDG_CONFIG_HOME="")


# -- broken configurations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["check", "run", "status"])
def test_every_problem_of_a_configuration_is_told_at_once(word: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BROKEN)
    done = cli(word, at=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert sorted(done.stderr.splitlines()) == sorted(f"runway-watch: config.toml: {s}" for s in SENTENCES)


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[watch]]\nroot = "relative/path"\n')
    done = cli("check", at=tmp_path)
    assert done.stderr == "runway-watch: config.toml: watch.root: must be an absolute path\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[[watch]\nroot = 1", "config.toml: is not TOML in UTF-8: "),
        (b"\xff\xfe[\x00", "config.toml: is not TOML in UTF-8: "),
        (b"", "config.toml: watch: missing"),
        (b'watch = "/srv"', "config.toml: watch: "),
        (b'api = 3\n[[watch]]\nroot = "/srv"', "config.toml: api: "),
        (b'[[watch]]\nroot = "/a"\n[[watch]]\nroot = "/a/b"', "/a/b is, or is inside, another"),
        (b'[[watch]]\nroot = "/a"\n[poll]\nmin_seconds = 1', "min_seconds: must be at least 5"),
    ],
)
def test_a_file_that_is_no_configuration_is_complained_about(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    done = cli("status", at=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_configuration_that_is_not_there_or_a_folder_is_complained_about(tmp_path: Path) -> None:
    for name in ("missing.toml", "."):
        done = cli("status", "--config", name, at=tmp_path)
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.startswith(f"runway-watch: {name}: cannot be read: ")


def test_a_complaint_cannot_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[watch]]\nroot = "/a"\n"\\u001b[31m\\u202e" = 1\n')
    done = cli("status", at=tmp_path)
    assert done.returncode == 78
    assert not {"\x1b", "\u202e"} & set(done.stderr)


# -- init ---------------------------------------------------------------------------------------------------


def tree(top: Path) -> dict[str, tuple[float, bytes]]:
    """Every file with its time and contents."""
    return {
        str(path.relative_to(top)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in top.rglob("*")
    }


def test_init_makes_everything_and_a_second_one_touches_nothing(tmp_path: Path) -> None:
    first = cli("init", "films", at=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    made = tree(tmp_path)
    assert set(made) == {
        "config.toml",
        *(f"films{tail}" for tail in ("", "/inbox", "/processing", "/done", "/failed")),
        "films/inbox/_sample.prompt.toml",
    }
    assert tomllib.loads(made["config.toml"][1].decode())["watch"][0]["root"] == str(tmp_path / "films")
    assert tomllib.loads(made["films/inbox/_sample.prompt.toml"][1].decode()) == {
        "prompt_text": "The scene comes to life"
    }
    second = cli("init", "films", at=tmp_path)
    assert (second.returncode, tree(tmp_path)) == (0, made)
    assert second.stdout.count("(was there already; left as it is)") == 2


def test_init_without_words_makes_a_folder_named_runway_here(tmp_path: Path) -> None:
    assert cli("init", at=tmp_path).returncode == 0
    assert (tmp_path / "runway/inbox").is_dir()


def test_init_writes_the_configuration_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = cli("init", "films", "--config", "etc/night.toml", at=tmp_path)
    assert done.returncode == 0
    assert "runway-watch check --config etc/night.toml" in done.stdout
    assert not (tmp_path / "config.toml").exists()
    assert (tmp_path / "etc/night.toml").is_file()


def test_init_says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "films").write_text("in the way")
    done = cli("init", "films", at=tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "films") in done.stderr
    assert "Traceback" not in done.stderr
    missing = cli("init", "other", "--config", "not/there/config.toml", at=tmp_path)
    assert missing.returncode == 1
    assert "not/there/config.toml" in missing.stderr


def test_init_beside_a_configuration_of_another_root_says_that_it_is_not_watched(tmp_path: Path) -> None:
    assert cli("init", "first", at=tmp_path).returncode == 0
    assert "does not watch" not in cli("init", "first", at=tmp_path).stdout
    told = cli("init", "second", at=tmp_path).stdout
    assert (
        f'config.toml does not watch {tmp_path}/second: add a [[watch]] with root = "{tmp_path}/second"'
        in told
    )


def test_what_init_made_passes_check_and_a_run(tmp_path: Path) -> None:
    with simulator() as runway:
        env = {"RUNWAYML_BASE_URL": runway.base_url, "RUNWAYML_API_SECRET": runway.key}
        assert cli("init", "my films", at=tmp_path).returncode == 0
        path = tmp_path / "config.toml"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("base_url")))
        for word in ("check", "status"):
            done = cli(word, at=tmp_path, env=env)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
        done = cli("run", "--once", at=tmp_path, env=env)
        assert done.returncode == 0
        assert (tmp_path / "my films/inbox/_sample.prompt.toml").is_file()
        assert runway.bill()["paid"] == 0


# -- run ----------------------------------------------------------------------------------------------------


def test_without_a_key_everything_is_held_and_nothing_fails(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        site.drop("cat.png")
        done = site.cli("run", "--once", environment={})
        assert (done.returncode, done.stdout) == (1, "")
        assert "there is no API key" in done.stderr
        [hold] = json.loads(site.cli("status", "--json").stdout)["holds"]
        assert (hold["scope"], hold["reason"]) == ("all", "credentials")
        assert site.counts() == {"ready": 1}
        assert site.cli("run", "--once").returncode == 0
        assert (site.counts(), json.loads(site.cli("status", "--json").stdout)["holds"]) == ({"done": 1}, [])


def test_run_once_tells_by_its_code_whether_something_failed(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        site.drop("good.png")
        assert site.cli("run", "--once").returncode == 0
        site.drop("bad.png", text='ratio = "16:9"')
        done = site.cli("run", "--once")
        assert (done.returncode, done.stdout) == (1, "")
        assert site.cli("run", "--once").returncode == 0  # what failed then is no news now


def test_a_second_daemon_is_refused_with_4(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        with site.daemon() as daemon:
            eventually(lambda: daemon.events("daemon.started"))
            done = site.cli("run")
            assert (done.returncode, done.stdout) == (4, "")
            assert f"another runway-watch has this ledger (process {daemon.process.pid})" in done.stderr
            assert daemon.stop() == 0


# -- simulator ----------------------------------------------------------------------------------------------


def test_the_simulator_tells_a_shell_where_it_is_and_leaves_on_a_signal(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            command("simulator", "--port", "0"),
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(tmp_path),
        ) as process:
            assert process.stdout is not None
            told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
            assert cli("init", at=tmp_path).returncode == 0
            path = tmp_path / "config.toml"
            path.write_text(path.read_text().replace("base_url = ", "# "))
            assert cli("check", at=tmp_path, env=told).returncode == 0
            process.send_signal(number)
            assert process.wait(20) == 0


def test_the_simulator_says_so_when_its_port_is_taken_or_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = cli("simulator", "--port", str(port), at=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("runway-watch: the simulator cannot listen: ")
    # Another test may have one of the next two, which the storage takes.
    assert any(f"{taken}): address already in use" in done.stderr for taken in range(port, port + 3))
    assert len(done.stderr.splitlines()) == 1
    assert cli("simulator", "--port", "70000", at=tmp_path).returncode == 2


# -- retry --------------------------------------------------------------------------------------------------


@dataclass
class Night:
    """A site after a night: one drop failed, one is held in doubt, one is done."""

    site: Site
    runway: Runway
    failed: str
    held: str
    done: str


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """For tests that only look."""
    with simulator() as runway:
        yield night(tmp_path_factory.mktemp("night"), runway)


def night(base: Path, runway: Runway) -> Night:
    site = Site(base, runway)
    for name, fault in (("bad", {"status": 400}), ("doubt", {"reset_after": True}), ("good", None)):
        if fault:
            runway.fault("create", fault)
        site.drop(f"{name}.png")
        site.cli("run", "--once")
    jobs = {str(name): str(job) for name, job in site.rows("SELECT dropped_as, id FROM jobs")}
    assert site.counts() == {"failed": 1, "held": 1, "done": 1}
    return Night(site, runway, failed=jobs["bad"], held=jobs["doubt"], done=jobs["good"])


def test_a_dry_run_tells_prices_and_changes_nothing(morning: Night) -> None:
    before = tree(morning.site.root), morning.site.rows("SELECT * FROM jobs"), morning.runway.bill()["paid"]
    done = morning.site.cli("retry", "--all", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(
        [
            f"{morning.failed} bad.png: failed (api.rejected), at most 60 credits",
            (
                f"{morning.held} doubt.png: held (submit.uncertain), at most 60 credits, "
                "perhaps for the second time"
            ),
            "2 jobs, at most 120 credits",
        ]
    )
    after = tree(morning.site.root), morning.site.rows("SELECT * FROM jobs"), morning.runway.bill()["paid"]
    assert after == before
    assert morning.site.rows("SELECT * FROM orders") == []


def test_a_retry_is_priced_by_the_files_as_they_lie_now(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        runway.fault("create", {"status": 400})
        site.drop("cat.png")
        assert site.cli("run", "--once").returncode == 1
        path = site.root / "failed/cat.prompt.toml"
        assert "at most 60 credits" in site.cli("retry", "--all", "--dry-run").stdout
        site.mend(path, sidecar(unique(), "duration = 10"))
        told = site.cli("retry", "--all", "--dry-run").stdout
        assert "cat.png: failed (api.rejected), at most 120 credits" in told
        site.mend(path, sidecar(unique(), "duration = 99"))
        told = site.cli("retry", "--all", "--dry-run").stdout
        assert "does not go on: `duration`" in told
        assert "1 job, at most 0 credits" in told


def test_what_a_call_in_doubt_may_have_cost_is_told_to_the_end_and_beyond(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        runway.fault("create", {"reset_after": True})
        site.drop("cat.png")
        assert site.cli("run", "--once").returncode == 1
        runway.well()
        [(job,)] = site.rows("SELECT id FROM jobs")
        site.cli("retry", job)
        assert site.cli("run", "--once").returncode == 0
        record = site.record("done", "cat.result.toml")
        assert (record["credits"], record["charged"], record["generation"][0]["doubted"]) == (
            60,
            "unknown",
            60,
        )
        assert "up to 60 more" in site.cli("explain", job).stdout
        assert spent(site) == (60, 60)
        for path in site.ledger.parent.glob(f"{site.ledger.name}*"):
            path.unlink()
        assert site.cli("run", "--once").returncode == 0
        assert spent(site) == (60, 60)


def spent(site: Site) -> tuple[int, int]:
    """What was charged today, and what may still have to be paid."""
    told = json.loads(site.cli("status", "--json").stdout)["credits"]
    return told["today"], told["reserved"]


def test_a_code_narrows_all(morning: Night) -> None:
    done = morning.site.cli("retry", "--all", "--code", "api.rejected", "--dry-run")
    assert done.stdout.splitlines()[-1] == "1 job, at most 60 credits"
    nothing = morning.site.cli("retry", "--all", "--code", "task.safety", "--dry-run")
    assert (nothing.returncode, nothing.stdout) == (0, "nothing to retry with the code task.safety\n")


@pytest.mark.parametrize("place", ["failed/bad.png", "failed/bad.prompt.toml", "failed/bad.error.toml"])
def test_a_job_is_known_by_every_file_of_it(place: str, morning: Night) -> None:
    done = morning.site.cli("retry", "--dry-run", str(morning.site.root / place))
    assert (done.returncode, done.stdout.splitlines()[0][: len(morning.failed)]) == (0, morning.failed)


def test_a_relative_path_is_one_of_the_folder_where_one_stands(morning: Night) -> None:
    at = morning.site.root / "failed"
    words = ["retry", "--dry-run", "bad.png", "--config", str(morning.site.config)]
    assert morning.failed in cli(*words, at=at, env=morning.site.environment).stdout


def test_a_path_through_links_and_dots_is_the_file_that_it_leads_to(morning: Night, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(morning.site.root)
    for way in ("link/failed/bad.png", "link/done/../failed/bad.png"):
        done = morning.site.cli("retry", "--dry-run", str(tmp_path / way))
        assert (done.returncode, morning.failed in done.stdout) == (0, True)


@pytest.mark.parametrize("wanted", ["261120-ffffffff", "nothing.png", "/etc/passwd", "\x1b[31mred"])
def test_a_retry_of_what_is_not_there_ends_with_1(wanted: str, morning: Night) -> None:
    done = morning.site.cli("retry", wanted)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(": no such job (`runway-watch explain` says what it is)\n")
    assert "\x1b" not in done.stdout


def test_a_retry_of_what_is_done_ends_with_1_and_says_so(morning: Night) -> None:
    done = morning.site.cli("retry", morning.done)
    assert (done.returncode, done.stdout) == (1, f"{morning.done} good.png: is done, not failed or held\n")


def test_a_retry_before_the_first_run_ends_with_1(tmp_path: Path) -> None:
    assert cli("init", "films", at=tmp_path).returncode == 0
    done = cli("retry", "--all", at=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_a_retry_is_carried_out_at_once_or_left_for_the_daemon(tmp_path: Path) -> None:
    with simulator() as runway:
        told = night(tmp_path, runway)
        site = told.site
        alone = site.cli("retry", told.failed, str(site.root / "processing/doubt.png"), environment={})
        assert alone.returncode == 0
        assert alone.stdout.splitlines()[-2:] == [
            "2 jobs, at most 120 credits",
            "done: they go on when the daemon starts",
        ]
        assert site.counts() == {"ready": 2, "done": 1}
        assert site.files("failed") == []
        assert site.cli("run", "--once").returncode == 0
        assert site.counts() == {"done": 3}


def test_a_retry_of_what_is_as_wrong_as_before_ends_with_1(tmp_path: Path) -> None:
    with simulator() as runway:
        site = Site(tmp_path, runway)
        site.drop("bad.png", text='ratio = "16:9"')
        site.cli("run", "--once")
        before = site.files("failed")
        done = site.cli("retry", "--all")
        assert (done.returncode, site.files("failed")) == (1, before)
        assert done.stdout.splitlines()[-1] == "1 of 1 cannot go on: the error files beside them say why"


def test_a_picture_that_lies_at_runway_no_more_is_uploaded_anew(tmp_path: Path) -> None:
    again = picture()
    with simulator() as runway:
        site = Site(tmp_path, runway)
        site.put("one.png", again)
        site.put("one.prompt.toml", sidecar("x"))
        assert site.cli("run", "--once").returncode == 0
    with simulator() as runway:  # the same account, and nothing lies there
        site = Site(tmp_path, runway)
        site.put("two.png", again)
        site.put("two.prompt.toml", sidecar("x"))
        site.cli("run", "--once")
        site.cli("retry", "--all")
        site.cli("run", "--once")
        assert site.counts() == {"done": 2}


def test_what_runway_refuses_is_uploaded_anew_when_it_is_tried_again(tmp_path: Path) -> None:
    again = picture()
    with simulator() as runway:
        port = runway.base_url.rpartition(":")[2]
        site = Site(tmp_path, runway)
        site.put("one.png", again)
        site.put("one.prompt.toml", sidecar("x"))
        assert site.cli("run", "--once").returncode == 0
    with simulator(port=port) as runway:  # the same address and account, and nothing lies there
        site = Site(tmp_path, runway)
        site.put("two.png", again)
        site.put("two.prompt.toml", sidecar("y"))
        assert site.cli("run", "--once").returncode == 1
        site.cli("retry", "--all")
        assert site.cli("run", "--once").returncode == 0
        assert site.counts() == {"done": 2}


def test_a_running_daemon_carries_a_retry_out(tmp_path: Path) -> None:
    with simulator() as runway:
        told = night(tmp_path, runway)
        with told.site.daemon() as daemon:
            eventually(lambda: daemon.events("daemon.started"))
            done = told.site.cli("retry", "--all")
            assert done.returncode == 0
            assert done.stdout.splitlines()[-1] == "ordered: the daemon carries it out"
            eventually(lambda: told.site.counts() == {"done": 3})
            assert daemon.stop() == 0
