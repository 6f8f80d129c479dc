"""The program: its help, and the commands of each subject."""

from typing import Annotated

import typer

from catalog.commands import (
    archive,
    capacity,
    console,
    diff,
    explain,
    history,
    produce,
    quarantine,
    redrive,
    replay,
    show,
    status,
)
from catalog.usage import Program, version

app = typer.Typer(
    name="catalog",
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"catalog {version()}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Operate a product catalog pipeline: look, explain, repair, replay.

    Without `--env` a command works on the run that `make local KEEP=1` keeps on this machine.
    Exit codes: 0 done, 1 findings or failures, 2 wrong usage, 3 something cannot be reached, 130 interrupted
    with Ctrl-C.
    """


for subject in (
    status,
    show,
    explain,
    quarantine,
    redrive,
    archive,
    replay,
    diff,
    produce,
    capacity,
    history,
    console,
):
    subject.register(app)
