"""Counts of what was read of the archive, and what was found on the way, for people and programs."""

from typing import Any

from catalog.terminal_text import counted, safe
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
        f"{counted(report.objects, 'object')}, {counted(report.lines, 'line')}: "
        f"{counted(report.updates, 'update')}, {counted(report.rejected, 'rejected record')}, "
        f"{report.outside:,} outside of the selection"
    ]
    lines += [f"{count:,} {_KINDS[kind]}" for kind, count in sorted(report.findings.items())]
    if report.damaged:
        lines.append(f"{report.damaged:,} damaged objects, left out")
    if report.refused:
        names = ", ".join(safe(name, _WIDTH) for name in sorted(report.refused))
        lines.append(f"updates that the table refuses, of: {names}")
    lines += [f"  {safe(sample, _WIDTH)}" for sample in report.samples]
    return "\n".join(lines)
