"""Options of `replay`, some of them of `diff`, too."""

import os
from pathlib import Path
from typing import Annotated

import typer

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="The earliest arrival: a day, a time, an age (6h). Default: all.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="The latest arrival; a day counts whole. Default: all.", show_default=False),
]
Products = Annotated[
    list[str] | None,
    typer.Option(
        "--product", help="Only this one, or - for lines of stdin; again for more.", show_default=False
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--source",
        help="A folder with a copy of the archive's objects, instead of the bucket.",
        show_default=False,
    ),
]
WorkerCount = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Processes, each with a connection to the database.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Objects at most; --resume goes on after them.", show_default=False),
]
Rate = Annotated[
    float | None,
    typer.Option("--rate", min=1, help="Products a second that are written at most.", show_default=False),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the interrupted one of the same arguments.")
]
Restore = Annotated[
    bool,
    typer.Option("--restore", help="First set values that somebody changed by hand. With --product."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Only updates that the catalog had by then: a time, a day's end, an age (1h).",
        show_default=False,
    ),
]
Into = Annotated[
    str | None,
    typer.Option(
        "--into",
        help="A table in the schema replay, made if missing; it must have no rows.",
        show_default=False,
    ),
]
CORES = os.cpu_count() or 1
