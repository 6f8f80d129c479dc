"""In a narrow terminal no column of a table is left out."""

import json

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.narrow_tables import fitting
from tests.catalog.conftest import Catalog, lines_of
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import Services


def screen(table: Table, width: int) -> list[str]:
    """Return the lines of a table in a terminal."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(fitting(table, console))
    return lines_of(capture.get())


def test_a_block_for_each_row_and_the_totals() -> None:
    table = Table("day", box=None, show_footer=True, caption="and 3 more")
    table.add_column("objects", footer="3", no_wrap=True)
    table.columns[0].footer = "total"
    table.add_row("2026-01-31", "1")
    table.add_row(Text("2026-02-01"), "2")
    assert screen(table, 40)[1].split() == ["2026-01-31", "1"]
    assert screen(table, 19) == [
        "day      2026-01-31", "objects  1", "day      2026-02-01", "objects  2",
        "day      total", "objects  3", "and 3 more",
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
async def test_explain_says_every_outcome(services: Services, catalog: Catalog, columns: int) -> None:
    update = {"product_id": "a", "inventory": 7, "supplier": "a-long-name"}
    await services.invoke(kinesis_event(kinesis_record(update), kinesis_record(update | {"inventory": 8}, 1)))
    result = await catalog("explain", "a", columns=columns)
    text = " ".join(result.stdout.split())
    assert ("replaced by 2" in text, "outcome" in text, "current" in text) == (True, True, True)


async def test_a_dry_run_of_a_fix_shows_before_and_after(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record('{"product_id": "a", "price": 1.999}')))
    fix = ("quarantine", "fix", "--rule", "price: round to 2 decimals")
    (shown,) = json.loads((await catalog(*fix, "--json")).stdout)["sample"]
    for columns in (40, 50):
        text = "".join((await catalog(*fix, columns=columns)).stdout.split())
        assert ('"price":1.999' in text, '"price":2.00' in text, shown["id"] in text) == (True, True, True)
