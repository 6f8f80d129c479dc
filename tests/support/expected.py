"""What is expected of a record: the update it carries, or the rejection it meets."""

from typing import Any

from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, record

# 9999-12-31T23:59:59.999Z
LAST_ARRIVAL_MS = 253_402_300_799_999


def accept(data: bytes | str | dict[str, Any], *, arrival_ms: int = ARRIVAL_MS) -> Update:
    """The update these bytes carry."""
    received = record(data, arrival_ms=arrival_ms)
    verdict = decode(received)
    assert isinstance(verdict, Update), f"{verdict.reason}: {verdict.message}"
    assert verdict.record is received
    return verdict


def reject(
    data: bytes | str | dict[str, Any], reason: str, message: str = "", *, arrival_ms: int = ARRIVAL_MS
) -> Rejection:
    """The rejection these bytes meet; an expected `message` that ends in "…" is a beginning."""
    received = record(data, arrival_ms=arrival_ms)
    verdict = decode(received)
    assert isinstance(verdict, Rejection), f"accepted: {verdict}"
    assert verdict.record is received
    assert verdict.reason == reason, verdict.message
    if message.endswith("…"):
        assert verdict.message.startswith(message[:-1])
    elif message:
        assert verdict.message == message
    assert "\n" not in verdict.message
    assert len(verdict.message) <= 250
    return verdict


def event(**fields: str) -> str:
    """A valid event as JSON text, with these fields' JSON in place of or besides its own."""
    members = {"product_id": '"product123"', "inventory": "100", **fields}
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items() if value) + "}"
