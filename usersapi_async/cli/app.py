"""The commands and their options; what each does lies in a module of its own, imported when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from usersapi_async import __version__

from . import import_options, migrate_options, more_options
from .failures import errors_in_one_line

app = typer.Typer(
    help="Works on the users endpoint of a registration platform.",
    epilog="Start with: usersapi demo",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks show local variables, and so people's data and the token.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"usersapi-async {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: usersapi demo --people 500 --faults --report run.html")
def demo(
    people: Annotated[int, typer.Option(min=1, help="How many people the sample has.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed makes another sample.")] = 0,
    directory: Annotated[Path, typer.Option(file_okay=False, help="Where the files go.")] = Path(
        "usersapi-demo"
    ),
    faults: Annotated[
        bool, typer.Option("--faults", help="Have connections drop and requests be refused as too many.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a page about the run here, to open in a browser."),
    ] = None,
) -> None:
    """Import a made-up CSV of families into an emulator of the service, and check the result.

    A few dozen rows fail on purpose. Nothing leaves this machine.
    The first Ctrl-C takes no further row and lets those taken end, the second stops at once.
    """
    from .demo import DemoOptions, run_demo

    with errors_in_one_line():
        options = DemoOptions(people=people, seed=seed, directory=directory, faults=faults, report=report)
        raise typer.Exit(run_demo(options))


@app.command(epilog="Example: usersapi emulator --port 8080 --fault rate_limited=0.05")
def emulator(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides ids, token and faults.")] = 0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that each request takes.")] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="The share of requests that go wrong in this way, like drop_after=0.01; may be repeated.",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second; what is above gets 429.")
    ] = None,
    burst: Annotated[int, typer.Option(min=1, help="Requests at once within that rate.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Requests worked on at a time; others wait.")
    ] = None,
    queue: Annotated[
        int | None, typer.Option(min=0, help="Requests that may wait for a worker; the rest get 503.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input ends, for programs that start it.")
    ] = False,
) -> None:
    """Run an emulator of the service until Ctrl-C, and print how to reach it.

    Its people live in memory, and its token is good for nothing else.
    """
    from .emulator_command import announce, announce_as_json, capacity_of, faults_of, run_emulator

    with errors_in_one_line():
        run_emulator(
            announce_as_json if as_json else announce,
            until_eof=until_eof,
            host=host,
            port=port,
            seed=seed,
            latency=latency,
            faults=faults_of(fault or []),
            capacity=capacity_of(rate, burst, workers, queue),
        )


app.command("import", epilog=import_options.EXAMPLE)(import_options.import_people)
app.command("run", epilog=more_options.RUN_EXAMPLE)(more_options.run)
app.command("migrate", epilog=migrate_options.EXAMPLE)(migrate_options.migrate)
app.command("undo", epilog=more_options.UNDO_EXAMPLE)(more_options.undo)
app.command("call", epilog=more_options.CALL_EXAMPLE)(more_options.call)
app.command("fields", epilog=more_options.FIELDS_EXAMPLE)(more_options.fields)
app.command("export", epilog=more_options.EXPORT_EXAMPLE)(more_options.export)
