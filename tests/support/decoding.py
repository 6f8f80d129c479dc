"""Check the outcome of decoding a record: the update, or the rejection."""

from typing import Any

from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, record

# 9999-12-31T23:59:59.999Z
LAST_ARRIVAL_MS = 253_402_300_799_999


def accept(data: bytes | str | dict[str, Any], *, arrival_ms: int = ARRIVAL_MS) -> Update:
    """Return the update that these bytes decode to."""
    received = record(data, arrival_ms=arrival_ms)
    outcome = decode(received)
    assert isinstance(outcome, Update), f"{outcome.reason}: {outcome.message}"
    assert outcome.record is received
    return outcome


def reject(
    data: bytes | str | dict[str, Any], reason: str, message: str = "", *, arrival_ms: int = ARRIVAL_MS
) -> Rejection:
    """Return the rejection of these bytes; a `message` that ends in "…" is only its beginning."""
    received = record(data, arrival_ms=arrival_ms)
    outcome = decode(received)
    assert isinstance(outcome, Rejection), f"accepted: {outcome}"
    assert outcome.record is received
    assert outcome.reason == reason, outcome.message
    if message.endswith("…"):
        assert outcome.message.startswith(message[:-1])
    elif message:
        assert outcome.message == message
    assert "\n" not in outcome.message
    assert len(outcome.message) <= 250
    return outcome


def event(**fields: str) -> str:
    """Return a valid event as JSON text; `fields` (as JSON) replace its fields or are added."""
    members = {"product_id": '"product123"', "inventory": "100", **fields}
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items() if value) + "}"
