"""Tables that are wider than the terminal: rich would leave out columns at their right, without a word."""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

# To so many characters a column of text may be wrapped.
_LEAST = 12


def fitting(table: Table, console: Console) -> RenderableType:
    """Return the table or, if not all of its columns fit, a block for each row: a line for each column."""
    _, right, _, left = table.padding
    between = (left + right) * len(table.columns)
    if table.box is not None:
        between += len(table.columns) - 1 + 2 * table.show_edge
    needed = sum(_needed(column, console) for column in table.columns) + between
    if not table.show_header or needed <= console.width:
        return table
    blocks: list[RenderableType] = []
    for row in _rows(table):
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for column, cell in zip(table.columns, row, strict=True):
            if cell != "":
                block.add_row(column.header, cell)
        blocks += [block, Text()]
    return Group(*blocks, *([Text(str(table.caption)), Text()] if table.caption else []))


def _rows(table: Table) -> Iterator[tuple[RenderableType, ...]]:
    yield from zip(*(column.cells for column in table.columns), strict=True)
    if table.show_footer:
        yield tuple(column.footer for column in table.columns)


def _needed(column: Column, console: Console) -> int:
    """Return how narrow a column can be."""
    cells = [column.header, *column.cells, column.footer]
    widths = [Measurement.get(console, console.options, cell) for cell in cells]
    if column.no_wrap:
        return max(width.maximum for width in widths)
    return max(column.min_width or 0, min(_LEAST, max(width.minimum for width in widths)))
