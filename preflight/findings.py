"""One line of the table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

_COLUMNS = 120
_GAP = "  "


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found and needs; `remedy`: what to do, empty where nothing is in the way."""

    check: str
    found: str
    needed: str
    remedy: str = ""


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as text below a header, at most 120 characters wide."""
    rows = [("", "check", "found", "needed", "what to do")]
    rows += [
        ("FAIL" if each.remedy else "ok", each.check, each.found, each.needed, each.remedy)
        for each in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > _COLUMNS:
        widths[widths.index(max(widths))] -= 1
    return "\n".join(line for row in rows for line in _lines(row, widths))


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row; a cell that is too long continues below itself."""
    cells = [wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        yield _GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
