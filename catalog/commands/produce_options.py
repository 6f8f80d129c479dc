"""The options of `catalog produce`."""

from pathlib import Path
from typing import Annotated

import typer

from catalog.produce.source import EventTime, Format

_SIMULATION = "Simulation"


def _share(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(min=0, max=1, help=text, rich_help_panel=_SIMULATION)
    return option


SourceName = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|-]",
        help="NDJSON, or CSV with a header; .gz is unpacked. `-`: standard input.",
        show_default=False,
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Send nothing; say which lines would be rejected, and why.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until the pipeline has processed them (60 s at most).")
]
Rate = Annotated[
    int | None,
    typer.Option(
        min=1, help="Records a second. Default: as fast as it goes; simulated: 1,000.", show_default=False
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="How many records at most.", show_default=False)]
FromLine = Annotated[int, typer.Option(min=1, help="Skip the lines before, to go on after an interruption.")]
OfEventTime = Annotated[
    EventTime,
    typer.Option(
        help="What a record without event_time gets: `now`, the time of sending; `file`, when the file was "
        "changed, and a microsecond more each line, so that sending it twice changes nothing; `none`: its "
        "arrival counts, and a retry is a newer update."
    ),
]
Supplier = Annotated[
    str | None, typer.Option(help="What a record without supplier gets.", show_default=False)
]
OfFormat = Annotated[
    Format | None, typer.Option("--format", help="Default: by the file's name.", show_default=False)
]
YesSend = Annotated[bool, typer.Option("--yes", help="Send to prod without being asked.")]
Simulate = Annotated[
    bool,
    typer.Option("--simulate", help="Make updates up, as suppliers send them.", rich_help_panel=_SIMULATION),
]
Seconds = Annotated[
    float,
    typer.Option(
        min=1,
        max=86_400,
        help="How long. The run has a day's busy and quiet hours.",
        rich_help_panel=_SIMULATION,
    ),
]
Products = Annotated[
    int, typer.Option(min=1, max=5_000_000, help="How many products.", rich_help_panel=_SIMULATION)
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same records.", rich_help_panel=_SIMULATION)]
Bad = Annotated[float, _share("Share of bad records, of every reason.")]
Late = Annotated[float, _share("Share of records that are hours late.")]
Duplicates = Annotated[float, _share("Share of records that are sent again.")]
Hot = Annotated[
    float,
    typer.Option(
        min=0,
        max=3,
        help="How hot the hottest products are: Zipf's exponent; 0: none is.",
        rich_help_panel=_SIMULATION,
    ),
]
Steady = Annotated[
    bool,
    typer.Option("--steady", help="The same rate all the time, without bursts.", rich_help_panel=_SIMULATION),
]
Out = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="Write NDJSON to this file (.gz: compressed) instead of sending.",
        show_default=False,
        rich_help_panel=_SIMULATION,
    ),
]
