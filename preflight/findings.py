"""One line of the table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found and needs; `remedy`: what to do, empty where nothing is in the way."""

    check: str
    found: str
    needed: str
    remedy: str = ""


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as text, one line each below a header."""
    rows = [("", "check", "found", "needed", "what to do")]
    rows += [
        ("FAIL" if each.remedy else "ok", each.check, each.found, each.needed, each.remedy)
        for each in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
