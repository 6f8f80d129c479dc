"""docs/adr: each decision has a date and a status, and its row in the index."""

import re
from datetime import date

from tests.support.documents import Document, document, documents

INDEX = document("docs/adr/README.md")
DECISIONS = [found for found in documents() if re.match(r"docs/adr/\d", found.name)]
HEAD = re.compile(r"# (\d+)\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. Status: (accepted|superseded by \d+)\.\n")


def row_of(decision: Document) -> list[str]:
    """Return the row that the index must have of a decision."""
    matched = HEAD.match(decision.text)
    assert matched, (
        f"{decision.name} begins with a title, then a line such as: Date: 2026-11-27. Status: accepted."
    )
    number, title, day, status = matched.groups()
    name = decision.name.rpartition("/")[2]
    assert name.startswith(f"{int(number):04d}-")
    assert date.fromisoformat(day)
    return [f"[{number}. {title}]({name})", day, status]


def test_the_index_lists_each_decision() -> None:
    assert INDEX.table("decision", "date", "status") == [row_of(decision) for decision in DECISIONS]


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(decision.name.rpartition("/")[2][:4]) for decision in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
