"""CSV with a header, row by row, to the JSON that suppliers send; types follow the product's registers."""

import csv
import json
import re
from collections.abc import Iterator, Sequence

from catalog.errors import UsageError
from catalog.produce.lines import Line
from processor.json_values import NumberText
from processor.product import REGISTERS
from processor.registers import InvalidValueError, Register

_DELIMITERS = ",;\t"
_KEY = "product_id"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?")


class CsvRows:
    """Makes a line of JSON of each row. An empty cell is a field that is not sent.

    A cell whose text no register accepts is sent as the number that it is, or else as a string, so that its
    rejection says what is wrong.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._delimiter = ","
        self._open: list[Line] = []

    def feed(self, lines: Sequence[Line]) -> Iterator[Line]:
        """Yield a line for each row that ends in these lines. Raises: UsageError for a wrong header."""
        for line in lines:
            if not self._open and not line.data.strip():
                continue
            self._open.append(line)
            # A row ends with its line, but within quotes; a quotation mark in quotes is doubled.
            if not sum(part.data.count(b'"') for part in self._open) % 2 or line.fault:
                yield from self._row()

    def end(self) -> Iterator[Line]:
        """Yield the last row, if its quotes do not end."""
        if self._open:
            first = self._open[0]
            yield Line(first.number, first.data, "a quotation mark that does not end")

    def _row(self) -> Iterator[Line]:
        first, self._open, parts = self._open[0], [], self._open
        raw = b"\n".join(part.data for part in parts)
        fault = next((part.fault for part in parts if part.fault), None)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            fault, text = fault or "not UTF-8", ""
        if fault is not None:
            yield Line(first.number, raw, fault)
            return
        if not self._columns:
            self._read_header(text)
            return
        (cells,) = csv.reader([text], delimiter=self._delimiter)
        if len(cells) > len(self._columns):
            yield Line(first.number, raw, f"{len(cells)} cells, but {len(self._columns)} columns")
            return
        if any(cells):
            yield Line(first.number, self._json(cells).encode())

    def _read_header(self, text: str) -> None:
        self._delimiter = max(_DELIMITERS, key=text.count)
        (names,) = csv.reader([text], delimiter=self._delimiter)
        names = [name.strip() for name in names]
        if _KEY not in names:
            raise UsageError(
                f"the first line of a CSV file names its columns, one of them {_KEY}; "
                f"this one names {json.dumps(names)[:200]}"
            )
        if twice := {name for name in names if names.count(name) > 1}:
            raise UsageError(f"the CSV file has two columns with the same name: {json.dumps(sorted(twice))}")
        self._columns = names

    def _json(self, cells: Sequence[str]) -> str:
        members = [
            f"{json.dumps(name)}:{_value(name, cell)}"
            # A row may be shorter than the header.
            for name, cell in zip(self._columns, cells, strict=False)
            if cell.strip() and name
        ]
        return f"{{{','.join(members)}}}"


def _value(column: str, cell: str) -> str:
    """Return a cell as JSON."""
    register = REGISTERS.get(column)
    if register is not None:
        for text in (cell.strip(), cell.strip().lower()):
            if _accepts(register, text):
                return text
        if _NUMBER.fullmatch(cell.strip()):
            return cell.strip()
    if column == "schema_version" and cell.isascii() and cell.isdigit():
        return str(int(cell))
    return json.dumps(cell, ensure_ascii=False)


def _accepts(register: Register, text: str) -> bool:
    try:
        register.read(json.loads(text, parse_float=NumberText))
    except (ValueError, RecursionError, InvalidValueError):
        return False
    return True
