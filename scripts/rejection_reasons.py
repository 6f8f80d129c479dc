"""Write the table of rejection reasons in docs/suppliers.md; `--check` only compares."""

import argparse
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# A script's own folder is on the path, the project's is not.
sys.path.insert(0, str(PROJECT))

from processor.reasons import Reason, remedy  # noqa: E402 see above

DOCUMENT = PROJECT / "docs" / "suppliers.md"
_BEGIN = "<!-- Written by scripts/rejection_reasons.py from processor/reasons.py: begin -->\n"
_END = "<!-- end -->\n"


def table() -> str:
    """Return the table in Markdown, with a row per reason."""
    rows = [
        "| reason | what is wrong | whose fault | what you do |",
        "|---|---|---|---|",
        *(f"| `{reason}` | {reason.sentence} | {reason.fault} | {remedy(reason)} |" for reason in Reason),
    ]
    return "".join(f"{row}\n" for row in rows)


def rewritten(document: str) -> str:
    """Return the document's text with the table as it should be.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{DOCUMENT.name} lacks the markers {_BEGIN.strip()!r} and {_END.strip()!r}")
    return f"{before}{begin}\n{table()}\n{end}{after}"


def main() -> int:
    """Write the table, or with `--check` return 1 where it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    document = DOCUMENT.read_text()
    wanted = rewritten(document)
    if document == wanted:
        return 0
    if arguments.check:
        sys.stderr.write("docs/suppliers.md is out of date: make docs\n")
        return 1
    DOCUMENT.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
