"""Puts objects into the archive and into quarantine as the processor does, and damaged ones."""

import gzip
from collections.abc import Sequence
from typing import Any

from processor.reasons import Reason, of_register
from processor.records import Record
from processor.s3_objects import (
    ACCEPTED,
    ARCHIVE_PREFIX,
    QUARANTINE_PREFIX,
    archive_line,
    object_key,
    quarantine_line,
)
from processor.updates import Rejection
from tests.support.real_servers import Services

_PRICE = of_register("price")


async def put(services: Services, key: str, body: bytes) -> str:
    """Put an object into the archive; return its key."""
    await services.account.s3.put_object(Bucket=services.account.archive_bucket, Key=key, Body=body)
    return key


async def archive(services: Services, records: Sequence[Record], verdict: str = ACCEPTED) -> str:
    """Archive records as one object, all with the same verdict; return its key."""
    return await archive_lines(services, records, [archive_line(record, verdict) for record in records])


async def archive_lines(services: Services, records: Sequence[Record], lines: Sequence[bytes]) -> str:
    """Put any lines under the key of these records; return it."""
    content = b"".join(line + b"\n" for line in lines)
    key = object_key(ARCHIVE_PREFIX, records, content, ".ndjson.gz")
    return await put(services, key, gzip.compress(content, mtime=0))


async def quarantine(services: Services, records: Sequence[Record], reason: Reason = _PRICE) -> str:
    """Quarantine records as one object; return its key."""
    content = b"".join(quarantine_line(Rejection(record, reason, "why")) + b"\n" for record in records)
    key = object_key(QUARANTINE_PREFIX, records, content, ".ndjson")
    bucket: Any = services.account.quarantine_bucket
    await services.account.s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key
