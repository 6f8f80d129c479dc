"""moto's server, not slower with each record of a stream and each message of a queue.

moto 5.2 lists all records of a shard for each record that is put, and looks at all of them for each call that
reads: with 10,000 in a shard it takes less than 1,000 records a second. For each message that is received it
counts all messages of the queue, three times: with 2,000 of them it gives out 30 a second. Of two messages
that are deleted at the same time it keeps one.

A program with moto's arguments.
"""

import sys
from itertools import islice
from typing import Any

from moto.core.utils import unix_time, unix_time_millis
from moto.kinesis import models
from moto.server import main
from moto.sqs import models as sqs_models


def newest_number(shard: Any) -> int:
    """Return the sequence number of a shard's newest record; 0 if it has none."""
    return next(reversed(shard.records), 0)


def records_after(shard: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Any], int, int]:
    """Return the records after a sequence number, the last one's number, and how far it is behind, in ms."""
    last = int(last_sequence_id)
    newest = newest_number(shard)
    # Numbers are consecutive; a shard's first record has 1, but after a split it may have another.
    passed = min(max(0, last - next(iter(shard.records), 1) + 1), len(shard.records))
    found = list(islice(shard.records.values(), passed, None if limit is None else passed + limit))
    if not found:
        return [], last, 0
    behind = shard.records[newest].created_at - found[-1].created_at
    return found, found[-1].sequence_number, int(behind * 1000)


def visible_messages(queue: Any) -> list[Any]:
    """Return the messages of a queue that may be received now."""
    now = unix_time_millis()
    return [message for message in queue._messages if message.visible_at < now >= message.delayed_until]


def is_retained(backend: Any, queue_name: str, message: Any) -> bool:
    """Return whether a message is not older than its queue keeps messages."""
    queue = backend.get_queue(queue_name)
    return bool(queue.message_retention_period + message.sent_timestamp / 1000 > unix_time())


def delete_alone(queue: Any, receipt_handle: str) -> None:
    """Delete a message, while no other is added or deleted."""
    with queue._messages_lock:
        _delete_message(queue, receipt_handle)


_delete_message = sqs_models.Queue.delete_message


def correct_moto() -> None:
    """Replace the methods by those above, which return the same."""
    corrections: tuple[tuple[Any, str, Any], ...] = (
        (models.Shard, "get_max_sequence_number", newest_number),
        (models.Shard, "get_records", records_after),
        (sqs_models.Queue, "messages", property(visible_messages)),
        (sqs_models.Queue, "delete_message", delete_alone),
        (sqs_models.SQSBackend, "is_message_valid_based_on_retention_period", is_retained),
    )
    for owner, name, corrected in corrections:
        setattr(owner, name, corrected)


if __name__ == "__main__":
    correct_moto()
    main(sys.argv[1:])
