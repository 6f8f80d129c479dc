"""Records and products in the documents: examples, tables of fields, reasons for rejection."""

import subprocess
import sys

import pytest

from processor.product import COLUMNS, REGISTERS
from processor.reasons import Fault, Reason
from processor.updates import Rejection, decode
from tests.support.documents import PROJECT, Block, blocks, document
from tests.support.events import record

OUTCOMES = {"accepted", *Reason}
# After every event time of an example.
ARRIVAL_MS = 1_800_000_000_000


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.place)
def test_each_example_of_a_record_has_its_outcome(block: Block) -> None:
    assert block.note in OUTCOMES, "the block's first line says no outcome: ```json accepted"
    decoded = decode(record(block.text.strip(), arrival_ms=ARRIVAL_MS))
    outcome = decoded.reason if isinstance(decoded, Rejection) else "accepted"
    assert outcome == block.note, decoded


def test_the_fields_of_an_update_are_listed() -> None:
    names = {row[0].strip("`") for row in document("docs/suppliers.md").table("field", "rule")}
    assert names == {"product_id", *REGISTERS, "event_time", "supplier", "schema_version"}


def test_the_fields_of_a_product_are_listed() -> None:
    names = [row[0].strip("`") for row in document("docs/shop.md").table("field", "meaning")]
    assert names == list(COLUMNS)


def test_the_table_of_reasons_is_up_to_date() -> None:
    command = [sys.executable, "scripts/rejection_reasons.py", "--check"]
    checked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert checked.returncode == 0, checked.stderr


def test_each_reason_has_its_row_and_its_remedy() -> None:
    rows = document("docs/suppliers.md").table("reason")
    assert [row[0] for row in rows] == [f"`{reason}`" for reason in Reason]
    assert all(row[3].endswith(".") for row in rows)


def test_the_message_that_is_quoted_is_the_processors() -> None:
    (rejection,) = [
        decoded
        for block in blocks("json")
        if isinstance(decoded := decode(record(block.text.strip(), arrival_ms=ARRIVAL_MS)), Rejection)
        and decoded.reason == Reason("invalid_price")
    ]
    assert f"`{rejection.message}`" in document("docs/suppliers.md").text


def test_each_reason_that_is_ours_has_its_section_for_operators() -> None:
    sections = {text for _, text in document("docs/operating.md").headings()}
    ours = {f"rejected-{reason.replace('_', '-')}" for reason in Reason if reason.fault is Fault.OURS}
    assert ours <= sections
