"""The options that commands share."""

from typing import Annotated

import typer

EnvironmentName = Annotated[
    str | None,
    typer.Option(
        "--env",
        envvar="CATALOG_ENV",
        help="local, dev, staging, prod, … Default: a kept local run.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", help="Make the change. Without it: a dry run.")]
Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why, for `catalog history`; --yes needs it.", show_default=False),
]
