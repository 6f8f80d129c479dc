"""Prints a query's rows as they come: a table, JSON or CSV.

Records hold anything: what does not print, such as an escape sequence, never reaches a terminal.
"""

import csv
import json
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from catalog.console import Output
from catalog.terminal_text import counted, escaped

_CUT = 200
_MOST_ROWS = 1_000
Parts = AsyncIterator[list[tuple[Any, ...]]]


async def print_json(columns: Sequence[str], parts: Parts) -> None:
    """Print one array of objects, row by row; amounts and times are texts."""
    separator = "["
    async for part in parts:
        for row in part:
            document = dict(zip(columns, map(_json_value, row), strict=True))
            sys.stdout.write(f"{separator}{json.dumps(document, ensure_ascii=sys.stdout.isatty())}")
            separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


async def print_csv(columns: Sequence[str], parts: Parts) -> None:
    """Print CSV with a header; NULL is empty."""
    shown = escaped if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    async for part in parts:
        writer.writerows(["" if value is None else shown(_text(value)) for value in row] for row in part)


async def print_rows(output: Output, columns: Sequence[str], parts: Parts) -> None:
    """Print a table of the first rows; if it is wider than the terminal, a block for each row."""
    rows: list[list[str]] = []
    has_more = False
    async for part in parts:
        cells = [["" if value is None else _cut(_text(value)) for value in row] for row in part]
        has_more = len(rows) + len(cells) > _MOST_ROWS
        rows += cells[: _MOST_ROWS - len(rows)]
        if has_more:
            break
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if sum(widths) + len(widths) <= output.width:
        table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for row in rows:
            table.add_row(*map(Text, row))
        output.data(None, table)
    else:
        label = max(map(len, columns))
        for row in rows:
            lines = [f"{name:>{label}}  {cell}" for name, cell in zip(columns, row, strict=True) if cell]
            output.data(None, "\n".join(lines), "")
    output.say(
        f"{'the first ' if has_more else ''}{counted(len(rows), 'row')}"
        + (": --csv has all" if has_more else "")
    )


def _cut(text: str) -> str:
    return escaped(text, _CUT)


def _json_value(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()).replace("+00:00", "Z") if callable(isoformat) else str(value)
