"""The queue of failed batches: S3's notifications, each a pointer to an object in the quarantine bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import asyncio
import json
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from catalog.connections import Connections
from catalog.repair.failed_batches import Damaged

# SQS gives, deletes and changes at most ten messages at a time.
_AT_ONCE = 10
_RECEIVERS = 8
# Messages that are looked at are hidden from others for so long, or until they are given back.
_HIDDEN_SECONDS = 120


@dataclass(slots=True)
class Sweep:
    """What a sweep of the queue did; `test_events`: S3's own, which stand for no batch and stay."""

    deleted: int = 0
    left: int = 0
    test_events: int = 0
    damaged: list[Damaged] = field(default_factory=list)


async def delete_messages(connections: Connections, redriven: Container[str]) -> Sweep:
    """Delete the messages whose batches were all redriven; leave all others as they were."""
    sqs, url = await connections.aws("sqs"), connections.environment.queue_url
    bucket = connections.environment.quarantine_bucket
    sweep, kept, seen = Sweep(), dict[str, str](), set[str]()

    async def receive() -> None:
        while True:
            answer = await sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=_AT_ONCE,
                WaitTimeSeconds=1,  # asks all of SQS's servers, so that an empty answer means something
                VisibilityTimeout=_HIDDEN_SECONDS,
            )
            messages = answer.get("Messages", [])
            if not messages or all(message["MessageId"] in seen for message in messages):
                kept.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
                return
            done, new = [], {message["MessageId"] for message in messages} - seen
            # Before anything is awaited: SQS may give a message to two receivers.
            seen.update(new)
            for message in messages:
                if _is_done(message, bucket, redriven, sweep, is_new=message["MessageId"] in new):
                    done.append(message)
                else:
                    kept[message["MessageId"]] = message["ReceiptHandle"]
            deleted = await _delete(sqs, url, done)
            sweep.deleted += len(deleted & new)
            sweep.left += sum(message["MessageId"] in new - deleted for message in done)

    try:
        await asyncio.gather(*(receive() for _ in range(_RECEIVERS)))
    finally:
        await _give_back(sqs, url, list(kept.values()))
    return sweep


def _is_done(
    message: dict[str, Any], bucket: str, redriven: Container[str], sweep: Sweep, *, is_new: bool
) -> bool:
    """Return whether all that a message points to was redriven; count it otherwise."""
    pointers = pointers_of(message.get("Body", ""))
    if isinstance(pointers, str):
        if is_new:
            sweep.damaged.append(Damaged(f"message {message['MessageId']}", pointers))
        return False
    if pointers and all(found == bucket and key in redriven for found, key in pointers):
        return True
    if is_new:
        sweep.test_events += not pointers
        sweep.left += bool(pointers)
    return False


def pointers_of(body: str) -> list[tuple[str, str]] | str:
    """Return bucket and key of each object that a message names, or what is wrong with the message.

    None are named by the event with which S3 tests the queue.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return "the message is not JSON"
    match event:
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Records": [_, *_] as records}:
            try:
                return [
                    (str(record["s3"]["bucket"]["name"]), unquote_plus(record["s3"]["object"]["key"]))
                    for record in records
                ]
            except (KeyError, TypeError, AttributeError):
                pass
    return "the message is not a notification of S3"


async def _delete(sqs: Any, url: str, messages: list[dict[str, Any]]) -> set[str]:
    """Delete messages; return the ids of those that SQS has deleted."""
    if not messages:
        return set()
    entries = [
        {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
        for position, message in enumerate(messages)
    ]
    answer = await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return {messages[int(entry["Id"])]["MessageId"] for entry in answer.get("Successful", [])}


async def _give_back(sqs: Any, url: str, handles: list[str]) -> None:
    for start in range(0, len(handles), _AT_ONCE):
        await sqs.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(position), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for position, handle in enumerate(handles[start : start + _AT_ONCE])
            ],
        )
