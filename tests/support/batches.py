"""Records and worlds for tests of the road of a batch."""

from processor.records import Record
from processor.report import BatchReport
from tests.support.events import record
from tests.support.fakes import Fault, World

FAULTS = [*Fault, RuntimeError("unexpected")]


def good(position: int, product_id: str = "", **fields: object) -> Record:
    """A valid record: product "p<position>" has so many pieces."""
    return record({"product_id": product_id or f"p{position}", "inventory": position, **fields}, position)


def bad(position: int) -> Record:
    return record(b"no JSON", position)


def stocks(world: World) -> dict[str, object]:
    return {product_id: row.values.get("inventory", 0) for product_id, row in world.catalog.rows.items()}


def check_done(report: BatchReport) -> None:
    assert (report.first_unfinished, report.failures, report.unexpected) == (None, [], [])
