"""The corrected moto returns what moto returns, but does not look at every record or message each time."""

import itertools
from collections import OrderedDict
from typing import Any

import pytest
from moto.kinesis import models
from moto.sqs.models import SQSBackend

from local.servers.moto_server import (
    delete_alone,
    is_retained,
    newest_number,
    records_after,
    visible_messages,
)


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


HOUR_MS = 3_600_000


def queue_with(backend: SQSBackend) -> Any:
    """Return a queue whose messages are visible or hidden, delayed or not, in every combination."""
    queue: Any = backend.create_queue("queue", MessageRetentionPeriod="60")
    for hidden_ms, delayed_ms in itertools.product((-HOUR_MS, HOUR_MS), repeat=2):
        message: Any = backend.send_message("queue", "body")
        message.visible_at = message.sent_timestamp + hidden_ms
        message.delayed_until = message.sent_timestamp + delayed_ms
    return queue


def test_the_same_messages_can_be_received() -> None:
    queue = queue_with(SQSBackend("us-east-1", "123456789012"))
    assert visible_messages(queue) == queue.messages == queue._messages[:1]


@pytest.mark.parametrize("age_ms", [0, 59_000, 61_000])
def test_the_same_messages_are_retained(age_ms: int) -> None:
    backend = SQSBackend("us-east-1", "123456789012")
    message = queue_with(backend)._messages[0]
    message.sent_timestamp -= age_ms
    kept = backend.is_message_valid_based_on_retention_period("queue", message)
    assert is_retained(backend, "queue", message) == kept == (age_ms < 60_000)


class NotedLock:
    """A lock that notes whether it was taken."""

    taken = 0

    def __enter__(self) -> None:
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        pass


def test_messages_are_deleted_one_at_a_time() -> None:
    backend = SQSBackend("us-east-1", "123456789012")
    queue = queue_with(backend)
    message: Any = backend.receive_message("queue", 1, 0, 60)[0]
    queue._messages_lock = NotedLock()
    delete_alone(queue, message.receipt_handle)
    assert (len(queue._messages), queue._messages_lock.taken) == (3, 1)
