"""The simulated mix: as asked for, the same for the same seed, and bad in every way that suppliers are."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalog.produce.bad_records import BAD
from catalog.produce.expected import Expected
from catalog.produce.outgoing import Outgoing
from catalog.produce.simulation import Mix, simulated
from processor.reasons import Fault, Reason

MIX = Mix(
    rate=500, seconds=40, products=2_000, seed=3, bad=0.02, late=0.1, duplicates=0.05, hot=1.0, steady=False
)
BEGIN = datetime(2026, 1, 31, tzinfo=UTC)
FIELDS = {"product_id": "p", "inventory": 1, "price": 2.5, "discontinued": False}


def test_there_is_a_bad_record_for_each_reason_of_a_supplier() -> None:
    assert set(BAD) == {reason for reason in Reason if reason.fault is Fault.SUPPLIER}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_record_is_rejected_for_its_reason(reason: Reason) -> None:
    expected = Expected()
    data = BAD[reason](dict(FIELDS), random.Random(1))
    expected.add([Outgoing(1, "p", data)])
    assert dict(expected.by_reason) == {reason: 1}
    assert b"\n" not in data


def test_the_mix_is_as_asked_for() -> None:
    records = list(simulated(MIX, BEGIN))
    assert len(records) == MIX.records == 20_000
    assert [record.line for record in records] == list(range(1, 20_001))
    by_product = Counter(record.key for record in records).most_common()
    assert by_product[0][1] > 20 * by_product[len(by_product) // 2][1], "some products are hot"
    by_second = Counter(int(record.due_seconds) for record in records)
    assert max(by_second.values()) > 4 * min(by_second.values()), "there are bursts and quiet hours"
    expected = Expected()
    expected.add(records)
    assert 0.015 < expected.rejected / len(records) < 0.025
    repeated = len(records) - len({record.data for record in records})
    assert 0.03 < repeated / len(records) < 0.07


def test_nothing_is_mixed_in_that_was_not_asked_for() -> None:
    plain = replace(MIX, bad=0, late=0, duplicates=0, hot=0, steady=True)
    records = list(simulated(plain, BEGIN))
    expected = Expected()
    expected.add(records)
    assert expected.rejected == 0
    by_second = Counter(int(record.due_seconds) for record in records)
    assert max(by_second.values()) - min(by_second.values()) < 0.2 * plain.rate


def test_the_seed_decides_alone() -> None:
    assert list(simulated(MIX, BEGIN)) == list(simulated(MIX, BEGIN))
    assert list(simulated(MIX, BEGIN)) != list(simulated(replace(MIX, seed=4), BEGIN))
