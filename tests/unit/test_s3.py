"""Reactions to a bucket's answers (with a fake client; tests/integration uses real servers)."""

import asyncio
import base64
import gzip
import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from processor.adapters.s3 import S3Archive, S3Quarantine
from processor.errors import DependencyError
from processor.reasons import Reason
from processor.updates import Rejection
from tests.support.events import record

RECORDS = [record('{"product_id":"a","inventory":1}', 0), record("bad", 1)]


class FakeS3:
    """A client whose puts raise the next of `answers`, and succeed after the last."""

    def __init__(self, *answers: Exception) -> None:
        self._answers = list(answers)
        self.puts: list[dict[str, Any]] = []

    async def put_object(self, **request: Any) -> None:
        self.puts.append(request)
        if self._answers:
            raise self._answers.pop(0)


def refusal(status: int, code: str = "any") -> ClientError:
    """Return the error with which S3 refuses a put."""
    answer: Any = {
        "Error": {"Code": code, "Message": "on purpose"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutObject")


def archive(client: FakeS3) -> None:
    """Put two records."""
    asyncio.run(S3Archive(client, "archive").put(RECORDS, ["accepted", "invalid_json"]))  # type: ignore[arg-type]


def test_a_put_is_conditional_checked_and_the_same_every_time() -> None:
    client = FakeS3()
    archive(client)
    archive(client)
    first, second = client.puts
    assert first == second
    assert first["IfNoneMatch"] == "*"
    assert first["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(first["Body"]).digest()).decode()
    assert first["Body"][4:8] == bytes(4), "gzip's timestamp"
    assert len(gzip.decompress(first["Body"]).splitlines()) == 2
    assert first["Key"].startswith("inventory/dt=2026-01-31/shardId-000000000006/")
    assert first["Key"].endswith(".ndjson.gz")


@pytest.mark.parametrize("code", ["PreconditionFailed", "412", "", "Unknown"])
def test_an_object_that_exists_is_done(code: str) -> None:
    """Check that the status is enough, since a proxy may lose the body."""
    client = FakeS3(refusal(412, code))
    archive(client)
    assert len(client.puts) == 1


def test_a_conflict_is_tried_again() -> None:
    client = FakeS3(refusal(409), refusal(409))
    archive(client)
    assert len(client.puts) == 3


@pytest.mark.parametrize(
    "answers",
    [
        [refusal(409)] * 3,
        [refusal(403, "AccessDenied")],
        [refusal(503, "PreconditionFailed")],
        [EndpointConnectionError(endpoint_url="http://127.0.0.1")],
        [TimeoutError("late")],
    ],
    ids=repr,
)
def test_anything_else_is_a_failed_dependency(answers: list[Exception]) -> None:
    with pytest.raises(DependencyError, match="s3://archive/inventory/"):
        archive(FakeS3(*answers))


def test_each_shard_has_its_own_object() -> None:
    client = FakeS3()
    mixed = [record("x", 0), record("y", 1, shard="shardId-000000000007"), record("z", 2)]
    rejections = [Rejection(one, Reason.INVALID_JSON, "not JSON") for one in mixed]
    asyncio.run(S3Quarantine(client, "quarantine").put(rejections))  # type: ignore[arg-type]
    assert [put["Body"].count(b"\n") for put in client.puts] == [2, 1]
    assert ["shardId-000000000007" in put["Key"] for put in client.puts] == [False, True]
