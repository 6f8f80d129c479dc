"""The checker finds every broken invariant, in stores that were made wrong by hand."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from reliability.checker import STALE_SECONDS, WHOLE_AGGREGATE, Checker, Received, State, decode

SHARD = "shardId-000000000000"
ARRIVAL = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = {"inventory": 1, "price": None, "discontinued": False}
NEW = {"inventory": 2, "price": None, "discontinued": False}
# Sequence number → what is put: two updates, a bad record, one that the table refuses.
FEED = {
    "9": b'{"product_id": "p", "inventory": 1}',
    "10": b'{"product_id": "p", "inventory": 2}',
    "11": b"no JSON",
    "12": b'{"product_id": "q", "inventory": 666}',
}


@dataclass
class Stores:
    """Stores in memory; as they are made, everything is right."""

    rows: dict[str, list[State]] = field(default_factory=lambda: {"p": [State(10.0, OLD), State(20.0, NEW)]})
    waiting: list[str] = field(default_factory=list)
    values: dict[str, bytes] = field(default_factory=dict)
    lifetime: float = 300.0
    archive: dict[str, bytes] = field(default_factory=dict)
    quarantine: dict[str, bytes] = field(default_factory=dict)

    def now(self) -> float:
        return 30.0

    def states(self, product: str) -> Sequence[State]:
        return self.rows.get(product, [])

    def products(self) -> Sequence[str]:
        return list(self.rows)

    def pending(self) -> set[str]:
        return set(self.waiting)

    def cached(self) -> Mapping[str, bytes]:
        return self.values

    def seconds_to_live(self, product: str) -> float:
        return self.lifetime

    def objects(self, kind: str) -> Mapping[str, bytes]:
        return self.archive if kind == "archive" else self.quarantine


def line(number: str, data: bytes, sub_sequence: int = 0, **members: str) -> bytes:
    """Return a line of the archive or of quarantine."""
    identity = {"shard": SHARD, "sequence_number": number, "sub_sequence": sub_sequence}
    return (
        json.dumps({**identity, **members, "data_base64": base64.b64encode(data).decode()}).encode() + b"\n"
    )


def cached(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture
def checked() -> tuple[Checker, Stores]:
    """Return a checker that knows the feed, and stores that hold it."""
    stores = Stores()
    checker = Checker(stores)
    for number, data in FEED.items():
        checker.put(SHARD, number, data, [received(number, data)])
        stores.archive[f"a{number}"] = line(number, data, verdict="accepted")
    stores.quarantine["q11"] = line("11", FEED["11"], reason="invalid_json", message="no")
    stores.quarantine["q12"] = line("12", FEED["12"], reason="catalog_refused", message="no")
    return checker, stores


def received(number: str, data: bytes) -> Received:
    return decode(
        (SHARD, number, 0),
        data,
        ARRIVAL,
        refuses=lambda fields: fields.get("inventory") == 666,
        poison="poison",
    )


def acknowledge(checker: Checker, *numbers: str) -> list[str]:
    checker.answered([(SHARD, number) for number in numbers])
    return sorted({violation.invariant for violation in checker.violations})


def finish(checker: Checker) -> list[str]:
    checker.finish()
    return sorted({violation.invariant for violation in checker.violations})


def test_right_stores_break_nothing(checked: tuple[Checker, Stores]) -> None:
    checker, stores = checked
    stores.values["p"] = cached(**NEW)
    assert acknowledge(checker, *FEED) == []
    assert finish(checker) == []


def _cache_old_and_pending(stores: Stores) -> None:
    stores.values["p"] = cached(**OLD)
    stores.waiting.append("p")


WRONG: dict[str, tuple[Callable[[Stores], object], list[str], list[str]]] = {
    "no archive line": (lambda stores: stores.archive.pop("a9"), ["I5"], ["I2"]),
    "other bytes archived": (
        lambda stores: stores.archive.update(a9=line("9", b"x", verdict="no")),
        [],
        ["I2"],
    ),
    "archived twice": (lambda stores: stores.archive.update(again=stores.archive["a9"]), [], ["I2"]),
    "archived, never put": (
        lambda stores: stores.archive.update(b=line("8", b"x", verdict="no")),
        [],
        ["I2"],
    ),
    "bad record lost": (lambda stores: stores.quarantine.pop("q11"), ["I5"], ["I3"]),
    "refused record lost": (lambda stores: stores.quarantine.pop("q12"), ["I5"], ["I3"]),
    "no reason": (
        lambda stores: stores.quarantine.update(q11=line("11", FEED["11"], reason="", message="")),
        [],
        ["I3"],
    ),
    "a good record in quarantine": (
        lambda stores: stores.quarantine.update(
            q=line("10", FEED["10"], reason="internal_error", message="no")
        ),
        [],
        ["I3"],
    ),
    "an innocent record condemned": (
        lambda stores: stores.quarantine.update(
            q=line("10", FEED["10"], reason="killed_process", message="no")
        ),
        [],
        ["I1", "I3"],
    ),
    "no row": (lambda stores: stores.rows.clear(), ["I5"], ["I1"]),
    "an old row": (lambda stores: stores.rows["p"].pop(), ["I5"], ["I1"]),
    "a row of a bad record": (lambda stores: stores.rows.update(q=[State(1.0, NEW)]), [], ["I1"]),
    "an old value cached": (lambda stores: stores.values.update(p=cached(**OLD)), ["I5"], ["I4"]),
    "an old value cached, and pending": (
        _cache_old_and_pending,
        [],
        [],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found_at_the_answer(what: str, checked: tuple[Checker, Stores]) -> None:
    spoil, at_the_answer, _ = WRONG[what]
    spoil(checked[1])
    assert acknowledge(checked[0], *FEED) == at_the_answer


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found_at_the_end(what: str, checked: tuple[Checker, Stores]) -> None:
    spoil, _, at_the_end = WRONG[what]
    spoil(checked[1])
    assert finish(checked[0]) == at_the_end


def test_a_value_that_is_cached_for_too_long_is_found(checked: tuple[Checker, Stores]) -> None:
    checker, stores = checked
    stores.values["p"] = cached(**NEW)
    stores.lifetime = 301.0
    assert finish(checker) == ["I4"]


def test_a_record_that_three_processes_died_of_may_be_condemned(checked: tuple[Checker, Stores]) -> None:
    checker, stores = checked
    del stores.rows["p"][1]
    stores.quarantine["killed"] = line("10", FEED["10"], reason="killed_process", message="no")
    checker.deaths_alone[SHARD, "10"] = 3
    assert acknowledge(checker, "10") == []
    assert finish(checker) == []


def test_an_aggregate_may_be_condemned_as_a_whole(checked: tuple[Checker, Stores]) -> None:
    checker, stores = checked
    checker.put(SHARD, "13", b"both", [received("13", b"{}"), received("13", FEED["9"])])
    stores.archive["whole"] = line("13", b"both", WHOLE_AGGREGATE, verdict="killed_process")
    stores.quarantine["whole"] = line("13", b"both", WHOLE_AGGREGATE, reason="killed_process", message="no")
    checker.deaths_alone[SHARD, "13"] = 3
    assert acknowledge(checker, "13") == []


@pytest.mark.parametrize(
    ("began", "found", "broken"),
    [
        (25.0, NEW, []),
        (25.0, OLD, []),  # cached when the row changed
        (21.0 + STALE_SECONDS, OLD, ["I4"]),
        (25.0, {**NEW, "inventory": 3}, ["I4"]),
        (9.0, None, []),
        (25.0, None, ["I4"]),
    ],
)
def test_a_reader_finds_only_what_the_row_was_lately(
    began: float, found: Mapping[str, Any] | None, broken: list[str], checked: tuple[Checker, Stores]
) -> None:
    checked[0].read("p", began, found)
    assert [violation.invariant for violation in checked[0].violations] == broken
