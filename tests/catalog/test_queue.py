"""The sweep of the queue of failed batches, on a queue that does what SQS may do: twice, and not at all."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from catalog.repair.queue import delete_messages


def message(name: str, key: str) -> dict[str, Any]:
    """Return a message that points to an object."""
    body = {"Records": [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": key}}}]}
    return {"MessageId": name, "ReceiptHandle": f"handle of {name}", "Body": json.dumps(body)}


class ScriptedQueue:
    """A client of SQS that gives out what it is told to, and does not delete what it is told not to."""

    def __init__(self, *answers: list[dict[str, Any]], undeletable: str = "") -> None:
        self.given_back: list[str] = []
        self.deleted: list[str] = []
        self._answers = list(answers)
        self._undeletable = undeletable

    async def receive_message(self, **_: Any) -> dict[str, Any]:
        return {"Messages": self._answers.pop(0) if self._answers else []}

    async def delete_message_batch(self, *, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
        await asyncio.sleep(0)
        good = [entry for entry in Entries if entry["ReceiptHandle"] != self._undeletable]
        self.deleted += [entry["ReceiptHandle"] for entry in good]
        return {"Successful": [{"Id": entry["Id"]} for entry in good]}

    async def change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
        self.given_back += [entry["ReceiptHandle"] for entry in Entries]


async def sweep(queue: ScriptedQueue) -> tuple[int, int]:
    """Delete the messages that point to `done`; return how many were deleted and left."""

    async def aws(_: str) -> ScriptedQueue:
        return queue

    environment = SimpleNamespace(queue_url="queue", quarantine_bucket="bucket")
    connections: Any = SimpleNamespace(aws=aws, environment=environment)
    found = await delete_messages(connections, {"done"})
    return found.deleted, found.left


async def test_a_message_that_two_receivers_get_counts_once() -> None:
    queue = ScriptedQueue([message("one", "done")], [message("one", "done"), message("two", "other")])
    assert await sweep(queue) == (1, 1)
    assert set(queue.deleted) == {"handle of one"}
    assert queue.given_back == ["handle of two"]


async def test_what_sqs_does_not_delete_is_left() -> None:
    queue = ScriptedQueue([message("one", "done"), message("two", "done")], undeletable="handle of two")
    assert await sweep(queue) == (1, 1)
