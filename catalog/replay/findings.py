"""Counts of what was read of the archive, and what was found on the way, for people and programs."""

from typing import Any

from catalog import terminal_text
from processor.archive_replay import ReplayReport

_WIDTH = 200
_KINDS = {
    "unreadable_line": "lines that cannot be read",
    "now_rejected": "lines accepted then that today's rules reject (not applied)",
    "now_accepted": "lines rejected then that today's rules accept (not applied)",
}


def findings_document(report: ReplayReport) -> dict[str, Any]:
    """Return the JSON of the counts."""
    return {
        "objects": report.objects,
        "lines": report.lines,
        "updates": report.updates,
        "rejected": report.rejected,
        "outside": report.outside,
        "findings": dict(report.findings),
        "damaged": report.damaged,
        "refused": report.refused,
        "samples": report.samples,
    }


def findings_text(report: ReplayReport) -> str:
    """Return the counts in a few lines."""
    lines = [
        f"{report.objects:,} objects, {report.lines:,} lines: {report.updates:,} updates, "
        f"{report.rejected:,} rejected records, {report.outside:,} outside of the selection"
    ]
    lines += [f"{count:,} {_KINDS[kind]}" for kind, count in sorted(report.findings.items())]
    if report.damaged:
        lines.append(f"{report.damaged:,} damaged objects, left out")
    if report.refused:
        names = ", ".join(safe(name) for name in sorted(report.refused))
        lines.append(f"updates that the table refuses, of: {names}")
    lines += [f"  {safe(sample)}" for sample in report.samples]
    return "\n".join(lines)


def safe(text: str) -> str:
    """Return text of a record for a terminal: without control characters, and no more than a line."""
    return terminal_text.safe(text, _WIDTH)
