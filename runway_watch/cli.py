"""The command line. Results go to standard output, logs and complaints to standard error.

Exit codes: 0 fine; 1 something failed or is held; 2 usage; 4 another daemon has the ledger; 78 the
configuration cannot be used.
"""

import asyncio
import gc
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from runway_watch import __version__, config, log
from runway_watch.config import Settings
from runway_watch.errors import ConfigError, LedgerLocked, RunwayWatchError
from runway_watch.letters import printable

if TYPE_CHECKING:
    from runway_watch.job import Job, State
    from runway_watch.report.places import Places
    from runway_watch.simulator import Simulator

FAILED, LOCKED, CONFIG = 1, 4, 78

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Drop a picture and a small text file into a folder; find the film beside it.",
)
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The configuration file.", envvar="RUNWAY_WATCH_CONFIG", show_envvar=False),
]


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"runway-watch {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version", help="Say which version this is.", callback=lambda v: _version(wanted=v), is_eager=True
    ),
]


@app.callback()
def top(*, version: VersionOption = False) -> None:
    """The options of the command itself."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Where the four folders are made.")] = Path("runway"),
    *,
    path: ConfigOption = None,
) -> None:
    """Make the folders, a commented configuration and a sample sidecar."""
    from runway_watch.report.scaffold import scaffold

    with _complaints():
        for line in scaffold(directory.absolute(), path or Path("config.toml")):
            typer.echo(line)


@app.command()
def check(*, path: ConfigOption = None) -> None:
    """Look at everything that has to be right before a night, a line each, with what to do."""
    from runway_watch.report import check as checks
    from runway_watch.report.places import places

    with _complaints():
        found = path or config.find(os.environ)
        settings = config.load(found, os.environ)
        log.set_up(settings.log)
        log.overhear()
        good = True
        for line in checks.check(found, settings, places(settings, os.environ), os.environ):
            good &= line.ok
            typer.echo(f"{'ok  ' if line.ok else 'FAIL'}  {line.subject:<10}  {printable(line.text)}")
    raise typer.Exit(0 if good else FAILED)


@app.command()
def run(
    *,
    path: ConfigOption = None,
    once: Annotated[bool, typer.Option("--once", help="Work until nothing can go on, then exit.")] = False,
) -> None:
    """The daemon."""
    from runway_watch.daemon import Daemon
    from runway_watch.daemon.daemon import run as run_daemon

    with _configured(path) as (settings, where):
        daemon = Daemon(
            settings,
            read_key=partial(config.read_key, environment=os.environ),
            reread=lambda: config.load(path or config.find(os.environ), os.environ),
            ledger_url=where.ledger_url,
            lock_path=where.lock,
            once=once,
        )
        gc.freeze()  # what was imported stays; to look for garbage in it would keep the loop waiting
        asyncio.run(run_daemon(daemon))
    raise typer.Exit(FAILED if once and daemon.has_trouble else 0)


@app.command()
def status(
    *,
    path: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on showing it until Ctrl-C.")] = False,
) -> None:
    """Counts, jobs, waiting files and why they wait. Works with the daemon running or stopped."""
    from runway_watch.report import follow as following
    from runway_watch.report.status import snapshot
    from runway_watch.report.tables import plain, table

    with _configured(path) as (settings, where):
        console = Console()
        if follow:
            following.follow(lambda: snapshot(settings, where), console, as_json=as_json)
        elif as_json:
            typer.echo(json.dumps(snapshot(settings, where), indent=2))
        elif console.is_terminal:
            console.print(table(snapshot(settings, where)))
        else:
            for line in plain(snapshot(settings, where)):
                typer.echo(line)


@app.command()
def explain(
    wanted: Annotated[str, typer.Argument(metavar="JOB|PATH", help="Which job, or which file.")],
    *,
    path: ConfigOption = None,
) -> None:
    """The story of one file: why it waits, or all that happened to it."""
    from runway_watch.report.explain import explain as tell

    with _configured(path) as (settings, where):
        told = tell(settings, where, wanted)
        for line in told.lines:
            typer.echo(line)
    raise typer.Exit(0 if told.is_known else FAILED)


@app.command()
def models(
    operation: Annotated[str | None, typer.Argument(metavar="OPERATION", help="Only its models.")] = None,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="All that it takes.")] = None,
    *,
    path: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What can be written in a sidecar: parameters, allowed values, limits, prices, a sidecar to copy."""
    from runway_watch.report import models as known

    try:
        chosen = known.choose(operation, model)
    except known.NotServed as error:
        raise typer.BadParameter(printable(str(error))) from None
    if as_json:
        typer.echo(json.dumps(known.document(chosen), indent=2))
        return
    for line in known.lines(chosen, width=shutil.get_terminal_size((110, 40)).columns):
        typer.echo(line)


@app.command()
def plan(
    part: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="A folder or file in an inbox; all of it without.")
    ] = None,
    *,
    path: ConfigOption = None,
) -> None:
    """A dry run: every drop checked and priced, when it would finish, where the money would end."""
    from runway_watch.report import plan as planning
    from runway_watch.report.inboxes import inside
    from runway_watch.report.planned import lines

    with _configured(path) as (settings, where):
        parts = inside(settings, part)
        if not parts:
            raise typer.BadParameter(f"{printable(str(part))} is in no watch's inbox, or not there")
        found = planning.plan(settings, where, os.environ, parts)
        for line in lines(found, settings):
            typer.echo(printable(line))
    raise typer.Exit(0 if found.is_good else FAILED)


@app.command()
def retry(
    jobs: Annotated[list[str] | None, typer.Argument(metavar="JOB|PATH...", help="Which jobs.")] = None,
    *,
    path: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All that failed or are held.")] = False,
    code: Annotated[str | None, typer.Option(help="With --all: only those with this code.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it may cost.")] = False,
) -> None:
    """Put failed or held jobs back to work; says first what that may cost."""
    from runway_watch.report.retrying import choose
    from runway_watch.states import CAN_RETURN

    if bool(jobs) == everything or (code and not everything):
        raise typer.BadParameter("name jobs or paths, or say --all (and with it --code)")
    with _configured(path) as (settings, where):
        chosen = choose(settings, where, jobs or [], code=code)
        for line in chosen.lines:
            typer.echo(printable(line))
        good = not chosen.unknown
        if not dry_run and chosen.jobs:
            good &= _order("retry", settings, where, chosen.jobs, stays=CAN_RETURN)
    raise typer.Exit(0 if good else FAILED)


@app.command()
def cancel(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB|PATH...", help="Which jobs.")],
    *,
    path: ConfigOption = None,
) -> None:
    """Stop jobs, at Runway too where that helps; their files go to failed/."""
    from runway_watch.job import LIVE_STATES
    from runway_watch.report.finding import live

    with _configured(path) as (settings, where):
        chosen, lines = live(settings, where, jobs)
        for line in lines:
            typer.echo(printable(line))
        good = not lines
        if chosen:
            good &= _order("cancel", settings, where, chosen, stays=LIVE_STATES)
    raise typer.Exit(0 if good else FAILED)


@app.command()
def pause(*, path: ConfigOption = None) -> None:
    """Begin nothing new until `resume`; what has been paid for goes on."""
    with _configured(path) as (settings, where):
        _order("pause", settings, where)


@app.command()
def resume(*, path: ConfigOption = None) -> None:
    """Go on after `pause`, and after a stop because of refusals in a row."""
    with _configured(path) as (settings, where):
        _order("resume", settings, where)


def _order(
    verb: str,
    settings: Settings,
    where: "Places",
    jobs: "Sequence[Job]" = (),
    *,
    stays: "Collection[State]" = (),
) -> bool:
    """Give an order and say what became of it. Returns whether no job stayed, as far as is known."""
    from runway_watch.report.ordering import give

    lines, good = give(verb, settings, where, os.environ, jobs=jobs, stays=stays)
    for line in lines:
        typer.echo(printable(line))
    return good


@app.command()
def simulator(
    *,
    path: ConfigOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_533, help="Of its API; the storage takes the next two. 0: any.")
    ] = 8080,
    seconds: Annotated[float, typer.Option(help="How long a generation runs.")] = 10.0,
    concurrency: Annotated[int, typer.Option(help="Generations of a model at a time.")] = 5,
    credit: Annotated[int, typer.Option("--credits", help="On the account.")] = 100_000,
    daily: Annotated[int | None, typer.Option(help="Generations of a model in a day.")] = None,
) -> None:
    """A stand-in for Runway's API on loopback, for rehearsals: no key, no network, no money."""
    with _complaints():
        from runway_watch.simulator import Settings as Like
        from runway_watch.simulator import serve

        storage = (port + 1, port + 2) if port else (0, 0)
        like = Like(
            api_port=port,
            upload_port=storage[0],
            output_port=storage[1],
            seconds=seconds,
            concurrency=concurrency,
            credits=credit,
            daily=daily,
        )
        try:
            asyncio.run(serve(like, _announce))
        except OSError as error:
            raise RunwayWatchError(f"the simulator cannot listen: {error.strerror}") from error


def _announce(sim: "Simulator") -> None:
    """What a shell or a config needs to use the simulator."""
    typer.echo(f"RUNWAYML_BASE_URL={sim.base_url}")
    typer.echo(f"RUNWAYML_API_SECRET={sim.key}")


@app.command()
def demo(
    directory: Annotated[Path | None, typer.Argument(help="Where; a temporary folder without it.")] = None,
    *,
    path: ConfigOption = None,
) -> None:
    """The whole thing in seconds: simulator, sample pictures, real files. No key, no network."""
    with _complaints():
        from runway_watch.demo import demo as show

        good = show(directory)
    raise typer.Exit(0 if good else FAILED)


def main() -> None:
    """The command `runway-watch`."""
    app(prog_name="runway-watch")


@contextmanager
def _configured(path: Path | None) -> "Iterator[tuple[Settings, Places]]":
    """A command's settings, and where they put things. Complains as `_complaints` does."""
    from runway_watch.report.places import places

    with _complaints():
        settings = config.load(path or config.find(os.environ), os.environ)
        log.set_up(settings.log)
        log.overhear()
        yield settings, places(settings, os.environ)


@contextmanager
def _complaints() -> Iterator[None]:
    """Turn errors into sentences on standard error and the documented exit codes."""
    try:
        yield
    except ConfigError as error:
        _complain(error.problems, CONFIG)
    except LedgerLocked as error:
        _complain([str(error)], LOCKED)
    except (RunwayWatchError, ImportError) as error:
        _complain([str(error)], FAILED)
    except OSError as error:
        if error.filename is None:
            raise
        _complain([f"{error.filename}: {error.strerror}"], FAILED)


def _complain(problems: "tuple[str, ...] | list[str]", code: int) -> None:
    for problem in problems:
        typer.echo(log.addressed(f"runway-watch: {printable(problem)}", "error", sys.stderr), err=True)
    raise typer.Exit(code)
