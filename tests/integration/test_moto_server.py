"""The corrected moto returns what moto returns, but does not look at every record each time."""

from collections import OrderedDict
from typing import Any

import pytest
from moto.kinesis import models

from local.servers.moto_server import newest_number, records_after


def shard_with(records: int) -> Any:
    shard = models.Shard(0, 0, 1)
    for number in range(records):
        shard.put_record(f"key {number}", "data", "")
    return shard


@pytest.mark.parametrize("records", [0, 1, 5])
@pytest.mark.parametrize("last", [0, 1, 4, 5, 9])
@pytest.mark.parametrize("limit", [None, 1, 2, 10_000])
def test_the_same_records_are_read(records: int, last: int, limit: int | None) -> None:
    shard = shard_with(records)
    assert records_after(shard, str(last), limit) == shard.get_records(str(last), limit)
    assert newest_number(shard) == shard.get_max_sequence_number()


@pytest.mark.parametrize("last", [0, 2, 4, 6])
def test_a_shard_need_not_begin_with_the_first_number(last: int) -> None:
    shard = shard_with(6)
    shard.records = OrderedDict(list(shard.records.items())[3:])
    assert records_after(shard, str(last), 2) == shard.get_records(str(last), 2)


class Unlistable(OrderedDict[int, Any]):
    """Records of which nobody may list all."""

    def keys(self) -> Any:
        raise AssertionError("all records were listed")


def test_putting_a_record_lists_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.Shard, "get_max_sequence_number", newest_number)
    shard = shard_with(2)
    shard.records = Unlistable(shard.records)
    assert shard.put_record("key", "data", "") == "3"
