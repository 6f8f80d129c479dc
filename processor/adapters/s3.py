"""The archive and quarantine buckets."""

import asyncio
import base64
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from isal import igzip

from processor import s3_objects
from processor.adapters.archived_lines import verified_lines
from processor.adapters.aws_clients import S3
from processor.adapters.careful_aws import errors_of_botocore
from processor.errors import DependencyError, reason_of
from processor.records import Record
from processor.updates import Rejection

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html: 412, the object exists;
# 409, a delete or another conditional write of the key came between: upload again.
_ALREADY_THERE = 412
_CONFLICT = 409
_CONFLICT_TRIES = 3
# Of 0 to 3. It takes a quarter of the time of zlib's fastest level, and leaves these lines a tenth smaller.
_GZIP_LEVEL = 1
# A thread for less, which takes under half a millisecond, costs more than it saves.
_WORTH_A_THREAD_BYTES = 512 * 1024
# Of an object that is read. What the processor writes fits into memory; larger ones go to a file.
_SPOOLED_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 256 * 1024


class S3Archive:
    """Every record as received: one gzip NDJSON object per slice and shard, written once."""

    def __init__(self, client: S3, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, records: Sequence[Record], outcomes: Sequence[str]) -> None:
        for positions in s3_objects.by_shard(records):
            of_shard = [records[position] for position in positions]
            lines = b"".join(
                s3_objects.archive_line(records[position], outcomes[position]) + b"\n"
                for position in positions
            )
            if len(lines) < _WORTH_A_THREAD_BYTES:
                key, body = _archive_object(of_shard, lines)
            else:
                # Hashing and compressing release the interpreter lock, so the upsert goes on meanwhile.
                key, body = await asyncio.to_thread(_archive_object, of_shard, lines)
            await _put_once(self._client, self._bucket, key, body, "application/gzip")

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
            with _failures_of(f"s3://{self._bucket}/{key}"):
                answer = await self._client.get_object(Bucket=self._bucket, Key=key)
                async for block in answer["Body"].iter_chunks(_BLOCK_BYTES):
                    file.write(block)
            file.seek(0)
            for lines in verified_lines(key, file):
                yield lines


class S3Quarantine:
    """Every rejected record and why: one NDJSON object per slice and shard, written once."""

    def __init__(self, client: S3, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, rejections: Sequence[Rejection]) -> None:
        records = [rejection.record for rejection in rejections]
        for positions in s3_objects.by_shard(records):
            of_shard = [records[position] for position in positions]
            body = b"".join(
                s3_objects.quarantine_line(rejections[position]) + b"\n" for position in positions
            )
            key = s3_objects.object_key(s3_objects.QUARANTINE_PREFIX, of_shard, body, ".ndjson")
            await _put_once(self._client, self._bucket, key, body, "application/x-ndjson")

    async def note_survival(self, record: Record, process_id: str) -> None:
        await _put_once(
            self._client, self._bucket, _survivors(record) + process_id, b"", "application/octet-stream"
        )

    async def survivors(self, record: Record) -> frozenset[str]:
        prefix = _survivors(record)
        with _failures_of(f"s3://{self._bucket}/{prefix}"):
            # A record that three processes died of has a few survivors, never a page of a thousand.
            listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        return frozenset(found["Key"].removeprefix(prefix) for found in listed.get("Contents", []))


def _survivors(record: Record) -> str:
    return f"{s3_objects.SURVIVORS_PREFIX}{record.shard}/{record.sequence_number}/"


@contextmanager
def _failures_of(what: str) -> Iterator[None]:
    """Raise errors of S3 and the network as `DependencyError`."""
    try:
        yield
    except errors_of_botocore("ClientError") as error:
        raise DependencyError(f"{what}: {error}") from error
    except errors_of_botocore("BotoCoreError", also=(OSError,)) as error:
        raise DependencyError(f"{what}: {reason_of(error)}") from error


def _archive_object(records: Sequence[Record], lines: bytes) -> tuple[str, bytes]:
    key = s3_objects.object_key(s3_objects.ARCHIVE_PREFIX, records, lines, ".ndjson.gz")
    return key, igzip.compress(lines, compresslevel=_GZIP_LEVEL, mtime=0)


async def _put_once(client: S3, bucket: str, key: str, body: bytes, content_type: str) -> None:
    """Put an object unless it exists: its key contains its content's hash, so an existing one is the same."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    with _failures_of(f"s3://{bucket}/{key}"):
        for left in reversed(range(_CONFLICT_TRIES)):
            try:
                await client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",  # Object Lock demands a checksum
                    ChecksumSHA256=digest,
                    IfNoneMatch="*",
                )
            except errors_of_botocore("ClientError") as error:
                # By its status: a proxy may lose or change the body with the error's code.
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if status == _ALREADY_THERE:
                    return
                if status != _CONFLICT or not left:
                    raise
            else:
                return
