"""Good and bad records, and checks, for tests of how a batch is processed."""

from processor.records import Record
from processor.report import BatchReport
from tests.support.events import record
from tests.support.fakes import FakeServices
from tests.support.faults import Fault

FAULTS = [*Fault, RuntimeError("unexpected")]


def good(position: int, product_id: str = "", **fields: object) -> Record:
    """Return a valid record: product "p<position>" has `position` pieces in stock."""
    return record({"product_id": product_id or f"p{position}", "inventory": position, **fields}, position)


def bad(position: int) -> Record:
    return record(b"no JSON", position)


def stocks(services: FakeServices) -> dict[str, object]:
    return {product_id: row.values.get("inventory", 0) for product_id, row in services.catalog.rows.items()}


def check_done(report: BatchReport) -> None:
    assert (report.first_unfinished, report.failures, report.unexpected) == (None, [], [])
