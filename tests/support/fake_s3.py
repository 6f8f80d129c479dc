"""Buckets in memory whose objects were written when a test says so, and a program's connections to them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from catalog.connections import Connections
from catalog.environment import Environment

ARCHIVE, QUARANTINE = "archive", "quarantine"


class NoSuchKeyError(Exception):
    """No object has this key."""


@dataclass(frozen=True, slots=True)
class _Body:
    content: bytes

    async def read(self) -> bytes:
        return self.content

    async def iter_chunks(self, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]


@dataclass(slots=True)
class FakeS3:
    """What commands that only read request of S3. `objects`: (bucket, key) → content, and when written."""

    objects: dict[tuple[str, str], tuple[bytes, datetime]] = field(default_factory=dict)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(NoSuchKey=NoSuchKeyError))

    def put(self, bucket: str, key: str, content: bytes, at: datetime) -> None:
        """Write an object, unless there is one."""
        self.objects.setdefault((bucket, key), (content, at))

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    async def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> AsyncIterator[Any]:  # noqa: N803 as boto3 has them
        yield {
            "Contents": [
                {"Key": key, "Size": len(content), "LastModified": at}
                for (bucket, key), (content, at) in sorted(self.objects.items())
                if bucket == Bucket and key.startswith(Prefix) and key > StartAfter
            ]
        }

    async def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 as boto3 has them
        try:
            return {"Body": _Body(self.objects[Bucket, Key][0]), "ETag": '"1"'}
        except KeyError:
            raise NoSuchKeyError from None


def connections_to(s3: FakeS3) -> Connections:
    """Return connections that have these buckets and nothing else."""
    environment = Environment(
        name="test", region="us-east-1", stream_name="", archive_bucket=ARCHIVE, quarantine_bucket=QUARANTINE,
        queue_url="", function_name="", database_host="", database_port=0, database_name="",
        database_secret_arn="", reader_secret_arn="", database_tls=False, cache_host="", cache_port=0,
        cache_tls=False,
    )  # fmt: skip
    session: Any = SimpleNamespace(client=lambda service, **_: nullcontext({"s3": s3}[service]))
    return Connections(environment, cast(Any, session), AsyncExitStack())
